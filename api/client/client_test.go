package client

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"bifrons/api/janus"
	"bifrons/api/plugin/echotest"
	"bifrons/api/transport"
	"bifrons/api/transport/pfunix"
	"bifrons/api/transport/rest"
	"bifrons/api/transport/websockets"
	"bifrons/rtp/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// wire is a Conn whose server is the test.
type wire struct {
	requests chan Object
	replies  chan string
	closed   chan struct{}
}

func newWire() *wire {
	return &wire{make(chan Object, 100), make(chan string), make(chan struct{})}
}

func (w *wire) Send(_ context.Context, session, handle uint64, m Object) error {
	text, err := encode(session, handle, m)
	if err != nil {
		return err
	}
	var o Object
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	w.requests <- o
	return nil
}

func (w *wire) Receive() ([]byte, error) {
	select {
	case text := <-w.replies:
		return []byte(text), nil
	case <-w.closed:
		return nil, errors.New("closed")
	}
}

func (w *wire) Close(bool) error { close(w.closed); return nil }

// attached is a client with a session, 7, and a handle, 8.
func attached(t *testing.T) (*wire, *Client, *Handle) {
	t.Helper()
	w := newWire()
	c := New(w, nil)
	t.Cleanup(c.Close)
	go func() {
		for _, id := range []string{"7", "8"} {
			r := <-w.requests
			w.replies <- `{"janus":"success","transaction":"` + r["transaction"].(string) + `","data":{"id":` + id + `}}`
		}
	}()
	if err := c.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	h, err := c.Attach(t.Context(), "x")
	if err != nil || h.ID() != 8 || c.Session() != 7 {
		t.Fatalf("%v %v", h, err)
	}
	return w, c, h
}

// answered makes the server say something as soon as there is a request, and returns
// that.
func (w *wire) answered(texts ...string) <-chan Object {
	asked := make(chan Object, 1)
	go func() {
		r := <-w.requests
		for _, text := range texts {
			w.replies <- strings.ReplaceAll(text, "TX", r["transaction"].(string))
		}
		asked <- r
	}()
	return asked
}

// TestAnswers: an answer is told from an ack, and from events about the same handle.
func TestAnswers(t *testing.T) {
	w, _, h := attached(t)
	asked := w.answered(`{"janus":"ack","transaction":"TX"}`,
		`{"janus":"webrtcup","sender":8}`,
		`{"janus":"event","sender":9,"plugindata":{"data":{"n":0}}}`,
		`{"janus":"event","sender":8,"transaction":"other","plugindata":{"data":{"n":1}}}`,
		`{"janus":"event","sender":8,"transaction":"TX","plugindata":{"data":{"n":2,"error":5}},"jsep":{"type":"answer","sdp":"v=0"}}`,
		`{"janus":"event","sender":8,"plugindata":{"data":{"n":3}}}`)
	m, err := h.Ask(t.Context(), Object{"request": "x"}, Object{"type": "offer"})
	if err != nil || m.JSEP.SDP != "v=0" || !strings.Contains(string(m.Raw), `"n":2`) {
		t.Errorf("%v %s", err, m.Raw)
	}
	if r := <-asked; r["session_id"] != 7.0 || r["handle_id"] != 8.0 || r["jsep"].(Object)["type"] != "offer" {
		t.Errorf("%v", r)
	}
	m, err = h.Await(t.Context(), func(m *Message) bool { return m.Janus == "event" })
	if err != nil || m.Transaction != "other" {
		t.Errorf("%v %s", err, m.Raw)
	}
	if m, err = h.Next(t.Context()); err != nil || !strings.Contains(string(m.Raw), `"n":3`) {
		t.Errorf("%v %s", err, m.Raw)
	}
}

// TestFirstReply: a request is over with an ack, and what follows is an event.
func TestFirstReply(t *testing.T) {
	w, _, h := attached(t)
	w.answered(`{"janus":"ack","transaction":"TX"}`, `{"janus":"event","sender":8,"transaction":"TX"}`)
	m, err := h.Message(t.Context(), Object{}, nil)
	if err != nil || m.Janus != "ack" {
		t.Errorf("%v %v", m, err)
	}
	if e, err := h.Next(t.Context()); err != nil || e.Transaction != m.Transaction {
		t.Errorf("%v %v", e, err)
	}
}

func TestRefusals(t *testing.T) {
	w, c, h := attached(t)
	w.answered(`{"janus":"error","transaction":"TX","error":{"code":458,"reason":"no such session"}}`)
	if m, err := c.Request(t.Context(), Object{"janus": "x"}); err != nil || m.Err() == nil || m.Refused.Code != 458 {
		t.Errorf("%v %v", m, err)
	}
	w.answered(`{"janus":"success","transaction":"TX","sender":8,"plugindata":{"data":{"error_code":1,"error":"no room"}}}`)
	if _, err := h.Ask(t.Context(), Object{"request": "exists"}, nil); err == nil || err.Error() != "exists: no room" {
		t.Error(err)
	}
	asked := w.answered(`{"janus":"server_info","transaction":"TX"}`)
	if m, err := c.Request(t.Context(), Object{"janus": "info"}); err != nil || m.Object()["janus"] != "server_info" {
		t.Errorf("%v %v", m, err)
	}
	if r := <-asked; r["session_id"] != nil {
		t.Errorf("%v", r)
	}
}

// TestWaitsEnd: nobody waits for what cannot come.
func TestWaitsEnd(t *testing.T) {
	w, c, h := attached(t)
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := h.Next(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := c.Request(short, Object{"janus": "x"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if len(c.waiting) != 0 {
		t.Errorf("waits for %v", c.waiting)
	}
	ended := make(chan error, 2)
	go func() { _, err := h.Next(t.Context()); ended <- err }()
	go func() { _, err := h.Ask(t.Context(), Object{}, nil); ended <- err }()
	waittest.Next(t, "the request that runs out", w.requests)
	waittest.Next(t, "the request", w.requests)
	w.replies <- `{"janus"`
	for range 2 {
		if err := waittest.Next(t, "the end", ended); err == nil || !strings.Contains(err.Error(), `{"janus"`) {
			t.Error(err)
		}
	}
	if _, err := c.Request(t.Context(), Object{"janus": "x"}); err == nil || c.Err() == nil {
		t.Error("goes on")
	}
}

// TestUnread: a client that does not read its events ends, unless it wants none.
func TestUnread(t *testing.T) {
	w, c, h := attached(t)
	h.Ignore()
	flood := func(sender string, n int) {
		for range n {
			w.replies <- `{"janus":"event","sender":` + sender + `}`
		}
	}
	flood("8", mostEvents+1)
	w.answered(`{"janus":"success","transaction":"TX","data":{"id":9}}`)
	if _, err := c.Attach(t.Context(), "x"); err != nil || c.Err() != nil {
		t.Fatal(err)
	}
	flood("9", mostEvents+1)
	waittest.Closed(t, "the end", c.over)
	if !errors.Is(c.Err(), ErrUnread) {
		t.Error(c.Err())
	}
}

// front opens a transport of a core, and says how to connect to it.
type front func(t *testing.T, core *janus.Core) (dial func() (Conn, error))

var loopback = transport.Address{Enabled: true, IP: netip.MustParseAddr("127.0.0.1")}

var fronts = map[string]front{
	"websocket": func(t *testing.T, core *janus.Core) func() (Conn, error) {
		s, err := websockets.New(websockets.Config{API: websockets.API{WS: loopback}, Common: transport.Common{Log: slog.New(slog.DiscardHandler)}}, core)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(s.Close)
		return func() (Conn, error) { return WebSocket(t.Context(), "ws://"+s.Listeners()[0].Addr.String(), nil) }
	},
	"http": func(t *testing.T, core *janus.Core) func() (Conn, error) {
		s, err := rest.New(rest.Config{API: rest.API{HTTP: loopback}, Common: transport.Common{Log: slog.New(slog.DiscardHandler)}}, core)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(s.Close)
		return func() (Conn, error) {
			return HTTP("http://"+s.Listeners()[0].Addr.String()+"/janus", HTTPOptions{Poll: 3}), nil
		}
	},
	"unix": func(t *testing.T, core *janus.Core) func() (Conn, error) {
		if runtime.GOOS != "linux" {
			t.Skip("no sockets of packets")
		}
		path := filepath.Join(t.TempDir(), "api")
		s, err := pfunix.New(pfunix.Config{API: pfunix.Address{Enabled: true, Path: path}, Common: transport.Common{Log: slog.New(slog.DiscardHandler)}}, core)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(s.Close)
		return func() (Conn, error) { return Unix(t.Context(), path) }
	},
}

// TestTransports has the same conversation with the real core over each transport.
func TestTransports(t *testing.T) {
	for name, open := range fronts {
		t.Run(name, func(t *testing.T) {
			waittest.NoLeaks(t)
			core := janus.New(janus.Config{Logger: slog.New(slog.DiscardHandler)})
			dial := open(t, core)
			t.Cleanup(core.Close) // before the transport
			if err := core.AddPlugin(echotest.New("")); err != nil {
				t.Fatal(err)
			}
			conn, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			var tapped []string
			c := New(conn, func(m *Message) { tapped = append(tapped, m.Janus) })
			defer c.Close()
			ctx, cancel := context.WithTimeout(t.Context(), waittest.Patience)
			defer cancel()
			if err := c.Create(ctx); err != nil {
				t.Fatal(err)
			}
			c.KeepAlive(time.Hour)
			if _, err := c.Attach(ctx, "no such plugin"); err == nil {
				t.Error("attached to nothing")
			}
			h, err := c.Attach(ctx, echotest.Package)
			if err != nil {
				t.Fatal(err)
			}
			for range 10 {
				if m, err := h.Ask(ctx, Object{"audio": true}, nil); err != nil || !strings.Contains(string(m.Raw), `"ok"`) {
					t.Fatalf("%v %v", m, err)
				}
			}
			if _, err := h.Ask(ctx, Object{"audio": 1}, nil); err == nil {
				t.Error("the plugin refuses nothing")
			}
			if err := h.Detach(ctx); err != nil {
				t.Error(err)
			}
			if err := c.Destroy(ctx); err != nil {
				t.Error(err)
			}
			c.Close()
			if n := len(tapped); n < 2+10 || tapped[0] != "success" {
				t.Errorf("tapped %v", tapped)
			}
		})
	}
}

// TestClaim: a session moves from one connection to another.
func TestClaim(t *testing.T) {
	core := janus.New(janus.Config{Logger: slog.New(slog.DiscardHandler)})
	byWS, byHTTP := fronts["websocket"](t, core), fronts["http"](t, core)
	t.Cleanup(core.Close)
	one, err := byWS()
	if err != nil {
		t.Fatal(err)
	}
	a := New(one, nil)
	defer a.Close()
	if err := a.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, _ := byHTTP()
	events := make(chan *Message, 10)
	b := New(other, func(m *Message) { events <- m })
	defer b.Close()
	if err := b.Claim(t.Context(), a.Session()); err != nil || b.Session() != a.Session() {
		t.Fatal(err)
	}
	for range 3 {
		core.Session(a.Session()).Conn().Deliver(a.Session(), janus.Event{Head: []byte(`{"janus":"event"}`)})
	}
	for n := 0; n < 3; {
		if m := waittest.Next(t, "events by the poll", events); m.Janus == "event" {
			n++
		}
	}
}
