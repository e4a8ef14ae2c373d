package janus

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/api/json"
	"bifrons/api/module"
	"bifrons/api/plugin"
)

const scripted = "janus.plugin.scripted"

// script is a plugin that does what its requests say.
type script struct {
	mu       sync.Mutex
	handles  []*scriptHandle
	attach   error
	closed   bool
	block    chan struct{} // "block" waits for it
	entered  chan struct{}
	onOffer  func(h *scriptHandle, r *plugin.Request) *plugin.JSEP
	pushJSEP func(h *scriptHandle) *plugin.JSEP
	again    atomic.Bool // answers are taken again
}

type scriptHandle struct {
	p    *script
	host plugin.Host

	mu    sync.Mutex
	calls []string
	jsep  *plugin.JSEP
	errs  []error // of Push
}

func (p *script) Info() module.Info                 { return module.Info{Package: scripted, Name: "Script"} }
func (p *script) Start(plugin.Gateway) error        { return nil }
func (p *script) Admin(*json.Value) ([]byte, error) { return nil, plugin.ErrNoAdmin }
func (p *script) Close()                            { p.closed = true }

func (p *script) Attach(host plugin.Host) (plugin.Handle, error) {
	if p.attach != nil {
		return nil, p.attach
	}
	h := &scriptHandle{p: p, host: host}
	p.mu.Lock()
	p.handles = append(p.handles, h)
	p.mu.Unlock()
	return h, nil
}

func (h *scriptHandle) called(s string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, s)
}

func (h *scriptHandle) log() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.calls, " ")
}

func (h *scriptHandle) Up()                  { h.called("up") }
func (h *scriptHandle) Query(w *json.Writer) { w.Str("state", "fine") }

func (h *scriptHandle) TakesAnswerAgain() bool { return h.p.again.Load() }

func (h *scriptHandle) Detach() {
	h.called("detach")
	h.host.Notify([]byte(`{"event":"left"}`))
}

func (h *scriptHandle) Hangup(reason string) {
	h.called("hangup")
	h.host.Push("", []byte(`{"x":"hangup"}`), nil)
}

func (h *scriptHandle) Message(r *plugin.Request) plugin.Result {
	what, _ := json.String(r.Body.Get("do"))
	push := func(j *plugin.JSEP) {
		data := []byte(`{"x":"` + what + `"}`)
		err := h.host.Push(r.Transaction, data, j)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.errs = append(h.errs, err)
	}
	h.mu.Lock()
	h.jsep = r.JSEP
	h.mu.Unlock()
	switch what {
	case "sync":
		return plugin.Answer([]byte(`{"x":"sync"}`))
	case "nothing":
		return plugin.Result{}
	case "fail":
		return plugin.Failure("no way")
	case "panic":
		panic("on purpose")
	case "latepanic":
		return plugin.Ack("", func() { panic("on purpose") })
	case "block":
		return plugin.Ack("wait", func() {
			h.p.entered <- struct{}{}
			<-h.p.block
			push(nil)
		})
	case "answer":
		return plugin.Ack("", func() { push(h.p.onOffer(h, r)) })
	case "offer":
		return plugin.Ack("", func() { push(h.p.pushJSEP(h)) })
	case "close":
		h.host.ClosePeer()
	case "end":
		h.host.End()
	}
	return plugin.Ack("", func() { push(nil) })
}

func attachScript(t *testing.T, cfg Config) (*script, *client, object) {
	t.Helper()
	p := &script{block: make(chan struct{}), entered: make(chan struct{}, 10)}
	cl := newClient(t, newCore(t, cfg, p))
	s := cl.create()
	return p, cl, object{"session_id": s, "handle_id": cl.attach(s, scripted)}
}

func (c *client) message(ids object, body object) object {
	c.t.Helper()
	return c.do("message", object{"session_id": ids["session_id"], "handle_id": ids["handle_id"], "body": body})
}

func TestPluginResults(t *testing.T) {
	p, cl, ids := attachScript(t, Config{})
	r := cl.message(ids, object{"do": "sync"})
	if r["janus"] != "success" || r["sender"] != float64(ids["handle_id"].(uint64)) || len(r) != 5 {
		t.Errorf("sync: %v", r)
	}
	if d := r["plugindata"].(object); d["plugin"] != scripted || d["data"].(object)["x"] != "sync" {
		t.Errorf("sync: %v", r)
	}
	wantError(t, cl.message(ids, object{"do": "nothing"}), ErrPluginMessage, "Plugin didn't provide any content for this synchronous response")
	wantError(t, cl.message(ids, object{"do": "fail"}), ErrPluginMessage, "no way")
	wantError(t, cl.message(ids, object{"do": "panic"}), ErrPluginMessage, "Plugin returned a severe (unknown) error")
	if r := cl.message(ids, object{"do": "latepanic"}); r["janus"] != "ack" || len(r) != 3 {
		t.Errorf("ack: %v", r)
	}
	if r := cl.message(ids, object{"do": "x"}); r["janus"] != "ack" {
		t.Errorf("after a panic: %v", r)
	}
	if e := cl.event(); e["transaction"] != "tx" || e["plugindata"].(object)["data"].(object)["x"] != "x" {
		t.Errorf("event: %v", e)
	}
	p.attach = errors.New("-7")
	wantError(t, cl.do("attach", object{"session_id": ids["session_id"], "plugin": scripted}), ErrPluginAttach, "Couldn't attach to plugin: error '-7'")
}

// A request that takes long holds up neither acks, nor synchronous requests,
// nor other handles, but later asynchronous requests of its handle.
func TestMessageOrder(t *testing.T) {
	p, cl, ids := attachScript(t, Config{})
	if r := cl.message(ids, object{"do": "block"}); r["janus"] != "ack" || r["hint"] != "wait" {
		t.Errorf("block: %v", r)
	}
	<-p.entered
	if r := cl.message(ids, object{"do": "second"}); r["janus"] != "ack" {
		t.Errorf("second: %v", r)
	}
	if r := cl.message(ids, object{"do": "sync"}); r["janus"] != "success" {
		t.Errorf("sync: %v", r)
	}
	other := object{"session_id": ids["session_id"], "handle_id": cl.attach(ids["session_id"].(uint64), scripted)}
	cl.message(other, object{"do": "other"})
	var got []string
	got = append(got, eventName(cl.event()))
	close(p.block)
	got = append(got, eventName(cl.event()), eventName(cl.event()))
	if s := strings.Join(got, " "); s != "other block second" {
		t.Errorf("order is %s", s)
	}
}

func eventName(e object) string { return e["plugindata"].(object)["data"].(object)["x"].(string) }

// One handle holds a bounded number of requests.
func TestMessageLimit(t *testing.T) {
	p, cl, ids := attachScript(t, Config{})
	cl.message(ids, object{"do": "block"})
	<-p.entered
	n := 0
	for ; n < 2*maxQueued; n++ {
		if r := cl.message(ids, object{"do": "x"}); r["janus"] == "error" {
			wantError(t, r, ErrPluginMessage, "Too many requests are waiting")
			break
		}
	}
	if n != maxQueued {
		t.Errorf("%d requests were queued", n)
	}
	close(p.block)
}

func TestDetach(t *testing.T) {
	p, cl, ids := attachScript(t, Config{})
	cl.message(ids, object{"do": "block"})
	<-p.entered
	cl.message(ids, object{"do": "never"})
	if r := cl.do("detach", ids); r["janus"] != "success" {
		t.Errorf("got %v", r)
	}
	cl.none() // the plugin is not done with it
	close(p.block)
	if e := cl.event(); e["janus"] != "detached" || e["sender"] != float64(ids["handle_id"].(uint64)) || len(e) != 3 {
		t.Errorf("got %v", e)
	}
	cl.core.Close()
	cl.none()
	if got := p.handles[0].log(); got != "detach" {
		t.Errorf("plugin was told: %s", got)
	}
	if !p.closed {
		t.Error("plugin was not closed")
	}
}

// TestDetachedAfterReply has the event follow the reply at a distance, and when
// the plugin is done with the handle.
func TestDetachedAfterReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &script{}
		core := New(Config{Logger: quiet()})
		defer core.Close()
		if err := core.AddPlugin(p); err != nil {
			t.Fatal(err)
		}
		sink := &recorder{}
		core.AddSink(sink)
		cl := newClient(t, core)
		s := cl.create()
		ids := object{"session_id": s, "handle_id": cl.attach(s, scripted)}
		if r := cl.do("detach", ids); r["janus"] != "success" {
			t.Errorf("got %v", r)
		}
		replied := time.Now()
		cl.none()
		if e := cl.event(); e["janus"] != "detached" {
			t.Errorf("got %v", e)
		}
		if d := time.Since(replied); d != detachedDelay {
			t.Errorf("the event came %v after the reply, want %v", d, detachedDelay)
		}
		cl.do("destroy", object{"session_id": s})
		synctest.Wait()
		want := []string{
			`{"plugin":"janus.plugin.scripted","data":{"event":"left"}}`,
			`{"name":"detached","plugin":"janus.plugin.scripted"}`,
			`{"name":"destroyed"}`,
		}
		sink.mu.Lock()
		defer sink.mu.Unlock()
		var got []string
		for _, n := range sink.list[max(0, len(sink.list)-len(want)):] {
			got = append(got, string(n.Event))
		}
		if !slices.Equal(got, want) {
			t.Errorf("event handlers heard %q last, want %q", got, want)
		}
	})
}

func TestPluginEndsHandle(t *testing.T) {
	_, cl, ids := attachScript(t, Config{})
	cl.message(ids, object{"do": "end"})
	if e := cl.event(); e["janus"] != "detached" {
		t.Errorf("got %v", e)
	}
	wantError(t, cl.message(ids, object{}), ErrHandleNotFound,
		"No such handle "+str(ids["handle_id"].(uint64))+" in session "+str(ids["session_id"].(uint64)))
}

func TestOpaqueID(t *testing.T) {
	for _, on := range []bool{true, false} {
		cl := newClient(t, newCore(t, Config{OpaqueIDInAPI: on}, &script{}))
		s := cl.create()
		r := cl.do("attach", object{"session_id": s, "plugin": scripted, "opaque_id": "me"})
		ids := object{"session_id": s, "handle_id": uint64(r["data"].(object)["id"].(float64))}
		r = cl.message(ids, object{"do": "sync"})
		cl.message(ids, object{"do": "x"})
		e := cl.event()
		for _, o := range []object{r, e} {
			if got, ok := o["opaque_id"]; ok != on || on && got != "me" {
				t.Errorf("on %v: %v", on, o)
			}
		}
	}
}

// recorder is an event handler.
type recorder struct {
	mu   sync.Mutex
	list []Notification
}

func (r *recorder) Info() module.Info           { return module.Info{Package: "janus.eventhandler.test"} }
func (r *recorder) Takes(NotificationType) bool { return true }
func (r *recorder) Notify(n *Notification) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, *n)
}

func TestNotifications(t *testing.T) {
	sink := &recorder{}
	c := newCore(t, Config{})
	c.AddSink(sink)
	cl := newClient(t, c)
	if r := cl.do("info", nil); r["event_handlers"] != true || r["events"].(object)["janus.eventhandler.test"] == nil {
		t.Errorf("info: %v", r)
	}
	s := cl.create()
	h := cl.attach(s, "janus.plugin.echotest")
	cl.message(object{"session_id": s, "handle_id": h}, object{"video": false})
	cl.event()
	cl.do("destroy", object{"session_id": s})
	c.Close()
	want := []string{
		`1 0 {"name":"created","transport":{"transport":"janus.transport.test","id":"1"}}`,
		`2 h {"name":"attached","plugin":"janus.plugin.echotest"}`,
		`64 h {"plugin":"janus.plugin.echotest","data":{"audio_active":true,"video_active":false,"bitrate":0}}`,
		`2 h {"name":"detached","plugin":"janus.plugin.echotest"}`,
		`1 0 {"name":"destroyed"}`,
	}
	if len(sink.list) != len(want) {
		t.Fatalf("%d notifications: %v", len(sink.list), sink.list)
	}
	for i, n := range sink.list {
		handle := "0"
		if n.Handle == h {
			handle = "h"
		}
		if got := str(uint64(n.Type)) + " " + handle + " " + string(n.Event); got != want[i] || n.Session != s || n.Time.IsZero() {
			t.Errorf("got  %s\nwant %s", got, want[i])
		}
	}
}
