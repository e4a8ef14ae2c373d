package websockets

import (
	"context"
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

// Server is the WebSocket transport.
type Server struct {
	cfg     Config
	core    Core
	control *transport.Control
	nextID  atomic.Uint64

	web transport.Web

	mu     sync.Mutex
	conns  map[*conn]struct{}
	closed bool
	active sync.WaitGroup // a count for each of conns
}

var _ janus.Transport = (*Server)(nil)

// New opens the listeners. Those that cannot be opened are logged; it is an
// error if none is left, transport.ErrDisabled if none was asked for.
func New(cfg Config, core Core) (*Server, error) {
	cfg.setDefaults()
	control := cfg.Control()
	s := &Server{
		cfg: cfg, core: core, conns: map[*conn]struct{}{},
		control: control,
		web: transport.Web{Package: Package, Scheme: "ws", Certificate: cfg.Certificate, MaxConns: cfg.MaxConns,
			Gate: cfg.Gate, Log: cfg.Log},
	}
	if err := s.web.Open(cfg.API.ports(), cfg.Admin.ports(), s.newHTTP); err != nil {
		return nil, err
	}
	return s, nil
}

// newHTTP makes the HTTP server of one of the two APIs.
func (s *Server) newHTTP(admin bool) *nethttp.Server {
	svc := service{Server: s, acl: s.cfg.API.ACL, protocol: Protocol}
	if admin {
		svc = service{Server: s, acl: s.cfg.Admin.ACL, protocol: AdminProtocol, admin: true}
	}
	return &nethttp.Server{
		Handler:           svc,
		ReadHeaderTimeout: transport.HeaderTimeout,
		WriteTimeout:      15 * time.Second, // of the handshake only
		IdleTimeout:       15 * time.Second,
	}
}

// Start accepts connections until Close.
func (s *Server) Start() { s.web.Start() }

// Listeners are "ws", "wss", "admin_ws" and "admin_wss", as far as they are open.
func (s *Server) Listeners() []transport.Listener { return s.web.Listeners("/", "/") }

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

// setSocket reports a finished handshake; a connection that came too late
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

// closeTimeout is how long clients may take to answer the close frame.
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
	s.web.Close()
	s.active.Wait()
}

// Info describes the transport in server_info.
func (s *Server) Info() module.Info { return transport.Info(Package, "WebSockets", 1) }

// Query answers query_transport.
func (s *Server) Query(request []byte) []byte {
	return s.control.Query(request, func() (string, int64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return strconv.Itoa(len(s.conns)), -1
	})
}
