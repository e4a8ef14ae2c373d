package auth

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"strconv"
	"strings"
)

// Realm is the realm of signed tokens for the Janus API itself.
const Realm = "janus"

// SignedFor reports whether token is a valid signed token of a realm that lists
// a descriptor: a plugin's package for Realm, or the plugin's own text. It
// is false unless signed tokens are on.
func (a *Auth) SignedFor(token, realm, descriptor string) bool {
	for _, d := range a.verify(token, realm) {
		if d == descriptor {
			return true
		}
	}
	return false
}

// verify returns the descriptors of a signed token,
// "<expiry>,<realm>,<descriptor>...:<base64 of the HMAC-SHA1 of the text before
// the colon>" with the expiry in Unix seconds; nil if it is not valid.
func (a *Auth) verify(token, realm string) []string {
	if !a.Signed() {
		return nil
	}
	text, signature, ok := strings.Cut(token, ":")
	if !ok || strings.Contains(signature, ":") {
		return nil
	}
	given, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return nil
	}
	mac := hmac.New(sha1.New, []byte(a.cfg.Load().TokenSecret))
	mac.Write([]byte(text))
	if !hmac.Equal(given, mac.Sum(nil)) {
		return nil
	}
	parts := strings.Split(text, ",")
	if len(parts) < 2 || parts[1] != realm {
		return nil
	}
	expiry, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil || expiry < a.cfg.Load().Now().Unix() {
		return nil
	}
	return append([]string{}, parts[2:]...)
}
