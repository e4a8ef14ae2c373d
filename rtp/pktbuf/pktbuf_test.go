package pktbuf

import (
	"runtime"
	"sync"
	"testing"
	"unsafe"
)

func TestGetRelease(t *testing.T) {
	p := NewPool(3)
	var got []*Buf
	for range 3 {
		b := p.Get()
		if b == nil || len(b.B) != Size || cap(b.B) != Size || b.N != 0 {
			t.Fatalf("buffer %+v", b)
		}
		if uintptr(unsafe.Pointer(&b.B[0]))%Align != 0 {
			t.Fatalf("buffer at %p is not aligned", &b.B[0])
		}
		got = append(got, b)
	}
	if p.Get() != nil {
		t.Fatal("more buffers than the limit")
	}
	if p.Outstanding() != 3 || p.Limit() != 3 {
		t.Errorf("outstanding %d of %d", p.Outstanding(), p.Limit())
	}
	got[1].N = 77
	if len(got[1].Bytes()) != 77 {
		t.Errorf("packet of %d bytes", len(got[1].Bytes()))
	}
	got[1].Release()
	if b := p.Get(); b != got[1] || b.N != 0 {
		t.Error("released buffer not handed out afresh")
	}
	for _, b := range got {
		b.Release()
	}
	if p.Outstanding() != 0 {
		t.Errorf("outstanding %d", p.Outstanding())
	}
}

func TestReferences(t *testing.T) {
	p := NewPool(1)
	b := p.Get()
	if b.Shared() || b.Retain() != b || !b.Shared() {
		t.Error("Shared does not tell")
	}
	b.Release()
	if p.Outstanding() != 1 || p.Get() != nil {
		t.Fatal("buffer came back while referenced")
	}
	b.Release()
	if p.Outstanding() != 0 {
		t.Error("buffer did not come back")
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func TestMisusePanics(t *testing.T) {
	b := NewPool(1).Get()
	b.Release()
	if !panics(b.Release) {
		t.Error("double release went through")
	}
	b = NewPool(1).Get()
	b.Release()
	if !panics(func() { b.Retain() }) {
		t.Error("retain after release went through")
	}
}

// No two buffers share a byte, over several arenas.
func TestBuffersAreDisjoint(t *testing.T) {
	const n = 2*arenaSlots + 100
	p := NewPool(n)
	bufs := make([]*Buf, n)
	for i := range bufs {
		bufs[i] = p.Get()
		for j := range bufs[i].B {
			bufs[i].B[j] = byte(i)
		}
	}
	for i, b := range bufs {
		for _, v := range b.B {
			if v != byte(i) {
				t.Fatalf("buffer %d was overwritten", i)
			}
		}
		b.Release()
	}
	if p.Outstanding() != 0 {
		t.Errorf("outstanding %d", p.Outstanding())
	}
}

// A block is free when its owner and all of its packets have released it, whoever is last.
func TestBlock(t *testing.T) {
	const n = 100
	free := make(chan struct{}, 1)
	k := &Block{Free: func() { free <- struct{}{} }}
	mem := make([]byte, n)
	bufs := make([]Buf, n)
	for range 3 {
		k.Hold()
		var wg sync.WaitGroup
		for i := range bufs {
			k.Lend(&bufs[i], mem[i:i+1:i+1], 1)
			b := bufs[i].Retain()
			if !b.Shared() || len(b.Bytes()) != 1 {
				t.Fatal("not a packet with two references")
			}
			for range 2 {
				wg.Go(b.Release)
			}
		}
		if wg.Wait(); len(free) != 0 {
			t.Fatal("free while it is held")
		}
		k.Lend(&bufs[0], mem, n)
		if k.Release(); len(free) != 0 {
			t.Fatal("free while a packet is in use")
		}
		bufs[0].Release()
		<-free
		if !panics(k.Release) || !panics(bufs[0].Release) {
			t.Fatal("released more often than held")
		}
	}
}

func TestZeroLimit(t *testing.T) {
	for _, limit := range []int{0, -1} {
		if p := NewPool(limit); p.Get() != nil || p.Outstanding() != 0 {
			t.Errorf("limit %d hands out a buffer", limit)
		}
	}
}

// The owner hands each packet to several goroutines, which release it in any
// order while the owner goes on.
func TestReleaseElsewhere(t *testing.T) {
	const readers, packets, limit = 4, 20000, 64
	p := NewPool(limit)
	var wg sync.WaitGroup
	queues := make([]chan *Buf, readers)
	for i := range queues {
		queues[i] = make(chan *Buf, 16)
		wg.Go(func() {
			for b := range queues[i] {
				if b.B[0] != b.B[b.N-1] {
					t.Error("packet changed while held")
				}
				b.Release()
			}
		})
	}
	for i := range packets {
		b := p.Get()
		for b == nil {
			runtime.Gosched()
			b = p.Get()
		}
		b.N = 100
		b.B[0], b.B[99] = byte(i), byte(i)
		for _, q := range queues {
			q <- b.Retain()
		}
		b.Release()
	}
	for _, q := range queues {
		close(q)
	}
	wg.Wait()
	if p.Outstanding() != 0 {
		t.Errorf("outstanding %d", p.Outstanding())
	}
}

func TestNoAllocations(t *testing.T) {
	p := NewPool(1000)
	p.Grow(1000)
	var held [600]*Buf
	n := testing.AllocsPerRun(100, func() {
		for i := range held {
			held[i] = p.Get()
			held[i].Retain()
		}
		for _, b := range held {
			b.Release()
			b.Release()
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	empty := NewPool(0)
	if n := testing.AllocsPerRun(100, func() { empty.Get() }); n != 0 {
		t.Errorf("%v allocations when exhausted", n)
	}
}

func BenchmarkGetRelease(b *testing.B) {
	p := NewPool(1)
	for b.Loop() {
		p.Get().Release()
	}
}

func BenchmarkBatch(b *testing.B) {
	p := NewPool(64)
	var held [64]*Buf
	for b.Loop() {
		for i := range held {
			held[i] = p.Get()
		}
		for _, h := range held {
			h.Release()
		}
	}
}
