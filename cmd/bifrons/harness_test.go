package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	api "bifrons/api/client"
	"bifrons/api/config"
	"bifrons/api/log"
	"bifrons/rtp/waittest"
)

// patience is how long a test waits for something that has to happen.
const patience = waittest.Patience

// testServer starts a whole server on free loopback ports. change may adjust
// its configuration.
func testServer(t testing.TB, change func(*config.Config)) *server {
	t.Helper()
	return testServerWith(t, "", change)
}

// testServerWith also serves a folder of demo pages.
func testServerWith(t testing.TB, demos string, change func(*config.Config)) *server {
	t.Helper()
	cfg := config.Default()
	cfg.HTTP.General.Port = 0
	cfg.WebSockets.General.Port = 0
	cfg.Server.NAT.EnforceList = []string{"127.0.0.1"}
	cfg.Server.General.SessionTimeout = 0 // as nobody keeps sessions alive
	if change != nil {
		change(cfg)
	}
	out := io.Discard
	if os.Getenv("BIFRONS_LOG") != "" {
		out = os.Stderr
	}
	l, err := log.New(log.Config{Stdout: out, Level: log.Debug})
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(cfg, demos, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { waittest.Close(t, s) })
	return s
}

// Outstanding is how many packet buffers are not given back after Close.
func (s *server) Outstanding() int { return s.engine.Outstanding() }

// message is a JSON object of the Janus API.
type message map[string]any

// client is a client of the Janus API that fails the test where that returns an error.
type client struct {
	*api.Client
	t testing.TB
}

// dial connects by WebSocket and creates a session.
func dial(t testing.TB, s *server) *client {
	t.Helper()
	return dialURL(t, s.url("ws"), nil)
}

// url is where a transport listens.
func (s *server) url(name string) string {
	scheme := strings.TrimPrefix(name, "admin_")
	return fmt.Sprintf("%s://127.0.0.1:%d/", scheme, s.port(name))
}

// dialURL is dial for a server elsewhere. tap may be nil; see api.New.
func dialURL(t testing.TB, url string, tap func(*api.Message)) *client {
	t.Helper()
	ctx, cancel := inTime()
	defer cancel()
	conn, err := api.WebSocket(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, conn, tap)
	if err := c.Create(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

// newClient is a client without a session, which the end of the test closes.
func newClient(t testing.TB, conn api.Conn, tap func(*api.Message)) *client {
	c := &client{api.New(conn, tap), t}
	t.Cleanup(c.Close)
	return c
}

// post makes one request over HTTP, about a handle unless that is nil.
func post(t testing.TB, url string, h *handle, m message) message {
	t.Helper()
	ctx, cancel := inTime()
	defer cancel()
	c := &client{api.New(api.HTTP(url, api.HTTPOptions{}), nil), t}
	defer c.Close()
	if h == nil {
		return c.got(c.Request(ctx, m))
	}
	return c.got(c.RequestAbout(ctx, h.Session(), h.ID(), m))
}

// inTime is the context of something that has to happen. It may be used in cleanups.
func inTime() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// request sends a message and waits for the reply to it.
func (c *client) request(m message) message {
	c.t.Helper()
	ctx, cancel := inTime()
	defer cancel()
	return c.got(c.Request(ctx, m))
}

func (c *client) got(m *api.Message, err error) message {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
	return m.Object()
}

// attach makes a handle of a plugin.
func (c *client) attach(plugin string) *handle {
	c.t.Helper()
	ctx, cancel := inTime()
	defer cancel()
	h, err := c.Attach(ctx, plugin)
	if err != nil {
		c.t.Fatal(err)
	}
	return &handle{client: c, Handle: h}
}

// handle is one plugin handle.
type handle struct {
	*client
	*api.Handle
	seen []message // events that were passed over
}

// send sends a request about the handle.
func (h *handle) send(m message) message {
	h.t.Helper()
	ctx, cancel := inTime()
	defer cancel()
	return h.got(h.Handle.Request(ctx, m))
}

// message sends a plugin message, with a session description or nil, and
// returns the reply.
func (h *handle) message(body message, jsep message) message {
	h.t.Helper()
	ctx, cancel := inTime()
	defer cancel()
	return h.got(h.Message(ctx, body, jsep))
}

// await returns the next event that matches; those before it are kept in seen.
func (h *handle) await(what string, match func(message) bool) message {
	h.t.Helper()
	ctx, cancel := inTime()
	defer cancel()
	for {
		e, err := h.Next(ctx)
		if err != nil {
			h.t.Fatalf("no %s: %v; seen: %v", what, err, h.seen)
		}
		m := message(e.Object())
		if match(m) {
			return m
		}
		h.seen = append(h.seen, m)
	}
}

// skip passes over the events that have come.
func (h *handle) skip() {
	for _, e := range h.Events() {
		h.seen = append(h.seen, e.Object())
	}
}

// awaitKind waits for an event of the core, such as webrtcup.
func (h *handle) awaitKind(kind string) message {
	h.t.Helper()
	return h.await(kind, func(m message) bool { return m["janus"] == kind })
}

// awaitData waits for a plugin event whose data has key with this value.
func (h *handle) awaitData(key string, value any) message {
	h.t.Helper()
	return h.await(fmt.Sprintf("event with %s %v", key, value), func(m message) bool {
		return fmt.Sprint(m.data()[key]) == fmt.Sprint(value)
	})
}

// id is the id in a success reply.
func (m message) id() uint64 {
	d, _ := m["data"].(map[string]any)
	n, _ := d["id"].(float64)
	return uint64(n)
}

// data is the plugin's part of an event or reply.
func (m message) data() message {
	p, _ := m["plugindata"].(map[string]any)
	d, _ := p["data"].(map[string]any)
	return d
}

// sdp is the session description of an event.
func (m message) sdp() string {
	j, _ := m["jsep"].(map[string]any)
	s, _ := j["sdp"].(string)
	return s
}

func TestInfoListsWhatRuns(t *testing.T) {
	s := testServer(t, nil)
	m := dial(t, s).request(message{"janus": "info"})
	text, _ := json.Marshal(m)
	for _, want := range []string{"janus.plugin.echotest", "janus.transport.http", "janus.transport.websockets"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("info lacks %s", want)
		}
	}
}
