package bwe

import (
	"math/rand/v2"
	"testing"
	"time"

	"bifrons/rtp/rtcp"
	"bifrons/rtp/twcc"
)

// TestTWCC: what a receiver reports comes back with full numbers and times to the
// tick, over wraps of both counters.
func TestTWCC(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var a Adapter
	var rx twcc.Receiver
	dst := make([]Result, 0, maxStatuses)
	arrived := map[uint64]time.Duration{}
	now, n := t0, uint64(60000)
	var first, origin time.Duration
	for range 2000 {
		clear(arrived)
		for range 1 + r.IntN(200) {
			n++
			now = now.Add(time.Duration(r.IntN(2_000_000)))
			if r.IntN(5) > 0 {
				rx.Arrive(now, uint16(n))
				arrived[n] = time.Duration(now)
			}
		}
		if r.IntN(20) == 0 {
			now = now.Add(time.Duration(r.IntN(1000)) * time.Second) // 2^24 of 64 ms are 12 days
		}
		var buf [8 * twcc.MaxFeedbackLen]byte
		got := dst[:0]
		for it := rtcp.Parse(rx.Append(buf[:0], rtcp.Ends{Sender: 1, Media: 2})); it.Next(); {
			f, _ := it.Feedback()
			m, ok := f.TWCC()
			if !ok {
				t.Fatal("no feedback")
			}
			got = a.TWCC(got, &m, n)
		}
		for _, x := range got {
			at, ok := arrived[x.Number]
			if ok != x.Received {
				t.Fatalf("packet %d: received %v", x.Number, x.Received)
			}
			if !ok {
				continue
			}
			if first == 0 {
				first, origin = at, x.Arrival
			}
			if off := (at - first) - (x.Arrival - origin); off < -rtcp.TWCCTick || off > rtcp.TWCCTick {
				t.Fatalf("packet %d is off by %v", x.Number, off)
			}
			delete(arrived, x.Number)
		}
		if len(arrived) != 0 {
			t.Fatalf("%d packets are not told of", len(arrived))
		}
	}
}

func TestUnwrap(t *testing.T) {
	for _, x := range []struct {
		s    uint16
		last uint64
		want uint64
	}{
		{5, 5, 5}, {65535, 65536 + 3, 65535}, {2, 65535, 65538}, {65000, 3, 0}, {0, 1 << 40, 1 << 40}, {3, 0, 3},
	} {
		if got := unwrap(x.s, x.last); got != x.want {
			t.Errorf("%d after %d is %d, want %d", x.s, x.last, got, x.want)
		}
	}
}

// TestTWCCBounds: no more than there is room for.
func TestTWCCBounds(t *testing.T) {
	deltas := make([]int32, 300)
	m := rtcp.TWCC{Base: 1}
	for it := rtcp.Parse(rtcp.AppendTWCC(nil, rtcp.Ends{Sender: 1, Media: 2}, &m, deltas)); it.Next(); {
		f, _ := it.Feedback()
		m, _ := f.TWCC()
		var a Adapter
		if got := a.TWCC(make([]Result, 0, 100), &m, 300); len(got) != 100 || got[99].Number != 100 {
			t.Errorf("%d results", len(got))
		}
	}
}
