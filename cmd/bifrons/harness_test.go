package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"bifrons/api/config"
	"bifrons/api/log"
)

// patience is how long a test waits for something that has to happen.
const patience = 45 * time.Second

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
	t.Cleanup(s.Close)
	return s
}

// message is a JSON object of the Janus API.
type message map[string]any

// client speaks the Janus API over one WebSocket.
type client struct {
	t       testing.TB
	ws      *websocket.Conn
	mu      sync.Mutex
	serial  int
	waiting map[string]chan message // by transaction
	events  map[uint64]chan message // by handle
	order   []message               // of all handles, as they came
	session uint64
	done    chan struct{}
}

// dial connects and creates a session.
func dial(t testing.TB, s *server) *client {
	t.Helper()
	return dialURL(t, fmt.Sprintf("ws://127.0.0.1:%d/", s.port("ws")))
}

func dialURL(t testing.TB, url string) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"janus-protocol"}})
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(1 << 20)
	c := &client{
		t: t, ws: ws, done: make(chan struct{}),
		waiting: map[string]chan message{}, events: map[uint64]chan message{},
	}
	go c.read()
	t.Cleanup(c.close)
	c.session = c.request(message{"janus": "create"}).id()
	return c
}

func (c *client) close() {
	_ = c.ws.Close(websocket.StatusNormalClosure, "")
	<-c.done
}

func (c *client) read() {
	defer close(c.done)
	for {
		_, b, err := c.ws.Read(context.Background())
		if err != nil {
			return
		}
		var m message
		if err := json.Unmarshal(b, &m); err != nil {
			c.t.Errorf("not JSON: %s", b)
			continue
		}
		c.mu.Lock()
		kind, _ := m["janus"].(string)
		tx, _ := m["transaction"].(string)
		if w := c.waiting[tx]; w != nil && kind != "event" {
			delete(c.waiting, tx)
			w <- m
		} else if sender, ok := m["sender"].(float64); ok {
			c.order = append(c.order, m)
			select {
			case c.queue(uint64(sender)) <- m:
			default:
				c.t.Errorf("nobody reads the events of a handle: %v", m)
			}
		}
		c.mu.Unlock()
	}
}

// queue returns the events of a handle; c.mu is held.
func (c *client) queue(handle uint64) chan message {
	q := c.events[handle]
	if q == nil {
		q = make(chan message, 1024)
		c.events[handle] = q
	}
	return q
}

// request sends a message and waits for the reply to it.
func (c *client) request(m message) message {
	c.t.Helper()
	c.mu.Lock()
	c.serial++
	tx := fmt.Sprintf("tx%d", c.serial)
	reply := make(chan message, 1)
	c.waiting[tx] = reply
	c.mu.Unlock()
	m["transaction"] = tx
	if c.session != 0 {
		m["session_id"] = c.session
	}
	b, err := json.Marshal(m)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.ws.Write(context.Background(), websocket.MessageText, b); err != nil {
		c.t.Fatal(err)
	}
	select {
	case r := <-reply:
		return r
	case <-time.After(patience):
		c.t.Fatalf("no reply to %s", b)
		return nil
	}
}

// attach makes a handle of a plugin.
func (c *client) attach(plugin string) *handle {
	c.t.Helper()
	h := &handle{client: c}
	h.id = c.request(message{"janus": "attach", "plugin": plugin}).id()
	c.mu.Lock()
	h.events = c.queue(h.id)
	c.mu.Unlock()
	return h
}

// handle is one plugin handle.
type handle struct {
	*client
	id     uint64
	events chan message
	seen   []message // events that were passed over
}

// send sends a request about the handle.
func (h *handle) send(m message) message {
	h.t.Helper()
	m["handle_id"] = h.id
	return h.request(m)
}

// message sends a plugin message, with a session description or nil, and
// returns the reply.
func (h *handle) message(body message, jsep message) message {
	h.t.Helper()
	m := message{"janus": "message", "body": body}
	if jsep != nil {
		m["jsep"] = jsep
	}
	return h.send(m)
}

// await returns the next event that matches; those before it are kept in seen.
func (h *handle) await(what string, match func(message) bool) message {
	h.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case m := <-h.events:
			if match(m) {
				return m
			}
			h.seen = append(h.seen, m)
		case <-limit:
			h.t.Fatalf("no %s; seen: %v", what, h.seen)
			return nil
		}
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
	c := dial(t, s)
	c.session = 0 // info belongs to no session
	m := c.request(message{"janus": "info"})
	text, _ := json.Marshal(m)
	for _, want := range []string{"janus.plugin.echotest", "janus.transport.http", "janus.transport.websockets"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("info lacks %s", want)
		}
	}
}
