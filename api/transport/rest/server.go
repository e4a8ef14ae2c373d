package rest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"bifrons/api/janus"
	"bifrons/api/module"
	"bifrons/api/transport"
)

// Server is the HTTP transport. Towards the core it is one connection for all
// its sessions, since an HTTP session outlives every TCP connection.
type Server struct {
	cfg      Config
	core     Core
	control  *transport.Control
	hub      *hub
	working  atomic.Int64 // requests at work
	requests atomic.Uint64

	web transport.Web
}

var (
	_ janus.Conn      = (*Server)(nil)
	_ janus.Transport = (*Server)(nil)
)

// New opens the listeners. Those that cannot be opened are logged; it is an
// error if none is left, transport.ErrDisabled if none was asked for.
func New(cfg Config, core Core) (*Server, error) {
	cfg.setDefaults()
	control := cfg.Control()
	s := &Server{
		cfg: cfg, core: core, hub: newHub(cfg.Queues),
		control: control,
		web: transport.Web{Package: Package, Scheme: "http", Certificate: cfg.Certificate, MaxConns: cfg.MaxConns,
			Gate: cfg.Gate, Log: cfg.Log},
	}
	if err := s.web.Open(cfg.API.ports(), cfg.Admin.ports(), s.newHTTP); err != nil {
		return nil, err
	}
	return s, nil
}

// newHTTP makes the HTTP server of one of the two APIs.
func (s *Server) newHTTP(admin bool) *http.Server {
	svc := service{Server: s, API: s.cfg.API}
	if admin {
		svc.API, svc.admin = s.cfg.Admin, true
	}
	return &http.Server{
		Handler:           svc,
		ReadHeaderTimeout: s.cfg.HeaderTimeout,
		ReadTimeout:       s.cfg.IdleTimeout + s.cfg.PollTimeout,
		WriteTimeout:      s.cfg.IdleTimeout + s.cfg.PollTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
	}
}

// Start accepts connections until Close.
func (s *Server) Start() { s.web.Start() }

// Listeners are "http", "https", "admin_http" and "admin_https", as far as they
// are open.
func (s *Server) Listeners() []transport.Listener {
	return s.web.Listeners(s.cfg.API.BasePath, s.cfg.Admin.BasePath)
}

// Flush waits until clients have fetched all events, or ctx ends.
func (s *Server) Flush(ctx context.Context) {
	t := time.NewTicker(flushPoll)
	defer t.Stop()
	for !s.hub.empty() {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// flushPoll is how often Flush looks.
const flushPoll = 20 * time.Millisecond

// closeTimeout is how long running requests may take to finish.
const closeTimeout = 3 * time.Second

// Close answers all pending polls, lets the requests at work finish for a
// short while and closes everything.
func (s *Server) Close() {
	s.hub.close()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	s.web.Shutdown(ctx)
}

// Info describes the transport in server_info.
func (s *Server) Info() module.Info { return transport.Info(Package, "REST (HTTP/HTTPS)", 2) }

// Query answers query_transport.
func (s *Server) Query(request []byte) []byte {
	return s.control.Query(request, func() (string, int64) {
		var counts []string
		s.web.Conns(func(name string, n int64) { counts = append(counts, fmt.Sprintf("%q:%d", name, n)) })
		return "{" + strings.Join(counts, ",") + "}", s.working.Load()
	})
}

// Transport names the transport.
func (s *Server) Transport() string { return Package }

// ID is the same for all sessions over HTTP; requests have ids of their own.
func (s *Server) ID() string { return "1" }

// Deliver queues an event for the session's next long poll.
func (s *Server) Deliver(session uint64, event janus.Event) { s.hub.deliver(session, event) }

// SessionBound starts an empty queue.
func (s *Server) SessionBound(session uint64) { s.hub.bind(session) }

// SessionOver drops the queue.
func (s *Server) SessionOver(session uint64, why janus.Over) { s.hub.end(session, why) }
