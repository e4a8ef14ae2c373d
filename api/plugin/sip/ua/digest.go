package ua

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// Credentials answer challenges (RFC 8760, RFC 3261, 22).
type Credentials struct {
	User   string
	Secret string
	HA1    string // hexadecimal MD5 of user:realm:secret, instead of Secret
}

func (c Credentials) empty() bool { return c.Secret == "" && c.HA1 == "" }

// challenge is a WWW-Authenticate or Proxy-Authenticate field.
type challenge struct {
	proxy                           bool
	realm, nonce, opaque, algorithm string
	qop                             string // the one that we take: "auth", "auth-int", "" = none was offered
	stale                           bool
}

// parseChallenges reads the challenges of a response that we know an algorithm for, the strongest first.
func parseChallenges(m *message) (list []challenge) {
	for _, name := range []string{"WWW-Authenticate", "Proxy-Authenticate"} {
		for _, v := range m.headers.All(name) {
			scheme, rest, _ := strings.Cut(strings.TrimSpace(v), " ")
			if !strings.EqualFold(scheme, "Digest") {
				continue
			}
			c := challenge{proxy: name[0] == 'P'}
			var qops []string
			for _, p := range splitList(rest) {
				key, value, _ := strings.Cut(p, "=")
				value = unquote(strings.TrimSpace(value))
				switch strings.ToLower(strings.TrimSpace(key)) {
				case "realm":
					c.realm = value
				case "nonce":
					c.nonce = value
				case "opaque":
					c.opaque = value
				case "algorithm":
					c.algorithm = value
				case "stale":
					c.stale = strings.EqualFold(value, "true")
				case "qop":
					qops = strings.FieldsFunc(strings.ToLower(value), func(r rune) bool { return r == ',' || r == ' ' })
				}
			}
			switch {
			case slices.Contains(qops, "auth"):
				c.qop = "auth"
			case slices.Contains(qops, "auth-int"):
				c.qop = "auth-int"
			case len(qops) > 0:
				continue
			}
			if _, ok := c.hash(); ok && c.nonce != "" && len(list) < 8 {
				list = append(list, c)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b challenge) int { return b.strength() - a.strength() })
	return list
}

// hash is the function of the algorithm, and whether we know it.
func (c challenge) hash() (func() hash.Hash, bool) {
	switch strings.ToUpper(c.algorithm) {
	case "", "MD5", "MD5-SESS":
		return md5.New, true
	case "SHA-256", "SHA-256-SESS":
		return sha256.New, true
	}
	return nil, false
}

func (c challenge) strength() int {
	if strings.HasPrefix(strings.ToUpper(c.algorithm), "SHA") {
		return 1
	}
	return 0
}

func (c challenge) session() bool { return strings.HasSuffix(strings.ToUpper(c.algorithm), "-SESS") }

// usable reports whether the credentials can answer the challenge: an HA1 is one of MD5.
func (c challenge) usable(cred Credentials) bool {
	return cred.Secret != "" || cred.HA1 != "" && c.strength() == 0
}

// header is the name of the field of the answer.
func (c challenge) header() string {
	if c.proxy {
		return "Proxy-Authorization"
	}
	return "Authorization"
}

// answer is the value of that field, for the count-th request with this nonce.
func (c challenge) answer(cred Credentials, method, uri string, body []byte, count uint32, cnonce string) string {
	make, _ := c.hash()
	sum := func(parts ...string) string {
		h := make()
		for i, p := range parts {
			if i > 0 {
				h.Write([]byte{':'})
			}
			h.Write([]byte(p))
		}
		return hex.EncodeToString(h.Sum(nil))
	}
	ha1 := strings.ToLower(cred.HA1)
	if cred.Secret != "" {
		ha1 = sum(cred.User, c.realm, cred.Secret)
	}
	if c.session() {
		ha1 = sum(ha1, c.nonce, cnonce)
	}
	ha2 := sum(method, uri)
	if c.qop == "auth-int" {
		ha2 = sum(method, uri, sum(string(body)))
	}
	nc := fmt.Sprintf("%08x", count)
	response := sum(ha1, c.nonce, ha2)
	if c.qop != "" {
		response = sum(ha1, c.nonce, nc, cnonce, c.qop, ha2)
	}
	var b strings.Builder
	b.WriteString("Digest username=" + quote(cred.User) + ", realm=" + quote(c.realm) + ", nonce=" + quote(c.nonce) +
		", uri=" + quote(uri) + ", response=" + quote(response))
	if c.algorithm != "" {
		b.WriteString(", algorithm=" + c.algorithm)
	}
	if c.opaque != "" {
		b.WriteString(", opaque=" + quote(c.opaque))
	}
	switch {
	case c.qop != "":
		b.WriteString(", qop=" + c.qop + ", nc=" + nc + ", cnonce=" + quote(cnonce))
	case c.session():
		b.WriteString(", cnonce=" + quote(cnonce))
	}
	return b.String()
}
