package record

import (
	"testing"
	"time"

	"bifrons/rtp/mono"
)

// TestLongGap: a track goes on after days without a packet, by the time that has passed.
func TestLongGap(t *testing.T) {
	tr := track{clockRate: 90000}
	at := mono.Time(time.Hour)
	number := func(ts uint32) uint32 {
		p := Packet{RTP: make([]byte, 12), Seq: 1, Timestamp: ts, Arrival: at}
		if !tr.number(&p, false) {
			t.Fatalf("a packet at %v is too late", at)
		}
		return p.Timestamp
	}
	last := number(7)
	for _, gap := range []time.Duration{time.Second, 30 * time.Hour, 10 * time.Hour, time.Second} {
		tr.based = false
		at = at.Add(gap)
		ts := number(7)
		if passed, want := ts-last, uint32(int64(gap/time.Second)*90000); passed != want {
			t.Errorf("after %v: %d units have passed, not %d", gap, passed, want)
		}
		last = ts
	}
}
