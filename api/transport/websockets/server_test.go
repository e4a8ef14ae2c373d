package websockets

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/transport"
	"bifrons/rtp/waittest"
)

// fakeCore echoes requests, and tells of connections that come and go.
type fakeCore struct {
	mu       sync.Mutex
	requests []string
	admin    bool
	conns    chan janus.Conn // on a connection's first request
	gone     chan janus.Conn
	known    map[janus.Conn]bool
}

func (f *fakeCore) Handle(conn janus.Conn, r janus.Request, reply func([]byte)) {
	f.mu.Lock()
	body := bytes.Clone(r.Body)
	f.requests = append(f.requests, string(body))
	f.admin = r.Admin
	first := !f.known[conn]
	f.known[conn] = true
	f.mu.Unlock()
	if first {
		f.conns <- conn
	}
	reply(body)
}

func (f *fakeCore) Gone(conn janus.Conn) { f.gone <- conn }

func (f *fakeCore) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

type rig struct {
	*testing.T
	ctx    context.Context
	core   *fakeCore
	server *Server
	url    string
}

var local = transport.Address{Enabled: true, IP: netip.MustParseAddr("127.0.0.1")}

func start(t *testing.T, cfg Config) *rig {
	t.Helper()
	if !cfg.API.WS.Enabled && !cfg.API.WSS.Enabled && !cfg.Admin.WS.Enabled {
		cfg.API.WS = local
	}
	f := &fakeCore{conns: make(chan janus.Conn, 100), gone: make(chan janus.Conn, 100), known: map[janus.Conn]bool{}}
	s, err := New(cfg, f)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	ctx, cancel := context.WithTimeout(context.Background(), waittest.Patience)
	t.Cleanup(func() { s.Close(); cancel() })
	return &rig{T: t, ctx: ctx, core: f, server: s, url: "ws://" + s.Listeners()[0].Addr.String()}
}

func (r *rig) dial(opts *websocket.DialOptions) (*websocket.Conn, *nethttp.Response, error) {
	if opts == nil {
		opts = &websocket.DialOptions{}
	}
	if opts.Subprotocols == nil {
		opts.Subprotocols = []string{Protocol}
	}
	c, res, err := websocket.Dial(r.ctx, r.url, opts)
	if err == nil {
		c.SetReadLimit(-1)
		r.Cleanup(func() { c.CloseNow() })
	}
	return c, res, err
}

func (r *rig) connect(opts *websocket.DialOptions) *websocket.Conn {
	r.Helper()
	c, _, err := r.dial(opts)
	if err != nil {
		r.Fatal(err)
	}
	return c
}

func (r *rig) send(c *websocket.Conn, text string) {
	r.Helper()
	if err := c.Write(r.ctx, websocket.MessageText, []byte(text)); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) expect(c *websocket.Conn, want string) {
	r.Helper()
	typ, got, err := c.Read(r.ctx)
	if err != nil {
		r.Fatal(err)
	}
	if typ != websocket.MessageText || string(got) != want {
		r.Fatalf("got %v %.100q, want %.100q", typ, got, want)
	}
}

// established makes a connection known to the core.
func (r *rig) established(opts *websocket.DialOptions) (*websocket.Conn, janus.Conn) {
	r.Helper()
	c := r.connect(opts)
	r.send(c, "{}")
	r.expect(c, "{}")
	return c, <-r.core.conns
}

func TestHandshake(t *testing.T) {
	api := start(t, Config{})
	admin := start(t, Config{Admin: API{WS: local}})
	for _, c := range []struct {
		rig       *rig
		protocols []string
		path, got string
	}{
		{api, []string{Protocol}, "", Protocol},
		{api, []string{Protocol}, "/any/path?x=y", Protocol},
		{api, []string{"other", Protocol}, "/", Protocol},
		{api, []string{"other"}, "", ""},
		{api, []string{}, "", ""},
		{api, []string{AdminProtocol}, "", ""},
		{admin, []string{AdminProtocol}, "", AdminProtocol},
		{admin, []string{Protocol}, "", ""},
	} {
		ws, res, err := websocket.Dial(c.rig.ctx, c.rig.url+c.path, &websocket.DialOptions{Subprotocols: c.protocols})
		if c.got == "" {
			if err == nil {
				t.Errorf("%v: accepted", c.protocols)
				ws.CloseNow()
			} else if res.StatusCode != 403 {
				t.Errorf("%v: status %d", c.protocols, res.StatusCode)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v %s: %v", c.protocols, c.path, err)
			continue
		}
		if ws.Subprotocol() != c.got || res.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%v: protocol %q, headers %v", c.protocols, ws.Subprotocol(), res.Header)
		}
		c.rig.send(ws, "{}")
		c.rig.expect(ws, "{}")
		if c.rig.core.admin != (c.got == AdminProtocol) {
			t.Errorf("%v: admin is %v", c.protocols, c.rig.core.admin)
		}
		ws.CloseNow()
	}
	res, err := nethttp.Get(strings.Replace(api.url, "ws:", "http:", 1))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 403 {
		t.Errorf("plain HTTP: status %d", res.StatusCode)
	}
	nethttp.DefaultTransport.(*nethttp.Transport).CloseIdleConnections()
}

func TestMessages(t *testing.T) {
	r := start(t, Config{})
	c := r.connect(nil)
	big := `{"filler":"` + strings.Repeat("z", 70000) + `"}`
	for _, m := range []struct {
		msg  string
		want []string
	}{
		{`{"a":1}`, []string{`{"a":1}`}},
		{`{"a":1}{"b":"}{"} [2]` + " \n", []string{`{"a":1}`, `{"b":"}{"}`, `[2]`}},
		{`{"a":1}{"b":}`, []string{`{"a":1}{"b":}`}},
		{`{"a":1} trailing`, []string{`{"a":1} trailing`}},
		{`hello`, []string{`hello`}},
		{big, []string{big}},
	} {
		r.send(c, m.msg)
		for _, w := range m.want {
			r.expect(c, w)
		}
	}
	w, err := c.Writer(r.ctx, websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range []string{`{"jan`, `us":"pi`, `ng"}`} {
		io.WriteString(w, piece) // each is a frame of its own
	}
	w.Close()
	r.expect(c, `{"janus":"ping"}`)
}

func TestMessageTooBig(t *testing.T) {
	r := start(t, Config{MaxMessage: 100})
	c := r.connect(nil)
	r.send(c, `{"x":"`+strings.Repeat("x", 100)+`"}`)
	_, _, err := c.Read(r.ctx)
	if websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("got %v", err)
	}
	<-r.core.gone
	if len(r.core.seen()) != 0 {
		t.Error("the message went to the core")
	}
}

// TestManyRequests has a client that sends a lot before it reads: all is
// answered, in order.
func TestManyRequests(t *testing.T) {
	r := start(t, Config{})
	c := r.connect(nil)
	const n = 20_000
	go func() {
		for i := range n {
			if c.Write(r.ctx, websocket.MessageText, fmt.Appendf(nil, `{"n":%d}`, i)) != nil {
				return
			}
		}
	}()
	<-r.core.conns
	for i := range n {
		r.expect(c, fmt.Sprintf(`{"n":%d}`, i))
	}
}

func TestEventsAndGone(t *testing.T) {
	r := start(t, Config{})
	for _, end := range []func(*websocket.Conn) error{
		func(c *websocket.Conn) error { return c.Close(websocket.StatusNormalClosure, "") },
		func(c *websocket.Conn) error { return c.CloseNow() },
	} {
		c, conn := r.established(nil)
		for i := range 100 {
			conn.Deliver(5, janus.Event{Head: fmt.Appendf(nil, `{"n":%d}`, i)})
		}
		for i := range 100 {
			r.expect(c, fmt.Sprintf(`{"n":%d}`, i))
		}
		if conn.Transport() != Package {
			t.Errorf("transport %q", conn.Transport())
		}
		end(c)
		if gone := <-r.core.gone; gone != conn {
			t.Error("another connection is gone")
		}
		conn.Deliver(5, janus.Event{Head: []byte("{}")}) // goes nowhere, and harms nobody
	}
	a, b := r.connect(nil), r.connect(nil)
	r.send(a, "{}")
	r.send(b, "{}")
	if x, y := <-r.core.conns, <-r.core.conns; x == y || x.ID() == y.ID() {
		t.Error("two connections look the same")
	}
}

// TestSlowClient has a client that does not read: it is cut off, without
// anybody waiting for it.
func TestSlowClient(t *testing.T) {
	r := start(t, Config{})
	_, slow := r.established(nil)
	fast, conn := r.established(nil)
	event := []byte(`{"x":"` + strings.Repeat("x", 1<<16) + `"}`)
	for {
		slow.Deliver(1, janus.Event{Head: event})
		select {
		case gone := <-r.core.gone:
			if gone != slow {
				t.Error("the wrong one is gone")
			}
			conn.Deliver(2, janus.Event{Head: []byte(`{"still":"here"}`)})
			r.expect(fast, `{"still":"here"}`)
			return
		case <-r.ctx.Done():
			t.Fatal("the slow client is still connected")
		default:
		}
	}
}

func TestPing(t *testing.T) {
	r := start(t, Config{PingTrigger: 10 * time.Millisecond, PingTimeout: 3 * time.Second})
	pings := make(chan bool, 1000)
	c := r.connect(&websocket.DialOptions{OnPingReceived: func(context.Context, []byte) bool {
		pings <- true
		return true
	}})
	go c.Read(r.ctx) // answers pings
	for range 30 {
		select {
		case <-pings:
		case <-r.core.gone:
			t.Fatal("a client that answers pings is gone")
		}
	}
	c.CloseNow()
	<-r.core.gone
	r.connect(nil) // does not read, so does not answer
	<-r.core.gone
}

func TestClientPing(t *testing.T) {
	r := start(t, Config{})
	c := r.connect(nil)
	go c.Read(r.ctx)
	if err := c.Ping(r.ctx); err != nil {
		t.Error(err)
	}
}

func TestClose(t *testing.T) {
	r := start(t, Config{})
	c, conn := r.established(nil)
	status := make(chan websocket.StatusCode, 1)
	go func() {
		_, _, err := c.Read(r.ctx)
		status <- websocket.CloseStatus(err)
	}()
	r.server.Close()
	if got := <-status; got != websocket.StatusGoingAway {
		t.Errorf("closed with %v", got)
	}
	if <-r.core.gone != conn {
		t.Error("the wrong one is gone")
	}
	if _, _, err := r.dial(nil); err == nil {
		t.Error("accepted after Close")
	}
}

// TestCloseSilentClient has a client that does not answer the farewell.
func TestCloseSilentClient(t *testing.T) {
	r := start(t, Config{})
	_, conn := r.established(nil)
	r.server.Close()
	if <-r.core.gone != conn {
		t.Error("the wrong one is gone")
	}
}

func TestOrigins(t *testing.T) {
	r := start(t, Config{Origins: transport.Origins{Allow: "https://good.example", Enforce: true}})
	for origin, ok := range map[string]bool{"https://good.example": true, "https://bad.example": false, "https://good.example.evil": false, "": false} {
		h := nethttp.Header{}
		if origin != "" {
			h.Set("Origin", origin)
		}
		_, res, err := r.dial(&websocket.DialOptions{HTTPHeader: h})
		if (err == nil) != ok {
			t.Errorf("%q: %v", origin, err)
		}
		if got := res.Header.Get("Access-Control-Allow-Origin"); got != "https://good.example" {
			t.Errorf("%q: Access-Control-Allow-Origin is %q", origin, got)
		}
	}
}

func TestACL(t *testing.T) {
	r := start(t, Config{API: API{WS: local, ACL: transport.NewACL([]string{"10."}, false)}})
	if _, res, err := r.dial(nil); err == nil || res != nil {
		t.Errorf("got %v, %v", res, err)
	}
	r = start(t, Config{API: API{WS: local, ACL: transport.NewACL([]string{"127.", "10."}, true)}})
	for ip, ok := range map[string]bool{"10.1.2.3": true, "11.1.2.3": false} {
		if _, _, err := r.dial(&websocket.DialOptions{HTTPHeader: nethttp.Header{"X-Forwarded-For": {ip}}}); (err == nil) != ok {
			t.Errorf("%s: %v", ip, err)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ws.sock")
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	r := start(t, Config{API: API{WS: transport.Address{Enabled: true, Path: path}}})
	r.url = "ws://local"
	tr := &nethttp.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	c := r.connect(&websocket.DialOptions{HTTPClient: &nethttp.Client{Transport: tr}})
	r.send(c, "{}")
	r.expect(c, "{}")
	c.CloseNow()
	r.server.Close()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestWSS(t *testing.T) {
	r := start(t, Config{API: API{WSS: local}, Certificate: transport.Certificate{PEM: "../testdata/both.pem"}})
	r.url = strings.Replace(r.url, "ws:", "wss:", 1)
	tr := &nethttp.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	c := r.connect(&websocket.DialOptions{HTTPClient: &nethttp.Client{Transport: tr}})
	r.send(c, "{}")
	r.expect(c, "{}")
}

func TestLayoutEventsQuery(t *testing.T) {
	events := make(chan string, 10)
	r := start(t, Config{Common: transport.Common{Layout: json.Plain, Events: true, Notify: func(conn string, e []byte) { events <- conn + string(e) }}})
	c := r.connect(nil)
	r.send(c, `{"a":[1,2]}`)
	r.expect(c, `{"a": [1, 2]}`)
	if got := string(r.server.Query([]byte(`{"request":"connections"}`))); got != `{"result":200,"connections":1}` {
		t.Errorf("connections: %s", got)
	}
	r.server.Query([]byte(`{"request":"configure","json":"compact","events":true}`))
	r.send(c, `{"a":[1,2]}`)
	r.expect(c, `{"a":[1,2]}`)
	c.CloseNow()
	for _, want := range []string{`1{"event":"connected","admin_api":false,"ip":"127.0.0.1"}`, `1{"event":"disconnected"}`} {
		if got := <-events; got != want {
			t.Errorf("event %s, want %s", got, want)
		}
	}
}

func TestNewFails(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	if _, err := New(Config{Common: transport.Common{Log: quiet}}, &fakeCore{}); !errors.Is(err, transport.ErrDisabled) {
		t.Errorf("nothing enabled: %v", err)
	}
	if _, err := New(Config{API: API{WSS: local}, Common: transport.Common{Log: quiet}}, &fakeCore{}); err == nil || errors.Is(err, transport.ErrDisabled) {
		t.Errorf("no certificate: %v", err)
	}
}
