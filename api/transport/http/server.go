package http

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	nethttp "net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bifrons/api/janus"
	"bifrons/api/module"
	"bifrons/api/transport"
)

// ErrDisabled means that the configuration enables no endpoint.
var ErrDisabled = errors.New("no HTTP endpoint is enabled")

// Server is the HTTP transport. Towards the core it is one connection for all
// its sessions, since an HTTP session outlives every TCP connection.
type Server struct {
	cfg      Config
	core     Core
	control  *transport.Control
	hub      *hub
	working  atomic.Int64 // requests at work
	requests atomic.Uint64

	endpoints []*endpoint
	serving   sync.WaitGroup
}

var (
	_ janus.Conn      = (*Server)(nil)
	_ janus.Transport = (*Server)(nil)
)

// endpoint is one of http, https, admin_http, admin_https.
type endpoint struct {
	name      string
	server    *nethttp.Server
	listeners []net.Listener
	conns     atomic.Int64
}

// New opens the endpoints. Those that cannot be opened are logged; it is an
// error if none is left, ErrDisabled if none was asked for.
func New(cfg Config, core Core) (*Server, error) {
	cfg.setDefaults()
	s := &Server{cfg: cfg, core: core, hub: newHub(cfg.Queues), control: transport.NewControl(cfg.Layout, cfg.Events, cfg.Notify)}
	api := service{Server: s, API: cfg.API}
	admin := service{Server: s, API: cfg.Admin, admin: true}
	err := errors.Join(
		s.open("http", cfg.API.HTTP, api, false),
		s.open("https", cfg.API.HTTPS, api, true),
		s.open("admin_http", cfg.Admin.HTTP, admin, false),
		s.open("admin_https", cfg.Admin.HTTPS, admin, true))
	switch {
	case len(s.endpoints) > 0:
		return s, nil
	case err == nil:
		err = ErrDisabled
	}
	return nil, err
}

func (s *Server) open(name string, at transport.Endpoint, svc service, secure bool) error {
	if !at.Enabled {
		return nil
	}
	listeners, err := s.listen(at, svc, secure)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, transport.Explain(err))
		s.cfg.Log.Error("cannot listen", "transport", Package, "error", err)
		return err
	}
	e := &endpoint{name: name, listeners: listeners}
	e.server = &nethttp.Server{
		Handler:           svc,
		ReadHeaderTimeout: s.cfg.HeaderTimeout,
		ReadTimeout:       s.cfg.IdleTimeout + s.cfg.PollTimeout,
		WriteTimeout:      s.cfg.IdleTimeout + s.cfg.PollTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
		ConnState:         e.count,
		ConnContext:       transport.WithVisitor,
	}
	s.endpoints = append(s.endpoints, e)
	return nil
}

func (s *Server) listen(at transport.Endpoint, svc service, secure bool) ([]net.Listener, error) {
	door := transport.Door{ACL: svc.ACL, Max: s.cfg.MaxConns, Gate: s.cfg.Gate}
	if secure {
		return at.ListenTLS(door, s.cfg.Certificate, s.cfg.Log)
	}
	return at.Listen(door)
}

func (e *endpoint) count(_ net.Conn, state nethttp.ConnState) {
	switch state {
	case nethttp.StateNew:
		e.conns.Add(1)
	case nethttp.StateClosed, nethttp.StateHijacked:
		e.conns.Add(-1)
	}
}

// Start accepts connections until Close.
func (s *Server) Start() {
	for _, e := range s.endpoints {
		for _, l := range e.listeners {
			s.serving.Go(func() {
				if err := e.server.Serve(l); !errors.Is(err, nethttp.ErrServerClosed) {
					s.cfg.Log.Error("stopped listening", "transport", Package, "endpoint", e.name, "error", err)
				}
			})
		}
	}
}

// Addrs are the addresses on which an endpoint listens: "http", "https",
// "admin_http" or "admin_https".
func (s *Server) Addrs(name string) []net.Addr {
	var all []net.Addr
	for _, e := range s.endpoints {
		if e.name == name {
			for _, l := range e.listeners {
				all = append(all, l.Addr())
			}
		}
	}
	return all
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

// closeTimeout is what requests at work get to come to an end.
const closeTimeout = 3 * time.Second

// Close answers all pending polls, lets the requests at work finish for a
// short while and closes everything.
func (s *Server) Close() {
	s.hub.close()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, e := range s.endpoints {
		all.Go(func() {
			if e.server.Shutdown(ctx) != nil {
				e.server.Close()
			}
			for _, l := range e.listeners {
				l.Close()
			}
		})
	}
	all.Wait()
	s.serving.Wait()
}

// Info describes the transport in server_info.
func (s *Server) Info() module.Info {
	return module.Info{
		Package:       Package,
		Name:          "JANUS REST (HTTP/HTTPS) transport plugin",
		Author:        module.Author,
		Description:   "This transport plugin adds REST (HTTP/HTTPS) support to the Janus API.",
		VersionString: "0.0.2",
		Version:       2,
	}
}

// Query answers query_transport.
func (s *Server) Query(request []byte) []byte {
	return s.control.Query(request, func() (string, int64) {
		var counts []string
		for _, e := range s.endpoints {
			counts = append(counts, fmt.Sprintf("%q:%d", e.name, e.conns.Load()))
		}
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
