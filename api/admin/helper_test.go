package admin

import (
	stdjson "encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"bifrons/api/auth"
	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/log"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/api/plugin/echotest"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
)

func TestMain(m *testing.M) { waittest.Main(m) }

type object = map[string]any

// rig is a core with an engine, some plugins, and the Admin API.
type rig struct {
	t     testing.TB
	core  *janus.Core
	admin *Admin
	log   *log.Log
	out   *lines
	sink  *sink

	mu     sync.Mutex
	events []object      // of all sessions
	more   chan struct{} // closed when one comes
}

const secret = "janusoverlord"

// newRig makes a rig; change may adjust the settings of the core.
func newRig(t testing.TB, change func(*janus.Config)) *rig {
	t.Helper()
	engine, err := sfu.New(sfu.Config{Shards: 2, Enforce: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { waittest.Close(t, engine) })
	r := &rig{t: t, out: &lines{}, sink: &sink{}, more: make(chan struct{})}
	if r.log, err = log.New(log.Config{Stdout: r.out, Level: log.Info}); err != nil {
		t.Fatal(err)
	}
	cfg := janus.Config{Engine: engine, Logger: slog.New(slog.DiscardHandler), SessionTimeout: time.Minute}
	if change != nil {
		change(&cfg)
	}
	r.core = janus.New(cfg)
	t.Cleanup(r.core.Close)
	for _, p := range []plugin.Plugin{echotest.New(""), silent{}, broken{}} {
		if err := r.core.AddPlugin(p); err != nil {
			t.Fatal(err)
		}
	}
	r.core.AddTransport(transport{})
	r.core.AddSink(r.sink)
	r.admin = New(r.core, Config{Secret: secret, Log: r.log, Logger: r.log.Logger(), RotateSignal: 10})
	t.Cleanup(r.admin.Close)
	r.core.SetAdmin(r.admin)
	return r
}

// The rig is the connection of its requests and sessions.

func (r *rig) Transport() string              { return "janus.transport.test" }
func (r *rig) ID() string                     { return "1" }
func (r *rig) SessionBound(uint64)            {}
func (r *rig) SessionOver(uint64, janus.Over) {}
func (r *rig) Deliver(_ uint64, event janus.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, r.decode(event.Bytes()))
	close(r.more)
	r.more = make(chan struct{})
}

func (r *rig) decode(text []byte) object {
	r.t.Helper()
	var o object
	if err := stdjson.Unmarshal(text, &o); err != nil {
		r.t.Fatalf("%v: %s", err, text)
	}
	return o
}

// raw runs a request and waits for its answer.
func (r *rig) raw(req janus.Request) object {
	r.t.Helper()
	answers := make(chan []byte, 2)
	r.core.Handle(r, req, func(msg []byte) { answers <- msg })
	select {
	case msg := <-answers:
		return r.decode(msg)
	case <-time.After(waittest.Patience):
		r.t.Fatalf("no answer to %s", req.Body)
		return nil
	}
}

// ask runs a request of the Admin API, given as fields in JSON without braces;
// the secret is added.
func (r *rig) ask(fields string) object {
	r.t.Helper()
	return r.raw(janus.Request{Admin: true, Body: []byte(`{"transaction":"t","admin_secret":"` + secret + `",` + fields + `}`)})
}

// client runs a request of the Janus API.
func (r *rig) client(fields string) object {
	r.t.Helper()
	return r.raw(janus.Request{Body: []byte(`{"transaction":"t",` + fields + `}`)})
}

// session makes a session with a handle of the EchoTest plugin.
func (r *rig) session() (session, handle uint64) {
	r.t.Helper()
	id := func(o object) uint64 {
		data, ok := o["data"].(object)
		if !ok {
			r.t.Fatalf("%v", o)
		}
		return uint64(data["id"].(float64))
	}
	session = id(r.client(`"janus":"create"`))
	handle = id(r.client(fmt.Sprintf(`"janus":"attach","plugin":"janus.plugin.echotest","opaque_id":"me","session_id":%d`, session)))
	return session, handle
}

// about is the ids of a handle as fields.
func about(session, handle uint64) string {
	return fmt.Sprintf(`"session_id":%d,"handle_id":%d,`, session, handle)
}

// text is a value as JSON, with the keys sorted.
func text(v any) string {
	b, err := stdjson.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// check compares an answer, in JSON with sorted keys, but for its transaction.
func (r *rig) check(what string, got object, want string) {
	r.t.Helper()
	if got["transaction"] != "t" {
		r.t.Errorf("%s: answer without transaction: %v", what, got)
	}
	delete(got, "transaction")
	if text(got) != want {
		r.t.Errorf("%s:\n got %s\nwant %s", what, text(got), want)
	}
}

// failure is an error as check wants it.
func failure(code int, reason string) string {
	return fmt.Sprintf(`{"error":{"code":%d,"reason":%s},"janus":"error"}`, code, text(reason))
}

// lines is where the log goes.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// sink is an event handler that answers queries, and keeps what it is told.
type sink struct {
	mu   sync.Mutex
	list []janus.Notification
}

func (s *sink) Info() module.Info                 { return module.Info{Package: "janus.eventhandler.test"} }
func (s *sink) Takes(janus.NotificationType) bool { return true }
func (s *sink) Notify(n *janus.Notification) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, *n)
}
func (s *sink) Query(request []byte) []byte { return append([]byte(nil), request...) }

// transport answers with what it is asked.
type transport struct{}

func (transport) Info() module.Info           { return module.Info{Package: "janus.transport.test"} }
func (transport) Query(request []byte) []byte { return append([]byte(nil), request...) }
func (transport) Close()                      {}

// silent is a plugin without admin requests, broken one that panics.
type silent struct{}

func (silent) Info() module.Info                         { return module.Info{Package: "janus.plugin.silent"} }
func (silent) Start(plugin.Gateway) error                { return nil }
func (silent) Attach(plugin.Host) (plugin.Handle, error) { return nil, fmt.Errorf("no") }
func (silent) Admin(*json.Value) ([]byte, error)         { return nil, plugin.ErrNoAdmin }
func (silent) Close()                                    {}

type broken struct{ silent }

func (broken) Info() module.Info                 { return module.Info{Package: "janus.plugin.broken"} }
func (broken) Admin(*json.Value) ([]byte, error) { panic("broken on purpose") }

func withTokens(c *janus.Config) { c.Auth = auth.New(auth.Config{Tokens: true}) }
