package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/api/budget"
)

// street is a listener with clients of all addresses.
type street struct {
	arrivals chan any // fakeConn or error
	once     sync.Once
}

func (s *street) Accept() (net.Conn, error) {
	switch x := (<-s.arrivals).(type) {
	case *fakeConn:
		return x, nil
	case error:
		return nil, x
	}
	return nil, net.ErrClosed
}

func (s *street) Close() error {
	s.once.Do(func() { close(s.arrivals) })
	return nil
}
func (s *street) Addr() net.Addr { return &net.TCPAddr{} }

// fakeConn knows where it comes from and whether it is closed.
type fakeConn struct {
	net.Conn
	from net.Addr
	once sync.Once
	end  chan struct{}
}

func from(addr string) *fakeConn {
	c := &fakeConn{end: make(chan struct{})}
	if addr != "" {
		c.from = &net.TCPAddr{IP: net.ParseIP(addr), Port: 1000}
	} else {
		c.from = &net.UnixAddr{}
	}
	return c
}

func (c *fakeConn) RemoteAddr() net.Addr { return c.from }
func (c *fakeConn) Close() error {
	c.once.Do(func() { close(c.end) })
	return nil
}

func (c *fakeConn) closed() bool {
	select {
	case <-c.end:
		return true
	default:
		return false
	}
}

// entrance is a guarded street. come says whether a connection got in.
type entrance struct {
	*testing.T
	street *street
	inside chan *Visitor
	gate   *Gate
	log    *bytes.Buffer
	close  func()
}

// enter is to be called in a synctest bubble.
func enter(t *testing.T, max int, cfg GateConfig) *entrance {
	log := new(bytes.Buffer)
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	e := &entrance{T: t, street: &street{arrivals: make(chan any)}, inside: make(chan *Visitor, 1000), gate: NewGate(cfg), log: log}
	l := guard(e.street, Door{Max: max, Gate: e.gate})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			e.inside <- c.(*Visitor)
		}
	}()
	e.close = func() { l.Close(); <-done }
	return e
}

func (e *entrance) come(addr string) (*fakeConn, *Visitor) {
	c := from(addr)
	e.street.arrivals <- c
	synctest.Wait()
	select {
	case v := <-e.inside:
		return c, v
	default:
		return c, nil
	}
}

// One address gets half of the connections, however busy they are; proxies that
// are trusted, loopback and Unix sockets get all there are.
func TestShareOfAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := enter(t, 0, GateConfig{Max: 100, Trusted: []string{"10.0.0.1"}})
		defer e.close()
		n := 0
		for range 60 {
			if c, v := e.come("192.0.2.1"); v != nil {
				v.Active()
				n++
			} else if !c.closed() {
				t.Fatal("neither in nor closed")
			}
		}
		if n != 50 || e.gate.Refused(Share) != 10 {
			t.Errorf("%d got in, %d were refused", n, e.gate.Refused(Share))
		}
		if text := e.log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "address=192.0.2.1") || !strings.Contains(text, "connections_per_address") {
			t.Errorf("log: %s", text)
		}
		for _, addr := range []string{"192.0.2.2", "::ffff:192.0.2.3", "2001:db8::1"} {
			if _, v := e.come(addr); v == nil {
				t.Errorf("%s was refused", addr)
			}
		}
		for i := range 47 {
			if _, v := e.come([]string{"10.0.0.1", "127.0.0.1", "::1", ""}[i%4]); v == nil {
				t.Errorf("a trusted one was refused")
			} else {
				v.Active()
			}
		}
		if n := e.gate.Connections(); n != 100 {
			t.Errorf("%d connections", n)
		}
	})
}

// Of the connections of one address that wait for a request only so many stay,
// and those that do something are not among them.
func TestWaitingConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := enter(t, 80, GateConfig{})
		defer e.close()
		var polls, idle []*fakeConn
		for range 20 {
			c, v := e.come("192.0.2.1")
			v.Active()
			polls = append(polls, c)
		}
		var last *Visitor
		for range 15 {
			c, v := e.come("192.0.2.1")
			idle = append(idle, c)
			last = v
		}
		for i, c := range polls {
			if c.closed() {
				t.Errorf("poll %d was ended", i)
			}
		}
		for i, c := range idle {
			if c.closed() != (i < 5) { // a quarter of 40 may wait
				t.Errorf("waiting %d: ended %v", i, c.closed())
			}
		}
		if n := e.gate.Refused(Waiting); n != 5 {
			t.Errorf("%d were ended", n)
		}
		last.Active()
		last.Close()
		last.Close()
		last.Active()
		last.Idle()
		if n := e.gate.Connections(); n != 29 {
			t.Errorf("%d connections are counted", n)
		}
	})
}

// When all places are taken, one that waits is given up for the next; if none
// does, the next one waits.
func TestFullHouse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := enter(t, 4, GateConfig{PerAddress: 10})
		idle, _ := e.come("192.0.2.1")
		other, _ := e.come("192.0.2.1")
		_, v := e.come("192.0.2.2")
		v.Active()
		busy, last := e.come("192.0.2.3")
		last.Active()
		if _, v := e.come("192.0.2.4"); v == nil || !idle.closed() || other.closed() {
			t.Error("the one that has waited longest did not make room")
		} else {
			v.Active()
		}
		if _, v := e.come("192.0.2.5"); v == nil || !other.closed() {
			t.Error("the second did not make room")
		} else {
			v.Active()
		}
		next, v := e.come("192.0.2.6")
		if v != nil || next.closed() || busy.closed() {
			t.Error("more than there is room for")
		}
		if !strings.Contains(e.log.String(), "all connections are in use") || e.gate.Refused(Full) != 1 {
			t.Errorf("log: %s", e.log)
		}
		last.Close()
		synctest.Wait()
		if v := <-e.inside; v.Conn != next {
			t.Error("not the one that waited")
		} else {
			v.Active()
		}
		waiting, _ := e.come("192.0.2.7")
		e.close()
		if !waiting.closed() {
			t.Error("was left open")
		}
	})
}

// Out of files: the log names the limit, nothing spins, and it goes on later.
func TestOutOfFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := enter(t, 0, GateConfig{})
		defer e.close()
		begin := time.Now()
		for range 100 {
			e.street.arrivals <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
			e.street.arrivals <- &net.OpError{Op: "accept", Err: syscall.ECONNABORTED}
		}
		if _, v := e.come("192.0.2.1"); v == nil {
			t.Error("does not go on")
		}
		if took := time.Since(begin); took < 99*filesPause {
			t.Errorf("tried 100 times within %v", took)
		}
		text := e.log.String()
		if n := strings.Count(text, "\n"); n < 1 || n > 3 || !strings.Contains(text, "ulimit -n") || !strings.Contains(text, "too many open files") {
			t.Errorf("%d lines: %s", n, text)
		}
		if n := e.gate.Refused(Files); n != 100 {
			t.Errorf("%d times", n)
		}
	})
}

// What is received has a bound for all together; small requests need no room.
func TestReceive(t *testing.T) {
	b := budget.New(256 << 10)
	text := strings.Repeat("x", 100_000)
	body, release, err := Receive(t.Context(), strings.NewReader(text), int64(len(text)), b)
	if err != nil || string(body) != text || b.Used() < 100_000 {
		t.Fatalf("%d bytes, %v, %d used", len(body), err, b.Used())
	}
	_, again, err := Receive(t.Context(), io.LimitReader(zeros{}, 1<<20), 0, b)
	if !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	again()
	again()
	for n := range 2 * freeBytes {
		if n%1000 == 0 {
			if body, done, err := Receive(t.Context(), io.LimitReader(zeros{}, int64(n)), 0, b); err != nil || len(body) != n {
				t.Errorf("%d of %d bytes, %v", len(body), n, err)
			} else {
				done()
			}
		}
	}
	release()
	if n := b.Used(); n != 0 {
		t.Errorf("%d bytes are left over", n)
	}
	if _, release, err := Receive(t.Context(), broken{}, 0, b); err == nil || errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	} else {
		release()
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, fmt.Errorf("broken") }

func TestAddressOfMappedPeer(t *testing.T) {
	for text, want := range map[string]string{"::ffff:192.0.2.1": "192.0.2.1", "fe80::1": "fe80::1"} {
		if got := address(from(text)); got != netip.MustParseAddr(want) {
			t.Errorf("%s: %v", text, got)
		}
	}
}
