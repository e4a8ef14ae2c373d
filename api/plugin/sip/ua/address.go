package ua

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// address is a name-addr or addr-spec with parameters, as in From, To and Contact (RFC 3261, 20.10).
type address struct {
	display string // without quotes
	uri     string // as it came
	params  params
}

type params []param

// param has its name in lower case.
type param struct{ name, value string }

func (p params) get(name string) string {
	for _, x := range p {
		if x.name == name {
			return x.value
		}
	}
	return ""
}

func (p params) has(name string) bool {
	for _, x := range p {
		if x.name == name {
			return true
		}
	}
	return false
}

// scan calls f for each byte that is neither within quotes nor within angle brackets, until f says no.
func scan(s string, f func(i int, c byte) bool) {
	quoted, depth := false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			depth++
		case c == '>':
			if depth > 0 {
				depth--
			}
		case depth == 0:
			if !f(i, c) {
				return
			}
		}
	}
}

// split cuts a text at a byte that stands outside quotes and brackets.
func split(s string, at byte) (list []string) {
	from := 0
	scan(s, func(i int, c byte) bool {
		if c == at {
			list = append(list, strings.TrimSpace(s[from:i]))
			from = i + 1
		}
		return true
	})
	return append(list, strings.TrimSpace(s[from:]))
}

// splitList cuts a list at its commas, and leaves empty places out.
func splitList(s string) (list []string) {
	for _, v := range split(s, ',') {
		if v != "" {
			list = append(list, v)
		}
	}
	return list
}

// parseParams reads the parameters after a semicolon.
func parseParams(s string) (list params) {
	for _, p := range split(s, ';') {
		name, value, _ := strings.Cut(p, "=")
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			list = append(list, param{name, unquote(strings.TrimSpace(value))})
		}
	}
	return list
}

// parseAddress reads the value of From and its kin.
func parseAddress(s string) (a address, ok bool) {
	s = strings.TrimSpace(s)
	open, quoted := -1, false
	for i := 0; i < len(s) && open < 0; i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '<' && !quoted:
			open = i
		}
	}
	if quoted {
		return a, false
	}
	rest := ""
	if open >= 0 {
		end := strings.IndexByte(s[open:], '>')
		if end < 0 {
			return a, false
		}
		a.display, a.uri, rest = unquote(strings.TrimSpace(s[:open])), strings.TrimSpace(s[open+1:open+end]), s[open+end+1:]
		rest = strings.TrimSpace(rest)
		if rest != "" && rest[0] != ';' {
			return a, false
		}
		rest = strings.TrimPrefix(rest, ";")
	} else {
		// Without brackets all parameters are those of the field (RFC 3261, 20).
		a.uri, rest, _ = strings.Cut(s, ";")
		a.uri = strings.TrimSpace(a.uri)
	}
	a.params = parseParams(rest)
	if strings.ContainsAny(a.uri, " \t\"<>") || a.uri == "" {
		return a, false
	}
	scheme, _, found := strings.Cut(a.uri, ":")
	return a, found && isToken(scheme) || a.uri == "*"
}

// unquote takes the quotes of a quoted string off.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// quote makes a quoted string. Control characters are left out.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c >= ' ' && c != 0x7f:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// nameAddr writes an address as From and To have it.
func nameAddr(display, uri string) string {
	if display == "" {
		return "<" + uri + ">"
	}
	return quote(display) + " <" + uri + ">"
}

var errURI = errors.New("bad URI")

// parseURI reads a SIP or SIPS URI.
func parseURI(s string) (u sip.Uri, err error) {
	defer func() {
		if recover() != nil {
			err = errURI
		}
	}()
	if strings.ContainsAny(s, " \t\r\n\"<>\x00") || len(s) > 1024 {
		return u, errURI
	}
	if err := sip.ParseUri(s, &u); err != nil {
		return u, err
	}
	if u.Scheme != "sip" && u.Scheme != "sips" || u.Host == "" || u.Wildcard || u.Port < 0 || u.Port > 65535 {
		return u, errURI
	}
	host := strings.Trim(u.Host, "[]")
	if _, err := netip.ParseAddr(host); err != nil && !isHost(host) {
		return u, errURI
	}
	return u, nil
}

// isHost reports whether a text can be the name of a host.
func isHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_') {
			return false
		}
	}
	return s != "" && len(s) < 256
}

// uriParam is a parameter of a URI; names are compared in any case.
func uriParam(u sip.Uri, name string) (string, bool) {
	for _, p := range u.UriParams {
		if strings.EqualFold(strings.TrimSpace(p.K), name) {
			return strings.TrimSpace(p.V), true
		}
	}
	return "", false
}

// via is a Via field (RFC 3261, 20.42).
type via struct {
	proto  string // UDP, TCP ...
	host   string
	port   uint16 // 0 = not given
	branch string
	rport  bool // asked for
	text   string
}

// parseVia reads the value of a Via field with one hop.
func parseVia(s string) (v via, err error) {
	v.text = s
	bad := errors.New("bad Via")
	head, rest, _ := strings.Cut(s, ";")
	name, head, ok1 := strings.Cut(head, "/")
	version, head, ok2 := strings.Cut(head, "/")
	if !ok1 || !ok2 || !strings.EqualFold(strings.TrimSpace(name), "SIP") || strings.TrimSpace(version) != "2.0" {
		return v, bad
	}
	proto, by, ok := strings.Cut(strings.TrimSpace(head), " ")
	if !ok {
		if proto, by, ok = strings.Cut(strings.TrimSpace(head), "\t"); !ok {
			return v, bad
		}
	}
	v.proto, by = strings.ToUpper(proto), strings.TrimSpace(by)
	host, port := by, ""
	if i := strings.LastIndexByte(by, ':'); i > strings.LastIndexByte(by, ']') && (by[0] == '[' || strings.Count(by, ":") == 1) {
		host, port = strings.TrimSpace(by[:i]), strings.TrimSpace(by[i+1:])
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return v, bad
		}
		v.port = uint16(n)
	}
	if v.host = strings.Trim(host, "[]"); v.host == "" {
		return v, bad
	}
	p := parseParams(rest)
	v.branch, v.rport = p.get("branch"), p.has("rport")
	return v, nil
}

// magic begins the branches of RFC 3261, 8.1.1.7.
const magic = "z9hG4bK"

// seen is the field with the address that the request came from (RFC 3261, 18.2.1; RFC 3581, 4).
func (v via) seen(from netip.AddrPort) string {
	ip := from.Addr().Unmap().WithZone("")
	head, rest, _ := strings.Cut(v.text, ";")
	out := strings.TrimSpace(head)
	for _, p := range split(rest, ';') {
		name, _, _ := strings.Cut(p, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "", "received":
		case "rport":
			out += ";rport=" + strconv.Itoa(int(from.Port()))
		default:
			out += ";" + p
		}
	}
	if by, err := netip.ParseAddr(v.host); err != nil || by.Unmap() != ip || v.rport {
		out += ";received=" + ip.String()
	}
	return out
}

// sdpPart finds the description in a body of several parts.
func sdpPart(kind string, body []byte) (string, bool) {
	_, p, err := mime.ParseMediaType(kind)
	if err != nil || p["boundary"] == "" {
		return "", false
	}
	r := multipart.NewReader(bytes.NewReader(body), p["boundary"])
	for range 16 {
		part, err := r.NextRawPart()
		if err != nil {
			return "", false
		}
		kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if kind != "application/sdp" {
			continue
		}
		text, err := io.ReadAll(part)
		return strings.ToValidUTF8(string(text), "\uFFFD"), err == nil
	}
	return "", false
}

func fill(b []byte) { _, _ = rand.Read(b) } // never fails

// random is a text of letters and digits that nobody can guess.
func random(n int) string {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	b := make([]byte, 2*n)
	out := make([]byte, 0, n)
	for len(out) < n {
		fill(b)
		for _, c := range b {
			if int(c) < 4*len(letters) && len(out) < n {
				out = append(out, letters[int(c)%len(letters)])
			}
		}
	}
	return string(out)
}

// Valid reports whether a text is a SIP URI; secure says that sips is one too.
func Valid(uri string, secure bool) bool {
	u, err := parseURI(uri)
	return err == nil && (u.Scheme == "sip" || secure && u.Scheme == "sips")
}
