package bwe

import (
	"testing"
	"time"

	"bifrons/rtp/mono"
)

const t0 = mono.Time(time.Hour + 12345678)

// TestHistoryVerdicts: each packet counts once; anything else is told apart.
func TestHistoryVerdicts(t *testing.T) {
	h := newHistory()
	for n := uint64(1); n <= 5000; n++ {
		if !h.sent(t0.Add(time.Duration(n)*time.Millisecond), Sent{Number: n, Size: 1000 + int(n%7)}) {
			t.Fatal("a number in order was refused")
		}
	}
	now := t0.Add(5100 * time.Millisecond)
	for _, x := range []struct {
		name     string
		n        uint64
		received bool
		want     verdict
	}{
		{"before the first", 0, true, neverSent},
		{"too old", 5000 - historyMost, true, tooOld},
		{"oldest", 5001 - historyMost, true, newlyReceived},
		{"lost", 4000, false, newlyLost},
		{"lost again", 4000, false, repeated},
		{"found", 4000, true, foundAgain},
		{"found again", 4000, true, repeated},
		{"then lost", 4000, false, repeated},
		{"received", 4001, true, newlyReceived},
		{"received again", 4001, true, repeated},
		{"contradiction", 4001, false, repeated},
		{"from the future", 5001, true, neverSent},
		{"from far away", 1 << 60, true, neverSent},
	} {
		p, v := h.report(now, x.n, x.received)
		if v != x.want {
			t.Errorf("%s: verdict %d, want %d", x.name, v, x.want)
		}
		if v <= foundAgain {
			sent := t0.Add(time.Duration(x.n) * time.Millisecond)
			if p.size != 1000+int(x.n%7) || sent.Sub(p.sent) >= time.Microsecond || sent < p.sent {
				t.Errorf("%s: %+v", x.name, p)
			}
		}
	}
}

// TestHistoryFlying: what was sent and not told of, whatever is skipped or overwritten.
func TestHistoryFlying(t *testing.T) {
	h := newHistory()
	n := uint64(0)
	send := func(count int, step uint64) {
		for range count {
			n += step
			h.sent(t0.Add(time.Duration(n)*time.Millisecond), Sent{Number: n, Size: 100})
		}
	}
	expect := func(packets int) {
		t.Helper()
		if h.flying != 100*packets {
			t.Fatalf("%d bytes in flight, want %d packets", h.flying, packets)
		}
	}
	send(10, 1)
	expect(10)
	h.report(t0, 4, false)
	expect(6)
	h.report(t0, 3, true)
	expect(6)
	send(3, 5) // four numbers of five are not used
	expect(9)
	if _, v := h.report(t0, 12, true); v != neverSent {
		t.Error("a number that was passed over was sent")
	}
	h.report(t0, 25, true)
	expect(0)
	send(3*historyMost, 1)
	expect(historyMost)
	send(1, 10*historyMost) // everything else is out of reach
	expect(1)
	if h.sent(t0, Sent{Number: n, Size: 1}) || h.sent(t0, Sent{Number: n - 1, Size: 1}) {
		t.Error("a number that does not follow was taken")
	}
	h.sent(h.lastAt.Add(2*time.Hour), Sent{Number: n + 1, Size: 100})
	expect(1)
	if _, v := h.report(h.lastAt, n, true); v != neverSent {
		t.Error("a packet from before a long pause is known, with a time that is wrong")
	}
}
