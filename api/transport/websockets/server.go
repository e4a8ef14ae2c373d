package websockets

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	nethttp "net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"bifrons/api/janus"
	"bifrons/api/module"
	"bifrons/api/transport"
)

// ErrDisabled means that the configuration enables no endpoint.
var ErrDisabled = errors.New("no WebSocket endpoint is enabled")

// Server is the WebSocket transport.
type Server struct {
	cfg     Config
	core    Core
	control *transport.Control
	nextID  atomic.Uint64

	endpoints []*endpoint
	serving   sync.WaitGroup

	mu     sync.Mutex
	conns  map[*conn]struct{}
	closed bool
	active sync.WaitGroup // a count for each of conns
}

var _ janus.Transport = (*Server)(nil)

// endpoint is one of ws, wss, admin_ws, admin_wss.
type endpoint struct {
	name      string
	server    *nethttp.Server
	listeners []net.Listener
}

// New opens the endpoints. Those that cannot be opened are logged; it is an
// error if none is left, ErrDisabled if none was asked for.
func New(cfg Config, core Core) (*Server, error) {
	cfg.setDefaults()
	s := &Server{
		cfg: cfg, core: core, conns: map[*conn]struct{}{},
		control: transport.NewControl(cfg.Layout, cfg.Events, cfg.Notify),
	}
	api := service{Server: s, acl: cfg.API.ACL, protocol: Protocol}
	admin := service{Server: s, acl: cfg.Admin.ACL, protocol: AdminProtocol, admin: true}
	err := errors.Join(
		s.open("ws", cfg.API.WS, api, false),
		s.open("wss", cfg.API.WSS, api, true),
		s.open("admin_ws", cfg.Admin.WS, admin, false),
		s.open("admin_wss", cfg.Admin.WSS, admin, true))
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
	s.endpoints = append(s.endpoints, &endpoint{name: name, listeners: listeners, server: &nethttp.Server{
		Handler:           svc,
		ReadHeaderTimeout: transport.HeaderTimeout,
		WriteTimeout:      15 * time.Second, // of the handshake only
		IdleTimeout:       15 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ConnContext:       transport.WithVisitor,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}})
	return nil
}

func (s *Server) listen(at transport.Endpoint, svc service, secure bool) ([]net.Listener, error) {
	door := transport.Door{ACL: svc.acl, Max: s.cfg.MaxConns, Gate: s.cfg.Gate}
	if secure {
		return at.ListenTLS(door, s.cfg.Certificate, s.cfg.Log)
	}
	return at.Listen(door)
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

// Addrs are the addresses on which an endpoint listens: "ws", "wss",
// "admin_ws" or "admin_wss".
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

// service upgrades the requests of one API to WebSockets.
type service struct {
	*Server
	acl      transport.ACL
	protocol string
	admin    bool
}

// ServeHTTP answers a handshake and serves the connection until its end.
func (s service) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	if !s.acl.AllowsRequest(r) {
		panic(nethttp.ErrAbortHandler)
	}
	w.Header().Set("Access-Control-Allow-Origin", s.cfg.Origins.Header())
	switch {
	case !hasToken(r.Header, "Upgrade", "websocket"):
		nethttp.Error(w, "This port speaks WebSocket only.", nethttp.StatusForbidden)
		return
	case !hasToken(r.Header, "Sec-Websocket-Protocol", s.protocol):
		nethttp.Error(w, "The subprotocol "+s.protocol+" is needed.", nethttp.StatusForbidden)
		return
	case s.cfg.Origins.Refuses(r, false):
		nethttp.Error(w, "Pages of this origin may not use the server.", nethttp.StatusForbidden)
		return
	}
	c := newConn(s.Server, s.admin, transport.VisitorOf(r.Context()))
	if !s.register(c) {
		c.shed()
		nethttp.Error(w, "The server is shutting down.", nethttp.StatusServiceUnavailable)
		return
	}
	defer s.unregister(c)
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{s.protocol},
		InsecureSkipVerify: true, // the rule for origins is ours, above
		OnPingReceived:     func(context.Context, []byte) bool { c.touch(); return true },
		OnPongReceived:     func(context.Context, []byte) { c.touch() },
	})
	if err != nil {
		return // Accept has answered
	}
	ws.SetReadLimit(s.cfg.MaxMessage)
	s.setSocket(c, ws)
	ip, _ := transport.RemoteIP(r)
	s.control.Notify(c.ID(), struct {
		Event string `json:"event"`
		Admin bool   `json:"admin_api"`
		IP    string `json:"ip"`
	}{"connected", s.admin, ip})
	c.run()
	s.control.Notify(c.ID(), struct {
		Event string `json:"event"`
	}{"disconnected"})
}

// hasToken looks for a token in a header that is a list of them (RFC 9110, 5.6.1).
func hasToken(h nethttp.Header, name, token string) bool {
	for _, line := range h.Values(name) {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

func (s *Server) register(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[c] = struct{}{}
	s.active.Add(1)
	return true
}

// setSocket tells about a finished handshake; a connection that came too late
// is cut off.
func (s *Server) setSocket(c *conn, ws *websocket.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.ws = ws
	if s.closed {
		c.cancel()
	}
}

func (s *Server) unregister(c *conn) {
	c.shed()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.active.Done()
}

// closeTimeout is what clients get to answer the farewell.
const closeTimeout = 2 * time.Second

// Close says goodbye to all clients (status 1001) and waits until all is
// closed, a few seconds at most.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	var farewells sync.WaitGroup
	for c := range s.conns {
		if c.ws != nil {
			farewells.Go(func() {
				late := time.AfterFunc(closeTimeout, c.cancel)
				defer late.Stop()
				c.ws.Close(websocket.StatusGoingAway, "")
			})
		}
	}
	s.mu.Unlock()
	farewells.Wait()
	for _, e := range s.endpoints {
		e.server.Close()
		for _, l := range e.listeners {
			l.Close()
		}
	}
	s.active.Wait()
	s.serving.Wait()
}

// Info describes the transport in server_info.
func (s *Server) Info() module.Info {
	return module.Info{
		Package:       Package,
		Name:          "JANUS WebSockets transport plugin",
		Author:        module.Author,
		Description:   "This transport plugin adds WebSockets support to the Janus API.",
		VersionString: "0.0.1",
		Version:       1,
	}
}

// Query answers query_transport.
func (s *Server) Query(request []byte) []byte {
	return s.control.Query(request, func() (string, int64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return strconv.Itoa(len(s.conns)), -1
	})
}
