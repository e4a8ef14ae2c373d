package pacer

import (
	"testing"
	"time"

	"bifrons/rtp/mono"
)

const t0 = mono.Time(time.Hour)

// drain takes everything at a rate and returns when each packet left.
func drain(p *Pacer, now mono.Time, rate uint64) (left []time.Duration) {
	begun := now
	for p.Waiting() > 0 {
		now = max(now, p.Next())
		for {
			if _, ok := p.Take(now, rate); !ok {
				break
			}
			left = append(left, now.Sub(begun))
		}
	}
	return left
}

// A frame leaves at the rate, after a burst, and in order.
func TestSpread(t *testing.T) {
	var p Pacer
	const rate, bytes = 8_000_000, 1000 // a packet in 1 ms
	passed := 0
	for i := range 20 {
		if p.Pass(t0, bytes, rate) {
			passed++
			continue
		}
		if !p.Put(Item{Seq: uint32(i), Bytes: bytes}) {
			t.Fatal("refused")
		}
	}
	if passed != 6 { // 5 ms, and the one that begins then
		t.Errorf("%d left at once", passed)
	}
	left := drain(&p, t0, rate)
	for i, d := range left {
		if want := time.Duration(i+1) * time.Millisecond; d != want {
			t.Errorf("packet %d left after %v, want %v", i, d, want)
		}
	}
	if len(left) != 14 {
		t.Errorf("%d packets left", len(left))
	}
}

// What would take longer leaves faster.
func TestNeverLong(t *testing.T) {
	for _, n := range []int{2, 10, 100, size} {
		var p Pacer
		for i := range n {
			p.Put(Item{Seq: uint32(i), Bytes: 1200})
		}
		left := drain(&p, t0, 300_000)
		if last := left[len(left)-1]; last > Spread || n > 10 && last < Spread/2 {
			t.Errorf("the last of %d left after %v", n, last)
		}
	}
}

// A large frame leaves at the rate of the line but for a burst, and others go on beside it: the
// sum is that rate.
func TestLarge(t *testing.T) {
	const rate, bytes, n = 800_000, 1000, 50 // a packet in 10 ms
	for _, others := range []int{0, 1} {     // in 20 ms
		var p Pacer
		for i := range n {
			if !p.PutLarge(t0, Item{Seq: uint32(i), Stream: 1, Bytes: bytes}, rate) {
				t.Fatal("refused")
			}
		}
		var order uint32
		var last time.Duration
		for now := t0; p.Waiting() > 0; now = now.Add(time.Millisecond) {
			if now.Sub(t0)%(20*time.Millisecond) == 0 && others > 0 && !p.Pass(now, bytes, 10*rate) {
				t.Error("another stream has to wait")
			}
			for {
				it, ok := p.Take(now, 10*rate)
				if !ok {
					break
				}
				if it.Seq != order {
					t.Fatalf("%d instead of %d", it.Seq, order)
				}
				order++
				last = now.Sub(t0)
			}
		}
		want := time.Duration(n*bytes*8)*time.Second/rate - LargeBurst
		if others > 0 {
			want *= 2
		}
		if d := (last - want).Abs(); d > 30*time.Millisecond {
			t.Errorf("%d others: the last left after %v, want %v", others, last, want)
		}
	}
	var p Pacer
	for i := range largeSize {
		p.PutLarge(t0, Item{Seq: uint32(i), Bytes: 1200}, rate)
	}
	if p.PutLarge(t0, Item{}, rate) {
		t.Error("took one too many")
	}
	if left := drain(&p, t0, 100*rate); left[len(left)-1] > LargeSpread {
		t.Errorf("the last left after %v", left[len(left)-1])
	}
}

// Packets of a stream that are given up hold up nobody.
func TestForget(t *testing.T) {
	var p Pacer
	for i := range 100 {
		p.Put(Item{Seq: uint32(i), Stream: uint16(i % 2), Bytes: 1000})
		p.PutLarge(t0, Item{Seq: uint32(i), Stream: uint16(i % 2), Bytes: 1000}, 300_000)
	}
	p.Forget(0)
	if p.Waiting() != 100 || p.Large() != 50 {
		t.Errorf("%d wait, %d of large frames", p.Waiting(), p.Large())
	}
	if it, ok := p.Take(t0, 1_000_000); !ok || it.Stream != 1 || it.Seq != 1 {
		t.Errorf("%+v, %v", it, ok)
	}
	p.Forget(1)
	if now := max(t0, p.Next()); p.Waiting() != 0 || !p.Pass(now, 1000, 1_000_000) {
		t.Errorf("%d wait", p.Waiting())
	}
	p.Put(Item{Bytes: 1000})
	if left := drain(&p, t0+mono.Time(time.Second), 8_000); left[0] != 0 {
		t.Errorf("left after %v", left[0])
	}
}

func TestFull(t *testing.T) {
	var p Pacer
	for i := range size {
		if !p.Put(Item{Seq: uint32(i), Bytes: 1000}) {
			t.Fatalf("refused after %d", i)
		}
	}
	if p.Put(Item{}) {
		t.Error("took one too many")
	}
	for i, now := 0, t0; p.Waiting() > 0; now += mono.Time(time.Second) {
		for {
			it, ok := p.Take(now, 1e6)
			if !ok {
				break
			}
			if it.Seq != uint32(i) {
				t.Fatalf("number %d in place %d", it.Seq, i)
			}
			i++
		}
	}
	if p.bytes != 0 {
		t.Errorf("%d bytes are left", p.bytes)
	}
}

func TestNoAllocations(t *testing.T) {
	var p Pacer
	p.Put(Item{})
	now := t0
	if n := testing.AllocsPerRun(100, func() {
		for i := range 10 {
			p.Put(Item{Seq: uint32(i), Bytes: 1200})
		}
		for range 10 {
			now = max(now, p.Next())
			p.Take(now, 1e6)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
