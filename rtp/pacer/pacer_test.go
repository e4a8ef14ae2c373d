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
