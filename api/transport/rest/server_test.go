package rest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/transport"
	"bifrons/rtp/waittest"
)

const ping = `{"janus":"ping","transaction":"t"}`

func TestRequestsReachTheCore(t *testing.T) {
	r := start(t, Config{})
	for _, c := range []struct {
		path            string
		session, handle uint64
	}{
		{"/janus", 0, 0},
		{"/janus/", 0, 0},
		{"/janus/12", 12, 0},
		{"/janus//12", 12, 0},
		{"/janus/12/34", 12, 34},
		{"/janus/12/34/?x=y", 12, 34},
		{"/janus/abc/34", 0, 34},
		{"/janus/-1", 0, 0},
		{"/janus/99999999999999999999999", 0, 0},
	} {
		if got := r.do("POST", c.path, ping, nil); got.status != 200 || got.body != `{"janus":"pong","transaction":"t"}` {
			t.Errorf("POST %s: %d %s", c.path, got.status, got.body)
		}
		q := r.core.last(t)
		if q.Session != c.session || q.Handle != c.handle || !q.Path || q.Admin || string(q.Body) != ping {
			t.Errorf("POST %s: the core got %+v", c.path, q)
		}
	}
	if r.core.conn != janus.Conn(r.server) {
		t.Error("requests do not come from one connection")
	}
	for path, word := range map[string]string{
		"/janus/info": "info", "/janus/info/": "info", "/janus/info/more": "info", "/janus/ping/1": "ping",
	} {
		r.do("GET", path, "", nil)
		var txn struct{ Transaction string }
		q := r.core.last(t)
		if body := string(q.Body); !strings.HasPrefix(body, `{"janus":"`+word+`",`) || q.Session != 0 || q.Handle != 0 {
			t.Errorf("GET %s: the core got %+v", path, q)
		} else if fmt.Sscanf(body, `{"janus":"`+word+`","transaction":%q}`, &txn.Transaction); len(txn.Transaction) != 11 {
			t.Errorf("transaction %q", txn.Transaction)
		}
	}
}

func TestStatusCodes(t *testing.T) {
	r := start(t, Config{PollTimeout: 1})
	r.bind(12)
	for _, c := range []struct {
		method, path, body string
		status             int
		reply              string
	}{
		{"POST", "/janus/1/2/3", ping, 404, ""},
		{"POST", "/januss", ping, 404, ""},
		{"POST", "/", ping, 404, ""},
		{"POST", "/janus/info", ping, 400, ""},
		{"POST", "/janus/ping", ping, 400, ""},
		{"POST", "/janus/info/more", ping, 400, ""},
		{"GET", "/janus/info/more/yet", "", 404, ""},
		{"GET", "/janus/0", "", 404, ""},
		{"GET", "/janus/13", "", 404, ""},
		{"GET", "/janus/12/34", "", 302, ""},
		{"GET", "/janus/13/34", "", 404, ""},
		{"GET", "/janus/12", "", 200, `{"janus":"keepalive"}`},
		{"GET", "/janus/12?maxev=1", "", 200, `{"janus":"keepalive"}`},
		{"GET", "/janus/12?maxev=-3", "", 200, `{"janus":"keepalive"}`},
		{"GET", "/janus/12?maxev=x", "", 200, `{"janus":"keepalive"}`},
		{"GET", "/janus/12?maxev=2&rid=5&_=5", "", 200, `[{"janus":"keepalive"}]`},
		{"GET", "/demos/x.html", "", 404, ""},
		{"DELETE", "/nowhere", "", 200, string(janus.ErrorReply(0, "", 450, "Unsupported method DELETE"))},
		{"OPTIONS", "/nowhere", "", 200, ""},
	} {
		got := r.do(c.method, c.path, c.body, nil)
		if got.status != c.status || got.body != c.reply {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.path, got.status, got.body, c.status, c.reply)
		}
		if got.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s %s: no CORS headers", c.method, c.path)
		}
	}
	if l := r.do("GET", "/janus/12/34", "", nil).header.Get("Location"); l != "/janus/12" {
		t.Errorf("redirected to %q", l)
	}
	if r.core.polls == 0 {
		t.Error("polls are no sign of life")
	}
}

func TestBody(t *testing.T) {
	r := start(t, Config{MaxBody: 100})
	r.aborted("POST", "/janus", "", nil)
	if got := r.do("POST", "/janus", strings.Repeat(" ", 101), nil); got.status != 413 {
		t.Errorf("oversized body: status %d", got.status)
	}
	if got := r.do("POST", "/janus", strings.Repeat(" ", 100-len(ping))+ping, nil); got.status != 200 {
		t.Errorf("largest body: status %d", got.status)
	}
	if got := r.do("POST", "/janus", ping, map[string]string{"chunked": "yes"}); got.status != 200 {
		t.Errorf("chunked body: status %d", got.status)
	}
}

func TestSilentCore(t *testing.T) {
	r := start(t, Config{ReplyTimeout: time.Millisecond})
	r.core.silent = true
	r.aborted("POST", "/janus", ping, nil)
}

func TestPollCredentials(t *testing.T) {
	r := start(t, Config{PollTimeout: 1})
	r.bind(12)
	r.core.secret = "s e"
	for query, status := range map[string]int{"": 403, "?apisecret=x": 403, "?apisecret=s%20e": 200, "?token=s+e": 200} {
		if got := r.do("GET", "/janus/12"+query, "", nil); got.status != status {
			t.Errorf("%q: status %d, want %d", query, got.status, status)
		}
	}
}

func TestPollEvents(t *testing.T) {
	r := start(t, Config{})
	r.bind(12)
	for i := range 4 {
		r.server.Deliver(12, janus.Event{Head: fmt.Appendf(nil, `{"n":%d}`, i)})
	}
	for _, c := range [][2]string{{"?maxev=1", `{"n":0}`}, {"?maxev=2", `[{"n":1},{"n":2}]`}, {"?maxev=9", `[{"n":3}]`}} {
		if got := r.do("GET", "/janus/12"+c[0], "", nil); got.body != c[1] {
			t.Errorf("%s: %s, want %s", c[0], got.body, c[1])
		}
	}
	r.server.Deliver(12, janus.Event{Head: []byte(`{"janus":"timeout","session_id":12}`)})
	r.server.SessionOver(12, janus.OverTimeout)
	r.core.sessions = map[uint64]bool{}
	if got := r.do("GET", "/janus/12?maxev=9", "", nil); got.body != `[{"janus":"timeout","session_id":12}]` {
		t.Errorf("after the timeout: %s", got.body)
	}
	if got := r.do("GET", "/janus/12?maxev=9", "", nil); got.status != 404 {
		t.Errorf("after all: status %d", got.status)
	}
}

// TestPendingPoll has a poll wait on the wire, for an event and for the end of
// the server.
func TestPendingPoll(t *testing.T) {
	r := start(t, Config{})
	r.bind(12)
	for _, end := range []func(){
		func() { r.server.Deliver(12, janus.Event{Head: []byte(`{"janus":"event"}`)}) },
		func() { r.server.SessionOver(12, janus.OverClaimed) },
		func() { r.server.SessionOver(12, janus.OverDestroyed); r.bind(12) },
		func() { r.bind(12); r.server.Close() },
	} {
		got := make(chan string, 1)
		go func() {
			res, err := r.try("GET", "/janus/12", "", nil)
			if err != nil {
				res.body = err.Error()
			}
			got <- res.body
		}()
		waittest.Until(t, "the poll waits", func() bool { return len(r.waiting(12)) != 0 })
		end()
		if body := <-got; !strings.HasPrefix(body, `{"janus":"`) {
			t.Errorf("got %s", body)
		}
		r.bind(12)
	}
}

func (r *rig) waiting(session uint64) []*waiter {
	r.server.hub.mu.Lock()
	defer r.server.hub.mu.Unlock()
	return r.server.hub.sessions[session].waiters
}

func TestOrigins(t *testing.T) {
	r := start(t, Config{Origins: transport.Origins{Allow: "https://good.example", Enforce: true}})
	for _, c := range []struct {
		header map[string]string
		status int
	}{
		{map[string]string{"Origin": "https://good.example"}, 200},
		{map[string]string{"Origin": "https://good.example:8443"}, 200},
		{map[string]string{"Referer": "https://good.example/page"}, 200},
		{map[string]string{"Origin": "https://bad.example", "Referer": "https://good.example/"}, 403},
		{map[string]string{"Origin": "https://good.example.bad.example"}, 403},
		{nil, 403},
	} {
		got := r.do("POST", "/janus", ping, c.header)
		if got.status != c.status {
			t.Errorf("%v: status %d, want %d", c.header, got.status, c.status)
		}
		h := got.header
		if h.Get("Access-Control-Allow-Origin") != "https://good.example" ||
			h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("Vary") != "Origin" {
			t.Errorf("%v: headers %v", c.header, h)
		}
	}
	if got := r.do("OPTIONS", "/janus", "", nil); got.status != 200 {
		t.Errorf("preflight: status %d", got.status)
	}
}

func TestACL(t *testing.T) {
	refused := start(t, Config{API: API{HTTP: local, ACL: transport.NewACL([]string{"10."}, false)}})
	refused.aborted("POST", "/janus", ping, nil)

	r := start(t, Config{API: API{HTTP: local, ACL: transport.NewACL([]string{"127.0.", "192.168."}, true)}})
	for forwarded, ok := range map[string]bool{"": true, "192.168.1.2": true, "10.1.1.1": false, "192.168.1.2, 10.1.1.1": false} {
		h := map[string]string{"X-Forwarded-For": forwarded}
		if ok {
			r.do("POST", "/janus", ping, h)
		} else {
			r.aborted("POST", "/janus", ping, h)
		}
	}
}

func TestAdmin(t *testing.T) {
	r := start(t, Config{Admin: API{HTTP: local}, Page: http.NotFoundHandler()})
	for _, c := range []struct {
		method, path string
		status       int
		reply        string
	}{
		{"POST", "/admin/5/6", 200, `{"janus":"pong","transaction":"t"}`},
		{"POST", "/admin/info", 200, string(janus.ErrorReply(0, "", 450, "Use GET for the info endpoint"))},
		{"GET", "/admin", 200, string(janus.ErrorReply(0, "", 454, "Request payload missing"))},
		{"GET", "/admin/5", 200, string(janus.ErrorReply(0, "", 454, "Request payload missing"))},
		{"GET", "/", 404, ""},
		{"GET", "/janus/info", 404, ""},
	} {
		body := ""
		if c.method == "POST" {
			body = ping
		}
		if got := r.do(c.method, c.path, body, nil); got.status != c.status || got.body != c.reply {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.path, got.status, got.body, c.status, c.reply)
		}
	}
	if q := r.core.last(t); !q.Admin || q.Session != 5 || q.Handle != 6 {
		t.Errorf("the core got %+v", q)
	}
	if got := r.do("GET", "/admin/ping", "", nil); !strings.Contains(got.body, "pong") {
		t.Errorf("GET ping: %s", got.body)
	}
}

func TestStatic(t *testing.T) {
	named := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, name) })
	}
	r := start(t, Config{Page: named("page"), Demos: named("demos"), Files: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/voicemail//x.opus" {
			io.WriteString(w, "file")
			return true
		}
		return false
	}})
	for path, want := range map[string]string{
		"/": "page", "/echo/x.js": "page", "/demos": "demos", "/demos/a/b": "demos", "/echo": "", "/other": "",
		"/voicemail//x.opus": "file", "/voicemail/": "",
	} {
		if got := r.do("GET", path, "", nil); got.body != want {
			t.Errorf("GET %s: %q, want %q", path, got.body, want)
		}
	}
	if got := r.do("POST", "/", ping, nil); got.status != 404 {
		t.Errorf("POST /: status %d", got.status)
	}
}

func TestBasePath(t *testing.T) {
	for base, path := range map[string]string{"": "/janus/5", "/": "/5", "/a/b/": "/a/b/5", "x": "/x/5"} {
		r := start(t, Config{API: API{HTTP: local, BasePath: base}})
		if got := r.do("POST", path, ping, nil); got.status != 200 || r.core.last(t).Session != 5 {
			t.Errorf("base %q: POST %s: status %d", base, path, got.status)
		}
	}
}

func TestLayoutAndQuery(t *testing.T) {
	r := start(t, Config{Common: transport.Common{Layout: json.Plain}})
	if got := r.do("POST", "/janus", ping, nil); got.body != `{"janus": "pong", "transaction": "t"}` {
		t.Errorf("plain: %s", got.body)
	}
	if got := string(r.server.Query([]byte(`{"request":"configure","json":"compact","events":true}`))); got !=
		`{"result":200,"notes":["Event handlers disabled at the core level"]}` {
		t.Errorf("configure: %s", got)
	}
	if got := r.do("POST", "/janus", ping, nil); got.body != `{"janus":"pong","transaction":"t"}` {
		t.Errorf("compact: %s", got.body)
	}
	if got := string(r.server.Query([]byte(`{"request":"connections"}`))); got != `{"result":200,"connections":{"http":1},"messages":0}` {
		t.Errorf("connections: %s", got)
	}
}

func TestEvents(t *testing.T) {
	var got []string
	r := start(t, Config{Common: transport.Common{Events: true, Notify: func(conn string, e []byte) { got = append(got, conn+string(e)) }}})
	r.do("POST", "/janus", ping, nil)
	if id := r.core.requests[0].ID; id != "1" {
		t.Errorf("the core hears of connection %q", id)
	}
	r.server.Close()
	if len(got) != 1 || !strings.HasPrefix(got[0], `1{"event":"request","admin_api":false,"ip":"127.0.0.1","port":`) {
		t.Errorf("events %q", got)
	}
}

func TestHTTPS(t *testing.T) {
	r := start(t, Config{
		API:         API{HTTPS: local},
		Certificate: transport.Certificate{PEM: "../testdata/cert.pem", Key: "../testdata/key-aes.pem", Password: "bifrons"},
	})
	r.base = strings.Replace(r.base, "http:", "https:", 1)
	r.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	if got := r.do("POST", "/janus", ping, nil); got.status != 200 {
		t.Errorf("status %d", got.status)
	}
}

func TestNewFails(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	if _, err := New(Config{Common: transport.Common{Log: quiet}}, &fakeCore{}); !errors.Is(err, transport.ErrDisabled) {
		t.Errorf("nothing enabled: %v", err)
	}
	if _, err := New(Config{API: API{HTTPS: local}, Common: transport.Common{Log: quiet}}, &fakeCore{}); err == nil || errors.Is(err, transport.ErrDisabled) {
		t.Errorf("no certificate: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	busy := local
	busy.Port = l.Addr().(*net.TCPAddr).Port
	if _, err := New(Config{API: API{HTTP: busy}, Common: transport.Common{Log: quiet}}, &fakeCore{}); err == nil || !strings.Contains(err.Error(), "another server") {
		t.Errorf("port in use: %v", err)
	}
	s, err := New(Config{API: API{HTTP: busy}, Admin: API{HTTP: local}, Common: transport.Common{Log: quiet}}, &fakeCore{})
	if err != nil {
		t.Fatalf("one of two ports in use: %v", err)
	}
	if list := s.Listeners(); len(list) != 1 || list[0].Name != "admin_http" || !list[0].Admin {
		t.Errorf("listeners %v", list)
	}
	s.Close()
}

// TestKeepAlive sends two requests over one connection.
func TestKeepAlive(t *testing.T) {
	r := start(t, Config{MaxConns: 1})
	c, err := net.Dial("tcp", strings.TrimPrefix(r.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(waittest.Patience))
	in := bufio.NewReader(c)
	for range 2 {
		fmt.Fprintf(c, "POST /janus HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(ping), ping)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	c.Close()
	r.do("POST", "/janus", ping, nil) // the only slot is free again
}

func FuzzParsePath(f *testing.F) {
	for _, p := range []string{"", "/", "/janus", "/janus/", "/janus/info", "/janus/1/2", "/janus/1/2/3", "/janus//1", "/janus/info/more", "/janus/ping/5", "/janus/18446744073709551615/x"} {
		f.Add("/janus", p)
		f.Add("", p)
	}
	f.Fuzz(func(t *testing.T, base, path string) {
		got, ok := parsePath(base, path)
		if !ok {
			if got != (target{}) {
				t.Errorf("%q refused, but %+v", path, got)
			}
			return
		}
		if !strings.HasPrefix(path, base) || got.depth < 0 || got.depth > 2 {
			t.Fatalf("%q below %q: %+v", path, base, got)
		}
		again := base
		switch {
		case got.word != "":
			again += "/" + got.word
		case got.depth > 0:
			again += fmt.Sprintf("/%d", got.session)
			if got.depth > 1 {
				again += fmt.Sprintf("/%d", got.handle)
			}
		}
		if twice, ok := parsePath(base, again); !ok || twice != got {
			t.Errorf("%q is %+v, but %q is %+v", path, got, again, twice)
		}
	})
}
