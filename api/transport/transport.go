// Package transport holds what the transports of the Janus API share: access
// lists, origin rules, listeners and certificates.
package transport

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ACL is a list of prefixes of IP addresses in their text form, "192.168.1."
// or "2001:db8:". An empty list allows everybody.
type ACL struct {
	prefixes  []string
	forwarded bool
}

// NewACL makes an access list. forwarded makes AllowsRequest look at
// X-Forwarded-For, too.
func NewACL(prefixes []string, forwarded bool) ACL {
	a := ACL{forwarded: forwarded}
	for _, p := range prefixes {
		if p = strings.TrimSpace(p); p != "" {
			a.prefixes = append(a.prefixes, strings.ToLower(p))
		}
	}
	return a
}

// Allows tells whether an address may use the server. IPv4 addresses mapped
// into IPv6 match in both forms. A text that is no IP address is allowed by an
// empty list only.
func (a ACL) Allows(ip string) bool {
	if len(a.prefixes) == 0 {
		return true
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	addr = addr.WithZone("")
	plain, mapped := addr.Unmap().String(), ""
	if addr.Unmap().Is4() {
		mapped = "::ffff:" + plain
	}
	for _, p := range a.prefixes {
		if strings.HasPrefix(plain, p) || mapped != "" && strings.HasPrefix(mapped, p) {
			return true
		}
	}
	return false
}

// AllowsRequest checks the addresses in X-Forwarded-For when the list was made
// with forwarded. Every one of them has to be allowed, since a client may
// write what it likes in front of what the proxy appends.
func (a ACL) AllowsRequest(r *http.Request) bool {
	if !a.forwarded {
		return true
	}
	for _, line := range r.Header.Values("X-Forwarded-For") {
		for ip := range strings.SplitSeq(line, ",") {
			if ip = strings.TrimSpace(ip); ip != "" && !a.Allows(ip) {
				return false
			}
		}
	}
	return true
}

// Origins is the rule for pages of other origins (CORS, W3C Fetch).
type Origins struct {
	Allow   string // an origin, "https://example.com"; empty allows all
	Enforce bool   // refuse requests of other origins; needs Allow
}

// Header is the value of Access-Control-Allow-Origin.
func (o Origins) Header() string {
	if o.Allow == "" {
		return "*"
	}
	return o.Allow
}

// Refuses tells that a request comes from a page that may not use the server.
// referer lets the Referer header stand in for a missing Origin.
func (o Origins) Refuses(r *http.Request, referer bool) bool {
	if !o.Enforce || o.Allow == "" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" && referer {
		origin = r.Header.Get("Referer")
	}
	return !o.covers(origin)
}

// covers tells whether origin begins with the allowed one, and not just with
// the first letters of a longer host name.
func (o Origins) covers(origin string) bool {
	rest, ok := strings.CutPrefix(origin, o.Allow)
	if !ok {
		return false
	}
	return rest == "" || rest[0] == ':' || rest[0] == '/' || strings.HasSuffix(o.Allow, "/")
}

// RemoteIP is the address of a request's peer without the port, and the port;
// empty for Unix sockets.
func RemoteIP(r *http.Request) (ip, port string) {
	ip, port, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "", ""
	}
	return ip, port
}
