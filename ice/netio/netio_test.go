package netio

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bifrons/rtp/waittest"
)

var (
	loop4 = netip.MustParseAddr("127.0.0.1")
	loop6 = netip.MustParseAddr("::1")
)

func listen(t testing.TB, cfg Config) *Conn {
	t.Helper()
	c, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func needIPv6(t testing.TB) {
	t.Helper()
	pc, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here: ", err)
	}
	pc.Close()
}

func buffers(n, size int) []Message {
	ms := make([]Message, n)
	for i := range ms {
		ms[i].Buf = make([]byte, size)
	}
	return ms
}

// receive collects n datagrams.
func receive(t testing.TB, c *Conn, n int) []Message {
	t.Helper()
	var got []Message
	deadline := time.Now().Add(waittest.Patience)
	for len(got) < n {
		ms := buffers(n-len(got), 2048)
		k, err := c.RecvBatch(ms, deadline)
		if err != nil {
			t.Fatal(err)
		}
		if k == 0 && !time.Now().Before(deadline) {
			t.Fatalf("got %d datagrams, want %d", len(got), n)
		}
		got = append(got, ms[:k]...)
	}
	return got
}

func send(t testing.TB, c *Conn, ms ...Message) {
	t.Helper()
	n, err := c.SendBatch(ms)
	if n != len(ms) || err != nil {
		t.Fatalf("SendBatch = %d, %v, want %d; %+v", n, err, len(ms), c.Stats())
	}
}

func payload(m Message) string { return string(m.Buf[:m.N]) }

func TestRoundTrip(t *testing.T) {
	tests := []struct {
		name     string
		cfg      Config
		from, to netip.Addr
	}{
		{"IPv4 socket", Config{}, loop4, loop4},
		{"IPv4 address wins over IPv6", Config{IPv6: true, Addr: loop4}, loop4, loop4},
		{"dual stack, IPv4", Config{IPv6: true}, loop4, loop4},
		{"dual stack, IPv6", Config{IPv6: true}, loop6, loop6},
		{"IPv6 address", Config{Addr: loop6}, loop6, loop6},
		{"destination in mapped form", Config{}, loop4, netip.AddrFrom16(loop4.As16())},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.to.Unmap().Is6() {
				needIPv6(t)
			}
			a, b := listen(t, tt.cfg), listen(t, tt.cfg)
			ms := make([]Message, 3)
			texts := []string{"one", "", "three"}
			for i := range ms {
				ms[i] = Message{Buf: []byte(texts[i]), Remote: netip.AddrPortFrom(tt.to, b.Port())}
			}
			send(t, a, ms...)
			for i, m := range receive(t, b, 3) {
				if payload(m) != texts[i] || m.Truncated {
					t.Errorf("datagram %d = %q, truncated %v; want %q", i, payload(m), m.Truncated, texts[i])
				}
				if want := netip.AddrPortFrom(tt.from, a.Port()); m.Remote != want {
					t.Errorf("Remote = %v, want %v", m.Remote, want)
				}
			}
			in, out := b.Stats(), a.Stats()
			if in.DatagramsIn != 3 || in.BytesIn != 8 || in.SyscallsIn == 0 {
				t.Errorf("receiver's stats = %+v", in)
			}
			if out.DatagramsOut != 3 || out.BytesOut != 8 || out.SyscallsOut == 0 || out.SendErrors != 0 {
				t.Errorf("sender's stats = %+v", out)
			}
		})
	}
}

func TestManyDatagrams(t *testing.T) {
	for _, batch := range []int{0, 1, 5} {
		manyDatagrams(t, Config{Batch: batch})
	}
}

func manyDatagrams(t *testing.T, cfg Config) {
	t.Helper()
	a, b := listen(t, cfg), listen(t, cfg)
	const n = 3*batchSize + 7
	ms := make([]Message, n)
	for i := range ms {
		ms[i] = Message{Buf: []byte{byte(i), byte(i >> 8)}, Remote: netip.AddrPortFrom(loop4, b.Port())}
	}
	send(t, a, ms...)
	for i, m := range receive(t, b, n) {
		if !bytes.Equal(m.Buf[:m.N], ms[i].Buf) {
			t.Fatalf("datagram %d = %v", i, m.Buf[:m.N])
		}
	}
}

func TestTruncated(t *testing.T) {
	a, b := listen(t, Config{}), listen(t, Config{})
	send(t, a, Message{Buf: []byte("0123456789"), Remote: netip.AddrPortFrom(loop4, b.Port())})
	ms := buffers(1, 4)
	if n, err := b.RecvBatch(ms, time.Now().Add(waittest.Patience)); n != 1 || err != nil {
		t.Fatalf("RecvBatch = %d, %v", n, err)
	}
	if payload(ms[0]) != "0123" || !ms[0].Truncated {
		t.Errorf("got %q, truncated %v", payload(ms[0]), ms[0].Truncated)
	}
	if n := b.Stats().Truncated; n != 1 {
		t.Errorf("Stats.Truncated = %d, want 1", n)
	}
}

// Every segmentation is the same on the wire, with the kernel's help or not.
func TestSegments(t *testing.T) {
	for _, disable := range []bool{false, true} {
		for _, ipv6 := range []bool{false, true} {
			to := loop4
			if ipv6 {
				needIPv6(t)
				to = loop6
			}
			a := listen(t, Config{IPv6: ipv6, DisableGSO: disable})
			b := listen(t, Config{IPv6: ipv6})
			for n := 1; n <= MaxSegments+2; n++ {
				const size = 900
				for _, last := range []int{1, size - 1, size} {
					buf := make([]byte, (n-1)*size+last)
					for i := range buf {
						buf[i] = byte(i / size)
					}
					local := netip.Addr{}
					if n%2 == 0 {
						local = to
					}
					send(t, a, Message{Buf: buf, Segment: size, Remote: netip.AddrPortFrom(to, b.Port()), Local: local})
					for i, m := range receive(t, b, n) {
						want := size
						if i == n-1 {
							want = last
						}
						if m.N != want || m.Buf[0] != byte(i) {
							t.Fatalf("%d segments, last %d: datagram %d has %d bytes of %d", n, last, i, m.N, m.Buf[0])
						}
					}
				}
			}
			s := a.Stats()
			if s.GSOFallbacks != 0 || s.SendErrors != 0 {
				t.Errorf("disable=%v ipv6=%v: %+v", disable, ipv6, s)
			}
			if disable && (a.GSO() || s.GSOBatches != 0) {
				t.Errorf("GSO used although disabled: %+v", s)
			}
			// n = 1 is a plain datagram, n > MaxSegments too much for the kernel.
			wantBatches, wantSegments := uint64(3*(MaxSegments-1)), uint64(3*(MaxSegments*(MaxSegments+1)/2-1))
			if a.GSO() && (s.GSOBatches != wantBatches || s.GSOSegments != wantSegments) {
				t.Errorf("batches %d, segments %d; want %d, %d", s.GSOBatches, s.GSOSegments, wantBatches, wantSegments)
			}
		}
	}
}

func TestSendErrorsAreSkipped(t *testing.T) {
	a, b := listen(t, Config{}), listen(t, Config{})
	to := netip.AddrPortFrom(loop4, b.Port())
	n, err := a.SendBatch([]Message{
		{Buf: []byte("first"), Remote: to},
		{Buf: []byte("no address")},
		{Buf: []byte("IPv6 on an IPv4 socket"), Remote: netip.AddrPortFrom(loop6, b.Port())},
		{Buf: make([]byte, 70000), Remote: to},
		{Buf: []byte("last"), Remote: to},
	})
	if n != 2 || err != nil {
		t.Errorf("SendBatch = %d, %v, want 2", n, err)
	}
	got := receive(t, b, 2)
	if payload(got[0]) != "first" || payload(got[1]) != "last" {
		t.Errorf("got %q, %q", payload(got[0]), payload(got[1]))
	}
	if s := a.Stats(); s.SendErrors != 3 || s.DatagramsOut != 2 {
		t.Errorf("stats = %+v", s)
	}
}

// waiting are the ways to wait.
var waiting = []Config{{}, {Loop: true}}

func TestDeadline(t *testing.T) {
	for _, cfg := range waiting {
		deadlines(t, listen(t, cfg))
	}
}

func deadlines(t *testing.T, c *Conn) {
	ms := buffers(4, 100)
	for _, d := range []time.Duration{-time.Hour, 0, time.Millisecond, 20 * time.Millisecond} {
		deadline := time.Now().Add(d)
		n, err := c.RecvBatch(ms, deadline)
		if n != 0 || err != nil || time.Now().Before(deadline) {
			t.Errorf("deadline in %v: %d, %v, early %v", d, n, err, time.Now().Before(deadline))
		}
	}
	// A deadline that has passed does not stick.
	send(t, c, Message{Buf: []byte("x"), Remote: netip.AddrPortFrom(loop4, c.Port())})
	if n, err := c.RecvBatch(ms, time.Time{}); n != 1 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

func TestWakeBeforeWait(t *testing.T) {
	for _, cfg := range waiting {
		c := listen(t, cfg)
		c.Wake()
		c.Wake()
		if n, err := c.RecvBatch(buffers(1, 10), time.Time{}); n != 0 || err != nil {
			t.Errorf("woken RecvBatch = %d, %v", n, err)
		}
		deadline := time.Now().Add(10 * time.Millisecond)
		if n, err := c.RecvBatch(buffers(1, 10), deadline); n != 0 || err != nil || time.Now().Before(deadline) {
			t.Errorf("two calls of Wake did not count as one: %d, %v", n, err)
		}
	}
}

// A mailbox as the engine has it: whoever posts wakes the loop, and nothing
// posted may lie there while the loop sleeps.
func TestWakeRaces(t *testing.T) {
	for _, cfg := range waiting {
		for _, interval := range []time.Duration{0, time.Hour} {
			c := listen(t, cfg)
			c.Moderate(interval)
			wakeRaces(t, c)
		}
	}
}

func wakeRaces(t *testing.T, c *Conn) {
	const posters, posts = 4, 3000
	var posted, seen atomic.Int64
	progress := make(chan struct{}, 1)
	done := make(chan error, 1)
	go func() {
		ms := buffers(4, 100)
		for i := 0; seen.Load() < posters*posts; i++ {
			deadline := time.Time{}
			if i%3 == 0 { // far away: it must not be what ends the wait
				deadline = time.Now().Add(time.Hour)
			}
			if _, err := c.RecvBatch(ms, deadline); err != nil {
				done <- err
				return
			}
			seen.Store(posted.Load())
			select {
			case progress <- struct{}{}:
			default:
			}
		}
		done <- nil
	}()
	var wg sync.WaitGroup
	for p := range posters {
		wg.Go(func() {
			to := netip.AddrPortFrom(loop4, c.Port())
			for i := range posts {
				mine := posted.Add(1)
				c.Wake()
				if p == 0 && i%16 == 0 {
					if _, err := c.SendBatch([]Message{{Buf: []byte("x"), Remote: to}}); err != nil {
						t.Error(err)
					}
				}
				for i%8 == 0 && seen.Load() < mine {
					select {
					case <-progress:
					case <-time.After(waittest.Patience):
						t.Error("lost wake-up")
						return
					}
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		c.Close()
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestCloseWhileWaiting(t *testing.T) {
	for i := range 20 {
		c := listen(t, waiting[i%len(waiting)])
		started := make(chan struct{})
		done := make(chan error)
		go func() {
			ms := buffers(1, 10)
			close(started)
			_, err := c.RecvBatch(ms, time.Time{})
			done <- err
		}()
		<-started
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Fatalf("RecvBatch = %v, want net.ErrClosed", err)
		}
		if _, err := c.RecvBatch(buffers(1, 10), time.Now().Add(time.Hour)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("RecvBatch after Close = %v", err)
		}
		to := netip.AddrPortFrom(loop4, 9)
		if _, err := c.SendBatch([]Message{{Buf: []byte("x"), Remote: to}}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SendBatch after Close = %v", err)
		}
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close = %v", err)
		}
		c.Wake() // does nothing
	}
}

// freeRange finds n neighbouring ports that are free, and takes them.
func freeRange(t *testing.T, n int) (low uint16, taken []*Conn) {
	t.Helper()
	for range 100 {
		first := listen(t, Config{})
		taken = append(taken[:0], first)
		for len(taken) < n && int(first.Port())+len(taken) <= 65535 {
			p := first.Port() + uint16(len(taken))
			c, err := Listen(Config{PortMin: p, PortMax: p})
			if err != nil {
				break
			}
			t.Cleanup(func() { c.Close() })
			taken = append(taken, c)
		}
		if len(taken) == n {
			return first.Port(), taken
		}
		for _, c := range taken {
			c.Close()
		}
	}
	t.Fatal("no free range of ports")
	return 0, nil
}

func TestPortRange(t *testing.T) {
	low, taken := freeRange(t, 4)
	cfg := Config{PortMin: low, PortMax: low + 3}
	_, err := Listen(cfg)
	if !errors.Is(err, ErrNoPort) || !strings.Contains(err.Error(), "no free UDP port in") {
		t.Errorf("full range: %v", err)
	}
	for i, c := range taken {
		c.Close()
		got := listen(t, cfg)
		if got.Port() != low+uint16(i) {
			t.Errorf("port %d taken, want the only free one, %d", got.Port(), low+uint16(i))
		}
	}
}

func TestListenErrors(t *testing.T) {
	tests := []struct {
		cfg  Config
		want string
	}{
		{Config{PortMin: 20, PortMax: 10}, "port range 20-10 is empty"},
		{Config{DSCP: 64}, "DSCP 64 is not in 0..63"},
		{Config{DSCP: -1}, "DSCP -1 is not in 0..63"},
		{Config{Addr: netip.MustParseAddr("198.51.100.7")}, "198.51.100.7"},
	}
	for _, tt := range tests {
		c, err := Listen(tt.cfg)
		if err == nil {
			c.Close()
			t.Errorf("%+v: no error", tt.cfg)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q in it", tt.cfg, err, tt.want)
		}
	}
}

// A closed port answers with ICMP, which is none of the receiver's business.
func TestICMPErrorsAreSwallowed(t *testing.T) {
	c, gone := listen(t, Config{}), listen(t, Config{})
	to := netip.AddrPortFrom(loop4, gone.Port())
	gone.Close()
	for range 5 {
		if _, err := c.SendBatch([]Message{{Buf: []byte("x"), Remote: to}}); err != nil {
			t.Fatal(err)
		}
		if n, err := c.RecvBatch(buffers(1, 10), time.Now().Add(5*time.Millisecond)); n != 0 || err != nil {
			t.Fatalf("RecvBatch = %d, %v", n, err)
		}
	}
}

func TestInterfaces(t *testing.T) {
	list, err := Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var loopback bool
	for _, h := range list {
		if h.Interface == "" || !h.Addr.IsValid() || h.Addr.Is4In6() {
			t.Errorf("%+v", h)
		}
		if h.Loopback != h.Addr.IsLoopback() && h.Addr.IsLoopback() {
			t.Errorf("%+v: loopback address off the loopback interface", h)
		}
		if h.Addr.Is6() && h.Addr.IsLinkLocalUnicast() && h.Addr.Zone() != h.Interface {
			t.Errorf("%+v: no zone", h)
		}
		loopback = loopback || h.Addr == loop4 && h.Loopback
	}
	if !loopback {
		t.Errorf("127.0.0.1 is missing in %+v", list)
	}
}

func TestGSOBroken(t *testing.T) {
	tests := []struct {
		release string
		want    bool
	}{
		{"6.18.44-fc-v595", false},
		{"6.1.0-28-amd64", false},
		{"6.99", false},
		{"7.0", true},
		{"7.0.0", true},
		{"7.0-rc3", true},
		{"7.0.12-arch1-1", true},
		{"7.0.99", true},
		{"7.1", true},
		{"7.1.0-200.fc45.x86_64", true},
		{"7.1.4", true},
		{"7.1.4+", true},
		{"7.1.5", false},
		{"7.1.14", false},
		{"7.2.0", false},
		{"7.10.1", false},
		{"70.0.1", false},
		{"17.0.1", false},
		{"8.0.0", false},
		{"7", false},
		{"", false},
		{"7.x", false},
		{"unknown", false},
		{"7.99999999999999999999", false},
	}
	for _, tt := range tests {
		if got := gsoBroken(tt.release); got != tt.want {
			t.Errorf("gsoBroken(%q) = %v", tt.release, got)
		}
	}
}
