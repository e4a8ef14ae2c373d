package tcp

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"golang.org/x/net/ipv4"

	"bifrons/rtp/waittest"
)

const patience = waittest.Patience

var (
	loopback = netip.MustParseAddr("127.0.0.1")
	check    = frame(stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername("a:b")).Raw)
)

func listenFor(t *testing.T, cfg Config) *Listener {
	t.Helper()
	if !cfg.Addr.IsValid() {
		cfg.Addr = loopback
	}
	l, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// echo sends every datagram back.
func echo(c *Conn, first []byte) {
	c.Start()
	c.Send(netip.AddrPort{}, first)
	for ms := slots(4, 1600); ; {
		n, err := c.Receive(ms)
		for _, m := range ms[:n] {
			c.Send(netip.AddrPort{}, m.Buf[:m.N])
		}
		if err != nil {
			return
		}
	}
}

func dialFrom(t *testing.T, l *Listener, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	c, err := d.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", l.Port()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func dial(t *testing.T, l *Listener) net.Conn { return dialFrom(t, l, "127.0.0.1") }

func write(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%v, got %.40q", err, got)
	}
}

// expectEnd waits until the other side has closed.
func expectEnd(t *testing.T, c net.Conn) {
	t.Helper()
	n, err := c.Read(make([]byte, 1))
	if e, ok := err.(net.Error); n != 0 || err == nil || ok && e.Timeout() {
		t.Errorf("read %d bytes, %v; not closed", n, err)
	}
}

func TestConversation(t *testing.T) {
	l := listenFor(t, Config{Handler: echo})
	c := dial(t, l)
	write(t, c, check)
	expect(t, c, check)
	long := frame(bytes.Repeat([]byte("x"), 1200))
	for range 100 {
		write(t, c, long)
	}
	for range 100 {
		expect(t, c, long)
	}
	// Half a frame now, the other half later.
	write(t, c, long[:7])
	write(t, c, long[7:])
	expect(t, c, long)
	if n := l.Pending(); n != 0 {
		t.Errorf("%d connections pending", n)
	}
}

func TestAddresses(t *testing.T) {
	got := make(chan *Conn, 1)
	l := listenFor(t, Config{Handler: func(c *Conn, _ []byte) { got <- c }})
	c := dialFrom(t, l, "127.0.0.5")
	write(t, c, check)
	s := <-got
	if s.Local() != loopback || s.Remote() != addrPort(c.LocalAddr()) {
		t.Errorf("from %v to %v", s.Remote(), s.Local())
	}
	expectEnd(t, c) // the handler did not want it
}

// TestHostile: what is no connectivity check is the end.
func TestHostile(t *testing.T) {
	l := listenFor(t, Config{Timeout: 100 * time.Millisecond, Handler: func(*Conn, []byte) { t.Error("handed over") }})
	for name, b := range map[string][]byte{
		"silence":      nil,
		"HTTP":         []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"),
		"empty frame":  {0, 0, 0, 0},
		"huge frame":   append([]byte{0xFF, 0xFF}, make([]byte, 10000)...),
		"large frame":  frame(make([]byte, firstMax+1)),
		"half a frame": check[:len(check)-1],
		"no STUN":      frame(bytes.Repeat([]byte{0x16}, 100)),
		"zeros":        frame(make([]byte, 100)),
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, l)
			if b != nil {
				write(t, c, b)
			}
			expectEnd(t, c)
		})
	}
	t.Run("slowly", func(t *testing.T) {
		c := dial(t, l)
		for _, b := range check {
			if _, err := c.Write([]byte{b}); err != nil {
				return // closed in the middle, as it should
			}
			time.Sleep(10 * time.Millisecond)
		}
		expectEnd(t, c)
	})
}

// TestManyConnections: silent connections give way, also to those of others.
func TestManyConnections(t *testing.T) {
	l := listenFor(t, Config{Handler: echo, Timeout: time.Hour, Pending: 50, PendingFrom: 10})
	var first net.Conn
	for i := range 1000 {
		c := dialFrom(t, l, fmt.Sprintf("127.0.1.%d", 1+i%100))
		if i == 0 {
			first = c
		}
		if i%50 == 0 {
			good := dialFrom(t, l, "127.0.0.1")
			write(t, good, check)
			expect(t, good, check)
			_ = good.Close()
		}
		if n := l.Pending(); n > 50 {
			t.Fatalf("%d connections pending", n)
		}
	}
	expectEnd(t, first)

	for range 50 {
		dialFrom(t, l, "127.0.0.9")
	}
	last := dialFrom(t, l, "127.0.0.9")
	write(t, last, check)
	expect(t, last, check)
	l.mu.Lock()
	same := 0
	for _, w := range l.waiting {
		if w.from.Addr() == netip.MustParseAddr("127.0.0.9") {
			same++
		}
	}
	l.mu.Unlock()
	if same > 10 {
		t.Errorf("%d connections pending from one address", same)
	}
}

// TestSlowReader: what a connection does not take is refused, not kept.
func TestSlowReader(t *testing.T) {
	full := make(chan struct{})
	l := listenFor(t, Config{Handler: func(c *Conn, first []byte) {
		c.Start()
		for c.Send(netip.AddrPort{}, make([]byte, 1200)) {
		}
		close(full)
		_, _ = c.Receive(slots(1, 100))
	}})
	c := dial(t, l)
	write(t, c, check)
	<-full
}

// TestLastWords: what was queued before the end is sent.
func TestLastWords(t *testing.T) {
	l := listenFor(t, Config{Handler: func(c *Conn, first []byte) {
		c.Start()
		for range 100 {
			c.Send(netip.AddrPort{}, first)
		}
	}})
	c := dial(t, l)
	write(t, c, check)
	for range 100 {
		expect(t, c, check)
	}
	expectEnd(t, c)
}

func TestClose(t *testing.T) {
	var handlers sync.WaitGroup
	l := listenFor(t, Config{Handler: func(c *Conn, first []byte) {
		handlers.Add(1)
		defer handlers.Done()
		echo(c, first)
	}})
	talking, silent := dial(t, l), dial(t, l)
	write(t, talking, check)
	expect(t, talking, check)
	l.Close()
	handlers.Wait()
	expectEnd(t, talking)
	expectEnd(t, silent)
	if len(l.taken) != 0 || len(l.waiting) != 0 {
		t.Errorf("%d and %d connections left", len(l.taken), len(l.waiting))
	}
}

func TestPorts(t *testing.T) {
	first := listenFor(t, Config{Handler: echo})
	if l := listenFor(t, Config{Handler: echo, Port: first.Port()}); l.Port() == first.Port() {
		t.Error("two listeners on one port")
	}
	for range 3 {
		l := listenFor(t, Config{Handler: echo, PortMin: 42200, PortMax: 42299})
		if p := l.Port(); p < 42200 || p > 42299 {
			t.Errorf("port %d", p)
		}
	}
	taken := first.Port()
	if l, err := Listen(Config{Addr: loopback, Handler: echo, PortMin: taken, PortMax: taken}); err == nil {
		l.Close()
		t.Error("the only port of the range is taken, still it listens")
	}
}

func TestDSCP(t *testing.T) {
	got := make(chan int, 1)
	l := listenFor(t, Config{DSCP: 46, Handler: func(c *Conn, _ []byte) {
		tos, err := ipv4.NewConn(c.conn).TOS()
		if err != nil {
			t.Error(err)
		}
		got <- tos
	}})
	write(t, dial(t, l), check)
	if tos := <-got; tos != 46<<2 {
		t.Errorf("TOS %d", tos)
	}
}
