//go:build linux && !netio_portable

package netio

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"bifrons/rtp/waittest"
)

// TestModerate: what comes is there at the end of an interval, or when the loop is woken,
// and tells when it came.
func TestModerate(t *testing.T) {
	for _, cfg := range []Config{{Loop: true}, {Loop: true, IPv6: true}} {
		a, b := listen(t, cfg), listen(t, cfg)
		out := Message{Buf: []byte("x"), Remote: netip.AddrPortFrom(loop4, b.Port())}

		b.Moderate(time.Hour)
		b.Wake() // is lost if the moderation forgets it
		if n, err := b.RecvBatch(buffers(4, 100), time.Time{}); n != 0 || err != nil {
			t.Fatalf("woken before: %d, %v", n, err)
		}
		ms := buffers(4, 100)
		returned := make(chan int, 1)
		go func() {
			n, _ := b.RecvBatch(ms, time.Time{})
			returned <- n
		}()
		for range 3 {
			send(t, a, out)
		}
		select {
		case n := <-returned:
			t.Fatalf("%d datagrams before the end of the interval", n)
		default:
		}
		sent := time.Now()
		b.Wake()
		for n := <-returned; n < 3; { // some may still be under way
			k, err := b.RecvBatch(ms[n:], sent.Add(-time.Second))
			if err != nil || time.Since(sent) > waittest.Patience {
				t.Fatalf("%d datagrams, %v", n, err)
			}
			n += k
		}
		for i, m := range ms[:3] {
			if payload(m) != "x" || m.Age <= 0 || m.Age > waittest.Patience || m.Local != loop4 {
				t.Errorf("datagram %d: %+v", i, m)
			}
		}

		b.Moderate(time.Millisecond)
		send(t, a, out)
		if m := receive(t, b, 1)[0]; m.Age <= 0 {
			t.Errorf("%+v", m)
		}
		if n, err := b.RecvBatch(ms, time.Now().Add(time.Hour)); n != 0 || err != nil {
			t.Errorf("an empty interval: %d, %v", n, err)
		}

		b.Moderate(time.Hour)
		send(t, a, out)
		b.Moderate(0) // what has come by now is not forgotten
		if m := receive(t, b, 1)[0]; m.Age != 0 {
			t.Errorf("%+v", m)
		}
		send(t, a, out)
		receive(t, b, 1)
	}
}

// TestModerateFull: what does not fit into one batch is there at once.
func TestModerateFull(t *testing.T) {
	a, b := listen(t, Config{}), listen(t, Config{Loop: true})
	b.Moderate(time.Hour)
	const datagrams = 9
	for range datagrams {
		send(t, a, Message{Buf: []byte("x"), Remote: netip.AddrPortFrom(loop4, b.Port())})
	}
	watch := time.AfterFunc(waittest.Patience, func() {
		t.Error("nothing comes")
		b.Close()
	})
	defer watch.Stop()
	ms := buffers(2, 100)
	b.Wake()
	for got := 0; got < datagrams; {
		n, err := b.RecvBatch(ms, time.Time{})
		if err != nil {
			t.Fatalf("%d, %v", got, err)
		}
		if got += n; n < len(ms) {
			b.Wake() // the rest may still be under way
		}
	}
}

// TestNotModerated: it has no effect on a socket that was not made for it.
func TestNotModerated(t *testing.T) {
	a, b := listen(t, Config{}), listen(t, Config{})
	b.Moderate(time.Hour)
	send(t, a, Message{Buf: []byte("x"), Remote: netip.AddrPortFrom(loop4, b.Port())})
	if m := receive(t, b, 1)[0]; m.Age != 0 {
		t.Errorf("%+v", m)
	}
}

func TestCloseWhileModerated(t *testing.T) {
	for range 20 {
		c := listen(t, Config{Loop: true})
		c.Moderate(time.Hour)
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
		c.Moderate(0)
		if _, err := c.RecvBatch(buffers(1, 10), time.Time{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("RecvBatch after Close = %v", err)
		}
	}
}

func TestModerateAllocations(t *testing.T) {
	a, b := listen(t, Config{}), listen(t, Config{Loop: true})
	b.Moderate(time.Millisecond)
	out := []Message{{Buf: []byte("x"), Remote: netip.AddrPortFrom(loop4, b.Port())}}
	in := buffers(4, 100)
	if n := testing.AllocsPerRun(50, func() {
		if _, err := a.SendBatch(out); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < 1; {
			k, err := b.RecvBatch(in, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			n += k
		}
		b.Wake()
		_, _ = b.RecvBatch(in, time.Time{})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
