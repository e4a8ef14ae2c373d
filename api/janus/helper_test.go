package janus

import (
	stdjson "encoding/json"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"bifrons/api/plugin"
	"bifrons/api/plugin/echotest"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
)

func TestMain(m *testing.M) { waittest.Main(m) }

type object = map[string]any

func decode(t testing.TB, b []byte) object {
	t.Helper()
	var o object
	if err := stdjson.Unmarshal(b, &o); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return o
}

func encode(v any) []byte {
	b, err := stdjson.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// client is a connection that keeps its events.
type client struct {
	t    testing.TB
	core *Core

	mu     sync.Mutex
	events chan object
	bound  []uint64
	over   map[uint64]Over
}

func newClient(t testing.TB, c *Core) *client {
	return &client{t: t, core: c, events: make(chan object, 1000), over: make(map[uint64]Over)}
}

func (c *client) Transport() string { return "janus.transport.test" }
func (c *client) ID() string        { return "1" }

func (c *client) Deliver(session uint64, e Event) {
	event := e.Bytes()
	o := decode(c.t, event)
	if o["session_id"] != float64(session) {
		c.t.Errorf("event of another session: %s", event)
	}
	c.events <- o
}

func (c *client) SessionBound(session uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bound = append(c.bound, session)
	delete(c.over, session)
}

func (c *client) SessionOver(session uint64, why Over) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over[session] = why
}

func (c *client) isOver(session uint64) (Over, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	why, ok := c.over[session]
	return why, ok
}

// raw runs a request and waits for its answer.
func (c *client) raw(r Request) object {
	c.t.Helper()
	answer := make(chan []byte, 2)
	c.core.Handle(c, r, func(msg []byte) { answer <- msg })
	select {
	case msg := <-answer:
		return decode(c.t, msg)
	case <-time.After(waittest.Patience):
		c.t.Fatalf("no answer to %s", r.Body)
		return nil
	}
}

// do runs a request that is given as the verb and further fields.
func (c *client) do(verb string, fields object) object {
	c.t.Helper()
	o := object{"janus": verb, "transaction": "tx"}
	for k, v := range fields {
		o[k] = v
	}
	return c.raw(Request{Body: encode(o)})
}

func (c *client) create() uint64 {
	c.t.Helper()
	r := c.do("create", nil)
	if r["janus"] != "success" {
		c.t.Fatalf("create: %v", r)
	}
	return uint64(r["data"].(object)["id"].(float64))
}

func (c *client) attach(session uint64, pkg string) uint64 {
	c.t.Helper()
	r := c.do("attach", object{"session_id": session, "plugin": pkg})
	if r["janus"] != "success" {
		c.t.Fatalf("attach: %v", r)
	}
	return uint64(r["data"].(object)["id"].(float64))
}

// event waits for the next event.
func (c *client) event() object {
	c.t.Helper()
	select {
	case e := <-c.events:
		return e
	case <-time.After(waittest.Patience):
		c.t.Fatal("no event")
		return nil
	}
}

// eventOf waits for an event of a kind; others are skipped.
func (c *client) eventOf(janus string) object {
	c.t.Helper()
	for {
		if e := c.event(); e["janus"] == janus {
			return e
		}
	}
}

// none checks that no event has come. It is for events that would have come
// before the last answer.
func (c *client) none() {
	c.t.Helper()
	select {
	case e := <-c.events:
		c.t.Errorf("unexpected event %v", e)
	default:
	}
}

// wantError checks an error answer.
func wantError(t testing.TB, r object, code Code, reason string) {
	t.Helper()
	e, ok := r["error"].(object)
	if r["janus"] != "error" || !ok {
		t.Errorf("got %v, want error %d %s", r, code, reason)
		return
	}
	if e["code"] != float64(code) || e["reason"] != reason {
		t.Errorf("got error %v %q, want %d %q", e["code"], e["reason"], code, reason)
	}
}

// clock is a wall clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1_700_000_000, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// newCore makes a Core with the EchoTest plugin and others.
func newCore(t testing.TB, cfg Config, plugins ...plugin.Plugin) *Core {
	t.Helper()
	cfg.Logger = quiet()
	c := New(cfg)
	t.Cleanup(c.Close)
	for _, p := range append(plugins, echotest.New(t.TempDir())) {
		if err := c.AddPlugin(p); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// newEngine makes a media engine. Its Close comes after the Core's.
func newEngine(t testing.TB) *sfu.Engine {
	t.Helper()
	e, err := sfu.New(sfu.Config{Shards: 1, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { waittest.Close(t, e) })
	return e
}

func loadOffer(t testing.TB, name string) string {
	t.Helper()
	name, direction, _ := strings.Cut(name, ":")
	b, err := os.ReadFile("testdata/offers/" + name + ".sdp")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if direction != "" {
		text = strings.ReplaceAll(text, "a=sendrecv", "a="+direction)
	}
	return text
}
