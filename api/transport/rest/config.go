// Package rest carries the Janus API and the Admin API over HTTP: requests as
// POST bodies, replies as response bodies, events by long poll.
package rest

import (
	"net/http"
	"strings"
	"time"

	"bifrons/api/budget"
	"bifrons/api/janus"
	"bifrons/api/transport"
)

// Package is the name of this transport in the Janus API.
const Package = "janus.transport.http"

// Config holds the parameters of a Server. Zero values mean the defaults.
type Config struct {
	API   API // base path /janus
	Admin API // base path /admin

	Origins     transport.Origins
	Certificate transport.Certificate // for the HTTPS listeners
	MaxConns    int                   // of each listener; 0: any number
	Gate        *transport.Gate       // that all transports share; nil: no other limits
	Bodies      *budget.Budget        // for the bodies being received, shared; default transport.BodyBytes
	MaxBody     int64                 // bytes; default 1 MiB
	transport.Common
	// Page serves "/" and all below "/echo/", Demos all below "/demos/", both
	// on the listeners of the API. Nil: not found.
	Page, Demos http.Handler
	// Dashboard serves "/" and all below "/dashboard/" on those of the Admin API.
	Dashboard http.Handler

	// Files answers GET requests for files that plugins have made, on the listeners of
	// the API. It is false for all other paths. Nil: there are none.
	Files func(w http.ResponseWriter, r *http.Request) bool

	// Others serves the paths that it says it serves, on the listeners of the API. Nil:
	// there are none.
	Others interface {
		http.Handler
		Serves(path string) bool
	}

	// Metrics serves /metrics on the listeners of the Admin API. Nil: not found.
	Metrics http.Handler

	// Ready says why the server should get no new clients, nil if it should. It
	// is asked by GET /readyz; GET /healthz is answered as long as there is a
	// server.
	Ready func() error

	PollTimeout  time.Duration // of an idle long poll; default 30 s
	ReplyTimeout time.Duration // for the core's answer; default 10 s
	IdleTimeout  time.Duration // of connections; default 120 s

	// How long a client may take to send a header, and to send a body or read one;
	// default transport.HeaderTimeout and BodyTimeout.
	HeaderTimeout, BodyTimeout time.Duration
}

// API is where and for whom one of the two APIs is served.
type API struct {
	BasePath    string
	HTTP, HTTPS transport.Address
	ACL         transport.ACL
}

func (a *API) ports() transport.Ports {
	return transport.Ports{Plain: a.HTTP, Secure: a.HTTPS, ACL: a.ACL}
}

func (c *Config) setDefaults() {
	c.API.BasePath = cleanBase(c.API.BasePath, "/janus")
	c.Admin.BasePath = cleanBase(c.Admin.BasePath, "/admin")
	if c.MaxBody <= 0 {
		c.MaxBody = 1 << 20
	}
	setDefault(&c.PollTimeout, 30*time.Second)
	setDefault(&c.ReplyTimeout, 10*time.Second)
	setDefault(&c.IdleTimeout, 120*time.Second)
	setDefault(&c.HeaderTimeout, transport.HeaderTimeout)
	setDefault(&c.BodyTimeout, transport.BodyTimeout)
	if c.Bodies == nil {
		c.Bodies = budget.New(transport.BodyBytes)
	}
}

func setDefault(d *time.Duration, to time.Duration) {
	if *d <= 0 {
		*d = to
	}
}

// cleanBase makes "/x" of "x/"; the root of the server becomes "".
func cleanBase(path, otherwise string) string {
	if path == "" {
		path = otherwise
	}
	path = strings.Trim(path, "/")
	if path == "" {
		return ""
	}
	return "/" + path
}

// Core is the part of the core that a Server uses; janus.Core implements it.
type Core interface {
	Handle(conn janus.Conn, r janus.Request, reply func(msg []byte))
	Poll(session uint64, secret, token string) janus.Code
}
