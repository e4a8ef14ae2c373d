//go:build linux && !netio_portable

package netio

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bifrons/rtp/waittest"
)

// Replies leave from the address that the request was sent to.
func TestPacketInfo(t *testing.T) {
	tests := []struct {
		name  string
		cfg   Config
		local string
	}{
		{"IPv4", Config{}, "127.0.0.2"},
		{"IPv4", Config{}, "127.0.0.3"},
		{"IPv4 on a dual-stack socket", Config{IPv6: true}, "127.0.0.2"},
		{"IPv4 on a dual-stack socket", Config{IPv6: true}, "127.0.0.3"},
		{"IPv6", Config{IPv6: true}, "::1"},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.local, func(t *testing.T) {
			if tt.cfg.IPv6 {
				needIPv6(t)
			}
			local := netip.MustParseAddr(tt.local)
			server, client := listen(t, tt.cfg), listen(t, tt.cfg)
			send(t, client, Message{Buf: []byte("ping"), Remote: netip.AddrPortFrom(local, server.Port())})
			m := receive(t, server, 1)[0]
			if m.Local != local {
				t.Fatalf("Local = %v, want %v", m.Local, local)
			}
			for _, segment := range []int{0, 2} {
				n := 1
				if segment > 0 {
					n = 2
				}
				send(t, server, Message{Buf: []byte("pong"), Segment: segment, Remote: m.Remote, Local: m.Local})
				for _, r := range receive(t, client, n) {
					if want := netip.AddrPortFrom(local, server.Port()); r.Remote != want {
						t.Errorf("reply came from %v, want %v", r.Remote, want)
					}
				}
			}
		})
	}
}

// A link-local address means nothing without its interface.
func TestLinkLocal(t *testing.T) {
	needIPv6(t)
	list, err := Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range list {
		if !h.Addr.Is6() || !h.Addr.IsLinkLocalUnicast() {
			continue
		}
		a, b := listen(t, Config{IPv6: true}), listen(t, Config{IPv6: true})
		send(t, a, Message{Buf: []byte("x"), Remote: netip.AddrPortFrom(h.Addr, b.Port()), Local: h.Addr})
		m := receive(t, b, 1)[0]
		if m.Remote != netip.AddrPortFrom(h.Addr, a.Port()) || m.Local != h.Addr {
			t.Errorf("%v: Remote %v, Local %v", h.Addr, m.Remote, m.Local)
		}
		send(t, b, Message{Buf: []byte("y"), Remote: m.Remote, Local: m.Local})
		receive(t, a, 1)
		return
	}
	t.Skip("no link-local address here")
}

func TestDSCP(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		if ipv6 {
			needIPv6(t)
		}
		c := listen(t, Config{IPv6: ipv6, DSCP: 46})
		options := map[int]int{unix.SOL_IP: unix.IP_TOS}
		if ipv6 {
			options[unix.SOL_IPV6] = unix.IPV6_TCLASS
		}
		for level, name := range options {
			var got int
			var err error
			c.raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), level, name) })
			if err != nil || got != 46<<2 {
				t.Errorf("ipv6=%v level %d: TOS = %#x, %v; want %#x", ipv6, level, got, err, 46<<2)
			}
		}
	}
}

// fail makes the system call refuse what begins with a header that bad names.
func fail(c *Conn, bad func(h *mmsghdr) unix.Errno) {
	real := c.sendmmsg
	c.sendmmsg = func(fd uintptr, hdrs []mmsghdr) (int, unix.Errno) {
		for i := range hdrs {
			errno := bad(&hdrs[i])
			switch {
			case errno != 0 && i == 0:
				return 0, errno
			case errno != 0:
				return real(fd, hdrs[:i])
			}
		}
		return real(fd, hdrs)
	}
}

// isGSO reports whether a header asks the kernel to cut.
func isGSO(h *mmsghdr) bool {
	return h.hdr.Control != nil && int(h.hdr.Controllen)%unix.CmsgSpace(unix.SizeofInet4Pktinfo) == unix.CmsgSpace(2)
}

// TestLargeDatagrams: those that not every link carries may be cut on the way, others may not.
func TestLargeDatagrams(t *testing.T) {
	a, b := listen(t, Config{}), listen(t, Config{})
	to := netip.AddrPortFrom(loop4, b.Port())
	small := Message{Buf: make([]byte, safeSegment), Remote: to}
	large := Message{Buf: make([]byte, safeSegment+1), Remote: to}
	run := Message{Buf: make([]byte, 3*safeSegment), Segment: safeSegment, Remote: to}
	for _, c := range []struct {
		send []Message
		want int
	}{
		{[]Message{small}, unix.IP_PMTUDISC_PROBE},
		{[]Message{small, run}, unix.IP_PMTUDISC_PROBE},
		{[]Message{small, large, run}, unix.IP_PMTUDISC_OMIT},
		{[]Message{large}, unix.IP_PMTUDISC_OMIT},
		{[]Message{run}, unix.IP_PMTUDISC_PROBE},
	} {
		n := 0
		for i := range c.send {
			n += c.send[i].segments()
		}
		send(t, a, c.send...)
		receive(t, b, n)
		got := 0
		if err := a.raw.Control(func(fd uintptr) {
			got, _ = unix.GetsockoptInt(int(fd), unix.SOL_IP, unix.IP_MTU_DISCOVER)
		}); err != nil || got != c.want {
			t.Errorf("after %d datagrams: IP_MTU_DISCOVER is %d, %v, want %d", n, got, err, c.want)
		}
	}
	// An interface with a lower MTU takes what may be cut.
	real, refused := a.sendmmsg, 0
	a.sendmmsg = func(fd uintptr, hdrs []mmsghdr) (int, unix.Errno) {
		if got, _ := unix.GetsockoptInt(int(fd), unix.SOL_IP, unix.IP_MTU_DISCOVER); got != unix.IP_PMTUDISC_OMIT {
			refused++
			return 0, unix.EMSGSIZE
		}
		return real(fd, hdrs)
	}
	send(t, a, run, small)
	send(t, a, small)
	receive(t, b, 5)
	if s := a.Stats(); refused != 1 || s.SendErrors != 0 || !a.GSO() {
		t.Errorf("refused %d times, GSO %v, %+v", refused, a.GSO(), s)
	}
}

func TestGSOFallback(t *testing.T) {
	tests := []struct {
		errno   unix.Errno
		segment int
		off     bool
	}{
		{unix.EIO, 1000, true},
		{unix.EINVAL, 1000, true},
		{unix.ENOPROTOOPT, 1000, true},
		{unix.EOPNOTSUPP, 1000, true},
		{unix.EIO, 1400, true},
		{unix.EINVAL, 1400, false}, // may be that interface's MTU
		{unix.EMSGSIZE, 1000, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.errno, tt.segment), func(t *testing.T) {
			a, b := listen(t, Config{}), listen(t, Config{})
			if !a.GSO() {
				t.Skip("no GSO here")
			}
			fail(a, func(h *mmsghdr) unix.Errno {
				if isGSO(h) {
					return tt.errno
				}
				return 0
			})
			to := netip.AddrPortFrom(loop4, b.Port())
			const n = 45
			run := make([]byte, n*tt.segment-10)
			send(t, a,
				Message{Buf: []byte("before"), Remote: to},
				Message{Buf: run, Segment: tt.segment, Remote: to},
				Message{Buf: run[:2*tt.segment], Segment: tt.segment, Remote: to},
				Message{Buf: []byte("after"), Remote: to})
			got := receive(t, b, n+4)
			if payload(got[0]) != "before" || payload(got[n+3]) != "after" {
				t.Error("datagrams are out of order")
			}
			fallbacks := uint64(2)
			if tt.off {
				fallbacks = 1
			}
			s := a.Stats()
			if s.GSOFallbacks != fallbacks || s.SendErrors != 0 || s.DatagramsOut != uint64(n+4) || s.GSOBatches != 0 {
				t.Errorf("stats = %+v", s)
			}
			if a.GSO() == tt.off {
				t.Errorf("GSO() = %v", a.GSO())
			}
		})
	}
}

// A message can be refused with EINVAL for reasons of its own, such as a
// source address that is gone. That must not cost the others their GSO.
func TestGSOStaysOnForBadMessages(t *testing.T) {
	a, b := listen(t, Config{}), listen(t, Config{})
	if !a.GSO() {
		t.Skip("no GSO here")
	}
	bad := make([]byte, 300)
	fail(a, func(h *mmsghdr) unix.Errno {
		if base := uintptr(ptr(h.hdr.Iov.Base)) - uintptr(ptr(&bad[0])); base < 300 {
			return unix.EINVAL
		}
		return 0
	})
	to := netip.AddrPortFrom(loop4, b.Port())
	n, err := a.SendBatch([]Message{
		{Buf: bad, Segment: 100, Remote: to, Local: loop4},
		{Buf: make([]byte, 300), Segment: 100, Remote: to, Local: loop4},
	})
	if n != 1 || err != nil {
		t.Errorf("SendBatch = %d, %v", n, err)
	}
	receive(t, b, 3)
	s := a.Stats()
	if !a.GSO() || s.SendErrors != 3 || s.GSOFallbacks != 1 || s.GSOBatches != 1 {
		t.Errorf("GSO %v, stats %+v", a.GSO(), s)
	}
}

func TestPerMessageErrors(t *testing.T) {
	a, b := listen(t, Config{}), listen(t, Config{})
	to := netip.AddrPortFrom(loop4, b.Port())
	fail(a, func(h *mmsghdr) unix.Errno {
		switch *h.hdr.Iov.Base {
		case 'p':
			return unix.EPERM
		case 'u':
			return unix.ENETUNREACH
		case 'b':
			return unix.ENOBUFS
		}
		return 0
	})
	var ms []Message
	for _, s := range []string{"p", "1", "u", "b", "2", "p"} {
		ms = append(ms, Message{Buf: []byte(s), Remote: to})
	}
	if n, err := a.SendBatch(ms); n != 2 || err != nil {
		t.Errorf("SendBatch = %d, %v", n, err)
	}
	got := receive(t, b, 2)
	if payload(got[0]) != "1" || payload(got[1]) != "2" {
		t.Errorf("got %q, %q", payload(got[0]), payload(got[1]))
	}
	if s := a.Stats(); s.SendErrors != 4 || s.DatagramsOut != 2 {
		t.Errorf("stats = %+v", s)
	}
}

func TestSendBufferFull(t *testing.T) {
	a, b := listen(t, Config{DisableGSO: true}), listen(t, Config{})
	to := netip.AddrPortFrom(loop4, b.Port())
	real := a.sendmmsg

	// Never any room: what was not sent is counted, in datagrams.
	calls := 0
	a.sendmmsg = func(fd uintptr, hdrs []mmsghdr) (int, unix.Errno) {
		if calls++; calls == 1 {
			return real(fd, hdrs[:3])
		}
		return 0, unix.EAGAIN
	}
	n, err := a.SendBatch([]Message{
		{Buf: []byte("x"), Remote: to},
		{Buf: make([]byte, 100), Segment: 1, Remote: to}, // two of these go out
		{Buf: make([]byte, 35), Segment: 10, Remote: to},
	})
	if n != 1 || err != nil {
		t.Errorf("SendBatch = %d, %v, want 1", n, err)
	}
	receive(t, b, 3)
	if s := a.Stats(); s.SendDrops != 98+4 || s.DatagramsOut != 3 {
		t.Errorf("stats = %+v, want 102 drops", s)
	}

	// Room again within the time: nothing is lost.
	a.tx.patience = time.Minute
	calls = 0
	a.sendmmsg = func(fd uintptr, hdrs []mmsghdr) (int, unix.Errno) {
		if calls++; calls == 1 {
			return 0, unix.EAGAIN
		}
		return real(fd, hdrs)
	}
	send(t, a, Message{Buf: []byte("y"), Remote: to}, Message{Buf: []byte("z"), Remote: to})
	receive(t, b, 2)
	if s := a.Stats(); s.SendDrops != 102 {
		t.Errorf("SendDrops = %d, want 102 as before", s.SendDrops)
	}
}

func TestKernelDrops(t *testing.T) {
	a, b := listen(t, Config{}), listen(t, Config{RecvBuffer: 4096})
	to := netip.AddrPortFrom(loop4, b.Port())
	const n = 200
	for range n {
		send(t, a, Message{Buf: make([]byte, 1000), Remote: to})
	}
	ms := buffers(n, 1000)
	got, err := b.RecvBatch(ms, time.Now().Add(waittest.Patience))
	if err != nil || got == 0 || got == n {
		t.Fatalf("RecvBatch = %d, %v", got, err)
	}
	// The count comes with the next datagram that finds room.
	send(t, a, Message{Buf: make([]byte, 1000), Remote: to})
	receive(t, b, 1)
	if d := b.Stats().KernelDrops; d != uint64(n-got) {
		t.Errorf("KernelDrops = %d, want %d", d, n-got)
	}
}

func TestNoAllocations(t *testing.T) {
	for _, cfg := range []Config{{}, {IPv6: true}, {Loop: true}} {
		a, b := listen(t, cfg), listen(t, cfg)
		to := netip.AddrPortFrom(loop4, b.Port())
		nowhere := netip.AddrPortFrom(loop6, b.Port())
		run := make([]byte, 3600)
		out := []Message{
			{Buf: []byte("x"), Remote: to, Local: loop4},
			{Buf: run, Segment: 1200, Remote: to, Local: loop4},
			{Buf: run[:1200], Remote: to},
			{Buf: run, Remote: nowhere, Local: netip.IPv6Unspecified()},
			{Buf: run, Segment: 1200, Remote: to, Local: netip.AddrFrom4([4]byte{198, 51, 100, 7})},
		}
		in := buffers(16, 2048)
		check := func(name string, f func()) {
			t.Helper()
			if n := testing.AllocsPerRun(50, f); n != 0 {
				t.Errorf("%+v: %s: %v allocations", cfg, name, n)
			}
		}
		check("send and receive", func() {
			if _, err := a.SendBatch(out); err != nil {
				t.Fatal(err)
			}
			for n := 0; n < 5; {
				k, err := b.RecvBatch(in, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				n += k
			}
		})
		check("deadline", func() {
			if _, err := b.RecvBatch(in, time.Now().Add(time.Millisecond)); err != nil {
				t.Fatal(err)
			}
		})
		check("deadline passed", func() { b.RecvBatch(in, past) })
		check("wake", func() { b.Wake(); b.RecvBatch(in, time.Time{}) })

		real := a.sendmmsg
		full := true
		a.sendmmsg = func(fd uintptr, hdrs []mmsghdr) (int, unix.Errno) {
			if full {
				return 0, unix.EAGAIN
			}
			return real(fd, hdrs)
		}
		check("send buffer full", func() { a.SendBatch(out[:1]) })
		a.Close()
		b.Close()
		check("closed", func() { a.SendBatch(out); b.RecvBatch(in, time.Time{}) })
	}
}

// TestGRO receives a run of datagrams as it was sent.
func TestGRO(t *testing.T) {
	for _, cfg := range []Config{{GRO: true}, {GRO: true, IPv6: true}} {
		a, b := listen(t, Config{}), listen(t, cfg)
		if !a.GSO() {
			t.Skip("no GSO here")
		}
		run := bytes.Repeat([]byte("0123456789"), 35) // three datagrams of 100 and one of 50
		to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), b.Port())
		send(t, a, Message{Buf: run, Segment: 100, Remote: to}, Message{Buf: []byte("single"), Remote: to})
		ms := buffers(4, MaxSegmentedBytes)
		ms[1].Segment = 7 // of an earlier use
		n := 0
		for n < 2 {
			k, err := b.RecvBatch(ms[n:], time.Now().Add(waittest.Patience))
			if err != nil || k == 0 {
				t.Fatal(k, err)
			}
			n += k
		}
		if n != 2 || payload(ms[0]) != string(run) || ms[0].Segment != 100 || ms[0].Truncated || ms[0].Local != to.Addr() {
			t.Errorf("%d messages, the first has %d bytes in datagrams of %d to %v", n, ms[0].N, ms[0].Segment, ms[0].Local)
		}
		if payload(ms[1]) != "single" || ms[1].Segment != 0 {
			t.Errorf("%q in datagrams of %d", payload(ms[1]), ms[1].Segment)
		}
		if s := b.Stats(); s.DatagramsIn != 5 {
			t.Errorf("%d datagrams were counted", s.DatagramsIn)
		}
	}
}

func TestParseControlBounds(t *testing.T) {
	c := listen(t, Config{})
	for _, length := range []uint64{0, 1, 15, 16, 17, 27, 28, 128, 129, 1 << 40} {
		var b control
		b.header(0, unix.SOL_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		b[0] = length
		for n := range 200 {
			c.parseControl(&b, n)
		}
	}
}

func TestNoIPv6FallsBack(t *testing.T) {
	if err := net.ErrClosed; isNoFamily(err) || isNoFamily(nil) {
		t.Error("isNoFamily takes any error")
	}
	_, err := listenFamily(Config{}, 255, 0)
	if err == nil || !strings.Contains(err.Error(), ErrNoFamily.Error()) {
		t.Errorf("unknown family: %v", err)
	}
}

func benchmarkSend(b *testing.B, cfg Config, segments int) {
	a, sink := listen(b, cfg), listen(b, Config{RecvBuffer: 4096})
	to := netip.AddrPortFrom(loop4, sink.Port())
	const size, datagrams = 1200, 48
	ms := make([]Message, datagrams/segments)
	for i := range ms {
		ms[i] = Message{Buf: make([]byte, segments*size), Remote: to, Local: loop4}
		if segments > 1 {
			ms[i].Segment = size
		}
	}
	b.SetBytes(size)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += datagrams {
		if _, err := a.SendBatch(ms); err != nil {
			b.Fatal(err)
		}
	}
	runtime.KeepAlive(sink)
}

func BenchmarkSendBatch(b *testing.B)          { benchmarkSend(b, Config{}, 1) }
func BenchmarkSendBatchGSO4(b *testing.B)      { benchmarkSend(b, Config{}, 4) }
func BenchmarkSendBatchGSO12(b *testing.B)     { benchmarkSend(b, Config{}, 12) }
func BenchmarkSendBatchSplit12(b *testing.B)   { benchmarkSend(b, Config{DisableGSO: true}, 12) }
func BenchmarkSendBatchGSO12Dual(b *testing.B) { benchmarkSend(b, Config{IPv6: true}, 12) }

// BenchmarkRecvBatch receives bursts of datagrams; what it takes to send them is
// not counted.
func BenchmarkRecvBatch(b *testing.B) {
	for _, burst := range []int{1, 7, 64} {
		b.Run(strconv.Itoa(burst), func(b *testing.B) {
			from, to := listen(b, Config{}), listen(b, Config{})
			out := []Message{{Buf: make([]byte, burst*1000), Segment: 1000, Remote: netip.AddrPortFrom(loop4, to.Port())}}
			in := make([]Message, 128)
			for i := range in {
				in[i].Buf = make([]byte, 1500)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += burst {
				b.StopTimer()
				if _, err := from.SendBatch(out); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				for got := 0; got < burst; {
					k, err := to.RecvBatch(in, time.Time{})
					if err != nil {
						b.Fatal(err)
					}
					got += k
				}
			}
		})
	}
}

// TestRefusals tells who asked for it that nobody receives at an address, however many
// datagrams go there, and loses none of those that arrive elsewhere.
func TestRefusals(t *testing.T) {
	for _, ip := range []netip.Addr{loop4, netip.IPv6Loopback()} {
		cfg := Config{IPv6: ip.Is6(), Refusals: true, RecvBuffer: 1 << 16}
		if ip.Is6() {
			needIPv6(t)
		}
		c, gone, there := listen(t, cfg), listen(t, Config{Addr: ip}), listen(t, Config{Addr: ip})
		closed, open := netip.AddrPortFrom(ip, gone.Port()), netip.AddrPortFrom(ip, there.Port())
		gone.Close()
		refused := 0
		for i := range 1000 { // more than the buffer would hold
			send(t, c, Message{Buf: []byte("to nobody"), Remote: closed}, Message{Buf: []byte("x"), Remote: open})
			receive(t, there, 1)
			for refused < i-5 || i == 999 && refused < 1000 {
				for _, m := range receive(t, c, 1) {
					if !m.Refused || m.N != 0 || m.Remote != closed {
						t.Fatalf("got %+v", m)
					}
					refused++
				}
			}
		}
		send(t, there, Message{Buf: []byte("still there"), Remote: netip.AddrPortFrom(ip, c.Port())})
		if m := receive(t, c, 1)[0]; m.Refused || payload(m) != "still there" {
			t.Errorf("%v: got %+v", ip, m)
		}
		if s := c.Stats(); s.SendErrors != 0 {
			t.Errorf("%v: %d were not sent", ip, s.SendErrors)
		}
	}
}
