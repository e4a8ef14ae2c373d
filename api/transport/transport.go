// Package transport holds what the transports of the Janus API share: access
// lists, origin rules, listeners, certificates, and bounds on connections and on data that
// waits for clients.
package transport

import (
	"net"
	"net/http"
	"strings"
)

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

// Refuses reports whether a request comes from a page that may not use the server.
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

// covers reports whether origin begins with the allowed one, and not just with
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
