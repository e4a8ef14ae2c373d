package link

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"
)

var (
	one = netip.MustParseAddrPort("192.0.2.1:1")
	two = netip.MustParseAddrPort("192.0.2.2:2")
)

func TestOutbox(t *testing.T) {
	o := NewOutbox(20)
	if !o.Put(one, []byte("hello")) || !o.Put(two, nil) || !o.Put(one, []byte("world!!")) {
		t.Fatal("refused")
	}
	if o.Put(one, []byte("xx")) {
		t.Error("took more than its limit")
	}
	b, ok := o.Take()
	if !ok || !bytes.Equal(b.Framed, []byte("\x00\x05hello\x00\x00\x00\x07world!!")) {
		t.Errorf("took %q, %v", b.Framed, ok)
	}
	for _, want := range []struct {
		to netip.AddrPort
		s  string
	}{{one, "hello"}, {two, ""}, {one, "world!!"}} {
		if to, d := b.Next(); to != want.to || string(d) != want.s || d == nil {
			t.Errorf("next is %q to %v, want %v", d, to, want)
		}
	}
	if to, d := b.Next(); d != nil || to.IsValid() {
		t.Errorf("%q to %v at the end", d, to)
	}
	if !o.Put(two, []byte("last")) {
		t.Error("refused although there is room again")
	}
	o.Close()
	if o.Put(two, nil) {
		t.Error("a closed outbox takes")
	}
	b, ok = o.Take()
	if _, d := b.Next(); !ok || string(d) != "last" {
		t.Errorf("took %q, %v after Close", d, ok)
	}
	for range 2 {
		if _, ok := o.Take(); ok {
			t.Error("something came after the end")
		}
	}
}

// TestOutboxConcurrently: everything comes through in order, without memory for
// each datagram.
func TestOutboxConcurrently(t *testing.T) {
	o := NewOutbox(1 << 20)
	var wg sync.WaitGroup
	sum, count := 0, 0
	wg.Go(func() {
		for {
			b, ok := o.Take()
			if !ok {
				return
			}
			for _, d := b.Next(); d != nil; _, d = b.Next() {
				if int(d[0]) != count%256 {
					t.Errorf("datagram %d is %d", count, d[0])
				}
				sum += int(d[0])
				count++
			}
		}
	})
	for i := range 10000 {
		if !o.Put(one, []byte{byte(i)}) {
			t.Error("refused")
		}
	}
	o.Close()
	wg.Wait()
	if count != 10000 {
		t.Errorf("%d datagrams", count)
	}
}

func TestOutboxAllocatesNothing(t *testing.T) {
	o := NewOutbox(1 << 20)
	d := make([]byte, 1200)
	pass := func() {
		for range 20 {
			o.Put(one, d)
		}
		o.Take()
	}
	pass()
	pass()
	if n := testing.AllocsPerRun(100, pass); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
