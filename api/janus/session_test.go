package janus

import (
	"sync"
	"testing"
	"time"

	"bifrons/api/auth"
	"bifrons/api/plugin/echotest"
)

func TestSessionTimeout(t *testing.T) {
	clk := newClock()
	c := newCore(t, Config{Now: clk.Now, SessionTimeout: 60 * time.Second})
	cl := newClient(t, c)
	idle, active, own, never := cl.create(), cl.create(), cl.create(), cl.create()
	cl.attach(idle, echotest.Package)
	c.Session(own).SetTimeout(10 * time.Second)
	c.Session(never).SetTimeout(0)
	if got := c.Session(own).Timeout(); got != 10*time.Second {
		t.Errorf("own timeout is %v", got)
	}

	c.sweep(clk.add(10*time.Second - 1))
	cl.none()
	c.sweep(clk.add(1))
	if e := cl.event(); e["janus"] != "timeout" || e["session_id"] != float64(own) || len(e) != 2 {
		t.Errorf("got %v", e)
	}
	if why, ok := cl.isOver(own); !ok || why != OverTimeout {
		t.Errorf("session over: %v, %v", why, ok)
	}
	cl.do("keepalive", object{"session_id": active})
	if code := c.Poll(active, "", ""); code != 0 {
		t.Errorf("poll: %d", code)
	}
	c.sweep(clk.add(50 * time.Second))
	if e := cl.event(); e["session_id"] != float64(idle) {
		t.Errorf("got %v", e)
	}
	c.sweep(clk.add(10 * time.Second))
	if e := cl.event(); e["session_id"] != float64(active) {
		t.Errorf("got %v", e)
	}
	wantError(t, cl.do("keepalive", object{"session_id": active}), ErrSessionNotFound, "No such session "+str(active))
	c.sweep(clk.add(1000 * time.Hour))
	cl.none()
	c.Session(never).SetTimeout(-1)
	c.SetSessionTimeout(0)
	c.sweep(clk.add(1000 * time.Hour))
	cl.none()
	if len(c.Sessions()) != 1 {
		t.Errorf("%d sessions are left", len(c.Sessions()))
	}
}

func TestErrorsRefreshActivity(t *testing.T) {
	clk := newClock()
	c := newCore(t, Config{Now: clk.Now, SessionTimeout: 60 * time.Second})
	cl := newClient(t, c)
	s := cl.create()
	clk.add(50 * time.Second)
	cl.do("frobnicate", object{"session_id": s})
	c.sweep(clk.add(59 * time.Second))
	if c.Session(s) == nil {
		t.Error("a failed request does not count as activity")
	}
}

func TestGoneWithoutReclaim(t *testing.T) {
	c := newCore(t, Config{})
	a, b := newClient(t, c), newClient(t, c)
	s1, s2, other := a.create(), a.create(), b.create()
	h := a.attach(s1, echotest.Package)
	c.Gone(a)
	for _, s := range []uint64{s1, s2} {
		if why, ok := a.isOver(s); !ok || why != OverGone {
			t.Errorf("session over: %v, %v", why, ok)
		}
		wantError(t, b.do("keepalive", object{"session_id": s}), ErrSessionNotFound, "No such session "+str(s))
	}
	wantError(t, b.do("message", object{"session_id": s1, "handle_id": h, "body": object{}}), ErrSessionNotFound, "No such session "+str(s1))
	if r := b.do("keepalive", object{"session_id": other}); r["janus"] != "ack" {
		t.Errorf("got %v", r)
	}
	a.none()
	c.Gone(a)
}

func TestReclaim(t *testing.T) {
	clk := newClock()
	c := newCore(t, Config{Now: clk.Now, SessionTimeout: time.Minute, ReclaimTimeout: 10 * time.Second})
	a, b := newClient(t, c), newClient(t, c)
	kept, lost := a.create(), a.create()
	h := a.attach(kept, echotest.Package)
	c.Gone(a)
	// What happens now is lost.
	c.Session(kept).Handle(h).Push("", []byte(`{}`), nil)
	clk.add(9 * time.Second)
	r := b.do("claim", object{"session_id": kept})
	if r["janus"] != "success" || r["session_id"] != float64(kept) || len(r) != 3 {
		t.Errorf("claim: %v", r)
	}
	c.sweep(clk.add(time.Second))
	if c.Session(lost) != nil {
		t.Error("a session that nobody claimed is still there")
	}
	c.sweep(clk.add(20 * time.Second))
	if c.Session(kept) == nil {
		t.Fatal("a claimed session is gone")
	}
	a.none()
	b.none()
	c.Session(kept).Handle(h).Push("", []byte(`{}`), nil)
	if e := b.event(); e["sender"] != float64(h) {
		t.Errorf("got %v", e)
	}
}

func TestClaim(t *testing.T) {
	c := newCore(t, Config{})
	a, b := newClient(t, c), newClient(t, c)
	s := a.create()
	h := a.attach(s, echotest.Package)
	if r := a.do("claim", object{"session_id": s}); r["janus"] != "success" {
		t.Errorf("claim by the owner: %v", r)
	}
	if len(a.bound) != 2 {
		t.Errorf("the owner was told %d times", len(a.bound))
	}
	b.do("claim", object{"session_id": s})
	if why, ok := a.isOver(s); !ok || why != OverClaimed {
		t.Errorf("old owner: %v, %v", why, ok)
	}
	c.Gone(a)
	a.do("detach", object{"session_id": s, "handle_id": h})
	if e := b.event(); e["janus"] != "detached" {
		t.Errorf("got %v", e)
	}
	a.none()
	if len(c.bound) != 1 || len(c.bound[b]) != 1 {
		t.Errorf("bound: %v", c.bound)
	}
	c.Gone(b)
	if len(c.bound) != 0 || len(c.Sessions()) != 0 {
		t.Errorf("left over: %v, %v", c.bound, c.Sessions())
	}
}

func TestAccepting(t *testing.T) {
	c := newCore(t, Config{})
	cl := newClient(t, c)
	s := cl.create()
	c.SetAccepting(false)
	wantError(t, cl.do("create", nil), ErrNotAccepting, "Currently not accepting new sessions")
	if r := cl.do("keepalive", object{"session_id": s}); r["janus"] != "ack" {
		t.Errorf("got %v", r)
	}
	c.SetAccepting(true)
	cl.create()
	c.Close()
	wantError(t, cl.do("create", nil), ErrNotAccepting, "Currently not accepting new sessions")
}

func TestIDs(t *testing.T) {
	seen := map[uint64]bool{}
	for range 1000 {
		id := randomID()
		if id == 0 || id >= 1<<53 || seen[id] {
			t.Fatalf("id %d", id)
		}
		seen[id] = true
	}
	c := newCore(t, Config{})
	cl := newClient(t, c)
	r := cl.do("create", object{"id": 0})
	if r["janus"] != "success" || r["data"].(object)["id"] == 0.0 {
		t.Errorf("id 0: %v", r)
	}
	for _, tt := range []struct {
		name   string
		q      Request
		code   Code
		reason string
	}{
		{"null ids are none", Request{Body: []byte(`{"janus":"attach","transaction":"t","session_id":null,"handle_id":null}`)}, ErrInvalidPath, "Unhandled request 'attach' at this path"},
		{"path and payload", Request{Path: true, Session: 5, Body: []byte(`{"janus":"attach","transaction":"t","session_id":6}`)}, ErrInvalidPath, "Conflicting session ID (payload and path)"},
		{"path and payload of a handle", Request{Path: true, Session: 5, Handle: 7, Body: []byte(`{"janus":"attach","transaction":"t","session_id":5,"handle_id":"7"}`)}, ErrInvalidPath, "Conflicting handle ID (payload and path)"},
		{"session in the payload only", Request{Path: true, Body: []byte(`{"janus":"attach","transaction":"t","session_id":6}`)}, ErrSessionNotFound, "No such session 6"},
		{"handle 0", Request{Body: []byte(`{"janus":"attach","transaction":"t","session_id":6,"handle_id":0}`)}, ErrHandleNotFound, "Handle not found"},
		{"syntax, path", Request{Path: true, Body: []byte("{\n\n]")}, ErrInvalidJSON, "JSON error: on line 3: string or '}' expected near ']'"},
		{"syntax", Request{Body: []byte("{]")}, ErrInvalidJSON, "Invalid Janus API request - <string>(1,1): string or '}' expected near ']'"},
		{"syntax, named", Request{Source: "test", Body: []byte("")}, ErrInvalidJSON, "Invalid Janus API request - test(1,0): '[' or '{' expected near end of file"},
		{"verb without case", Request{Body: []byte(`{"janus":"CREATE","transaction":"t","id":-1}`)}, ErrInvalidType, "Invalid element type (id should be a positive integer)"},
		{"admin", Request{Admin: true, Body: []byte(`{"janus":"ping","transaction":"t"}`)}, ErrTransport, "There is no Admin API"},
	} {
		t.Run(tt.name, func(t *testing.T) { wantError(t, cl.raw(tt.q), tt.code, tt.reason) })
	}
	if r := cl.raw(Request{Body: []byte(`{"janus":"PiNg","transaction":"t"}`)}); r["janus"] != "pong" || len(r) != 2 {
		t.Errorf("got %v", r)
	}
}

func TestAuthentication(t *testing.T) {
	a := auth.New(auth.Config{Secret: "s3cret", Tokens: true})
	a.Add("tok", []string{echotest.Package})
	a.Add("poor", nil)
	c := newCore(t, Config{Auth: a})
	cl := newClient(t, c)
	const reason = "Unauthorized request (wrong or missing secret/token)"
	if r := cl.do("ping", nil); r["janus"] != "pong" {
		t.Errorf("ping: %v", r)
	}
	if r := cl.do("info", nil); r["janus"] != "server_info" || r["api_secret"] != true || r["auth_token"] != true {
		t.Errorf("info: %v", r)
	}
	r := cl.do("create", nil)
	wantError(t, r, ErrUnauthorized, reason)
	if r["transaction"] != "tx" {
		t.Errorf("no transaction: %v", r)
	}
	wantError(t, cl.do("create", object{"apisecret": "wrong", "token": "wrong"}), ErrUnauthorized, reason)
	r = cl.do("create", object{"apisecret": "s3cret"})
	s := r["data"].(object)["id"]
	r = cl.do("keepalive", object{"session_id": s})
	wantError(t, r, ErrUnauthorized, reason)
	if r["session_id"] != s {
		t.Errorf("no session_id: %v", r)
	}
	wantError(t, cl.do("keepalive", object{"session_id": 1}), ErrUnauthorized, reason)
	if r := cl.do("attach", object{"session_id": s, "token": "tok", "plugin": echotest.Package}); r["janus"] != "success" {
		t.Errorf("attach with token: %v", r)
	}
	if r := cl.do("attach", object{"session_id": s, "apisecret": "s3cret", "plugin": echotest.Package}); r["janus"] != "success" {
		t.Errorf("attach with secret: %v", r)
	}
	wantError(t, cl.do("attach", object{"session_id": s, "token": "poor", "plugin": echotest.Package}),
		ErrUnauthorizedPlugin, "Provided token can't access plugin '"+echotest.Package+"'")
	id := uint64(s.(float64))
	for _, tt := range []struct {
		session       uint64
		secret, token string
		want          Code
	}{{id, "s3cret", "", 0}, {id, "", "tok", 0}, {id, "", "", ErrUnauthorized}, {1, "s3cret", "", ErrSessionNotFound}, {1, "", "", ErrUnauthorized}} {
		if got := c.Poll(tt.session, tt.secret, tt.token); got != tt.want {
			t.Errorf("poll %v: %d", tt, got)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	e := newEngine(t)
	c := newCore(t, Config{Engine: e, SessionTimeout: time.Minute})
	offer := loadOffer(t, "chrome_avd")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			cl := newClient(t, c)
			cl.events = make(chan object, 100000)
			for range 5 {
				s := cl.create()
				h := cl.attach(s, echotest.Package)
				ids := object{"session_id": s, "handle_id": h}
				with := func(more object) object {
					for k, v := range ids {
						more[k] = v
					}
					return more
				}
				var burst sync.WaitGroup
				for _, f := range []func(){
					func() {
						cl.do("message", with(object{"body": object{"audio": true}, "jsep": object{"type": "offer", "sdp": offer}}))
					},
					func() { cl.do("message", with(object{"body": object{"bitrate": 1000}})) },
					func() { cl.do("trickle", with(object{"candidate": object{"completed": true}})) },
					func() { cl.do("hangup", with(object{})) },
					func() {
						cl.do("message", with(object{"body": object{}, "jsep": object{"type": "offer", "sdp": offer}}))
					},
					func() { cl.do("claim", object{"session_id": s}) },
					func() { cl.do("detach", with(object{})) },
					func() { cl.attach(s, echotest.Package) },
					func() { c.sweep(time.Now()) },
				} {
					burst.Go(f)
				}
				burst.Wait()
				burst.Go(func() { cl.do("destroy", object{"session_id": s}) })
				burst.Go(func() { cl.do("message", with(object{"body": object{"audio": true}})) })
				burst.Wait()
			}
			c.Gone(cl)
		})
	}
	wg.Wait()
	if n := len(c.Sessions()); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	c.Close()
}

func str(id uint64) string { return string(encode(id)) }
