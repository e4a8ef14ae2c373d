package rest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"bifrons/api/budget"
	"bifrons/api/janus"
	"bifrons/api/transport"
	"bifrons/rtp/waittest"
)

func (r *rig) dial() net.Conn {
	r.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(r.base, "http://"))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { c.Close() })
	return c
}

// expectEnd expects that the server closes a connection, without a response or
// with an error.
func expectEnd(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(waittest.Patience))
	b, err := io.ReadAll(c)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Errorf("still open, after %q", b)
	}
}

// Whoever does not send a header, or a body, or another request, is cut off. A
// long poll that waits is not.
func TestHalfRequests(t *testing.T) {
	r := start(t, Config{HeaderTimeout: time.Second, BodyTimeout: time.Second, IdleTimeout: time.Minute, PollTimeout: 3 * time.Second})
	r.bind(1)
	poll := make(chan response, 1)
	go func() { poll <- r.do("GET", "/janus/1", "", nil) }()
	var half []net.Conn
	for _, text := range []string{
		"", "POST /janus HTTP/1.1\r\nHost: x\r\n",
		"POST /janus HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
		"POST /janus HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
	} {
		c := r.dial()
		fmt.Fprint(c, text)
		half = append(half, c)
	}
	for _, c := range half {
		expectEnd(t, c)
	}
	if got := <-poll; got.status != 200 || got.body != string(keepalive) {
		t.Errorf("the poll got %d %s", got.status, got.body)
	}
}

// The deadline for a body does not hold for the answer.
func TestSlowAnswerAfterBody(t *testing.T) {
	r := start(t, Config{BodyTimeout: 500 * time.Millisecond, ReplyTimeout: 2 * time.Second})
	r.core.silent = true
	c := r.dial()
	fmt.Fprint(c, "POST /janus HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
	expectEnd(t, c) // by ReplyTimeout
	r.core.mu.Lock()
	r.core.silent = false
	r.core.mu.Unlock()
	if got := r.do("POST", "/janus", `{"janus":"ping","transaction":"x"}`, nil); got.status != 200 {
		t.Errorf("got %d", got.status)
	}
}

// Bodies have a bound for all together: one that finds no room gets 503, small
// ones need none.
func TestBodiesAreBounded(t *testing.T) {
	b := budget.New(64 << 10)
	r := start(t, Config{Bodies: b})
	c := r.dial()
	fmt.Fprintf(c, "POST /janus HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n%s", strings.Repeat(" ", 50_000))
	waittest.Until(t, "the body counts", func() bool { return b.Used() != 0 })
	large := `{"janus":"ping","transaction":"x"}` + strings.Repeat(" ", 60_000)
	if got := r.do("POST", "/janus", large, nil); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "busy") {
		t.Errorf("a large one: %d %s", got.status, got.body)
	}
	if got := r.do("POST", "/janus", large[:10_000], nil); got.status != 200 {
		t.Errorf("a small one: %d %s", got.status, got.body)
	}
	c.Close()
	waittest.Until(t, "the body counts no more", func() bool { return b.Used() == 0 })
	if got := r.do("POST", "/janus", large, nil); got.status != 200 {
		t.Errorf("a large one afterwards: %d %s", got.status, got.body)
	}
	if n := b.Used(); n != 0 {
		t.Errorf("%d bytes are left over", n)
	}
}

// When all places are taken by connections that ask for nothing, those that ask
// for something get in all the same, and nobody's poll ends for it.
func TestHalfOpenConnectionsMakeRoom(t *testing.T) {
	gate := transport.NewGate(transport.GateConfig{})
	r := start(t, Config{Gate: gate, MaxConns: 20, PollTimeout: time.Minute})
	r.bind(1)
	poll := make(chan response, 1)
	go func() {
		res, err := r.try("GET", "/janus/1", "", nil)
		if err != nil {
			t.Error(err)
		}
		poll <- res
	}()
	waittest.Until(t, "the poll waits", func() bool { return r.waiting(1) != nil })
	var half []net.Conn
	for range 60 {
		c := r.dial()
		fmt.Fprint(c, "GET /janus/info HTTP/1.1\r\n")
		half = append(half, c)
	}
	c := r.dial()
	fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%v %v", res, err)
	}
	res.Body.Close()
	expectEnd(t, half[0])
	r.server.Deliver(1, janus.Event{Head: []byte(`{"janus":"event"}`)})
	if got := <-poll; !strings.Contains(got.body, "event") {
		t.Errorf("the poll got %q", got.body)
	}
	if n := gate.Refused(transport.Waiting); n < 40 {
		t.Errorf("%d were ended", n)
	}
}
