package nack

import (
	"testing"
	"time"

	"bifrons/rtp/mono"
)

// TestBudget asks for as much as it gets, for a minute, with streams of all rates.
func TestBudget(t *testing.T) {
	for _, size := range []int{20, 100, 1000, 10_000, 100_000} { // bytes, every 20 ms
		var b Budget
		sent, resent := 0, 0
		now := mono.Time(1000 * 3600)
		for i := range 3000 {
			now = now.Add(20 * time.Millisecond)
			b.Sent(now, size)
			sent += size
			for b.Allows(1200) && i > 100 {
				b.Resent(1200)
				resent += 1200
			}
		}
		if extra := resent - sent; extra > max(minBudget, 101*size) || resent < sent-101*size {
			t.Errorf("%d bytes sent in pieces of %d, %d resent", sent, size, resent)
		}
	}
}

// TestBudgetBurst can have all of a second resent that was lost, and more.
func TestBudgetBurst(t *testing.T) {
	for _, size := range []int{100, 10_000} {
		var b Budget
		now := ms(0) + 1
		for range 200 { // 4 s
			now = now.Add(20 * time.Millisecond)
			b.Sent(now, size)
		}
		for i := range 75 {
			if !b.Allows(size) {
				t.Fatalf("no budget for packet %d of %d bytes", i, size)
			}
			b.Resent(size)
		}
		now = now.Add(time.Minute)
		b.Sent(now, size)
		if b.Allows(minBudget + 5*size) {
			t.Error("a pause made the budget grow")
		}
	}
}
