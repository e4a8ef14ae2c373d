package nack

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestLimiterBackoff(t *testing.T) {
	var l Limiter
	var got []int
	for i := range 4000 {
		if l.Allow(ms(i), 5) {
			got = append(got, i)
		}
	}
	if want := []int{0, 40, 120, 280, 600, 1240, 2240, 3240}; !slices.Equal(got, want) {
		t.Errorf("resent at %v, want %v", got, want)
	}
	// Left alone for a second beyond its time, it begins anew.
	if !l.Allow(ms(5300), 5) || l.Allow(ms(5339), 5) || !l.Allow(ms(5340), 5) {
		t.Error("backoff not forgotten")
	}
	l.Reset()
	if !l.Allow(ms(5341), 5) {
		t.Error("not reset")
	}
}

// A burst of losses is resent at once as far as the slots go, and never more
// than that within one backoff.
func TestLimiterBurst(t *testing.T) {
	const slots = limiterSets * limiterWays
	var l Limiter
	count := func(at, n int) (allowed int) {
		for s := range n {
			if l.Allow(ms(at), uint16(65500+s)) {
				allowed++
			}
		}
		return allowed
	}
	if got := count(0, slots); got != slots {
		t.Errorf("%d of a burst of %d resent", got, slots)
	}
	if got := count(10, slots+100); got != 0 {
		t.Errorf("%d resent within the backoff", got)
	}
	if got := count(41, 100); got != 100 {
		t.Errorf("%d of 100 resent after the backoff", got)
	}
}

// A new packet takes the slot that was free for the longest time, so that the
// backoff of the others is remembered.
func TestLimiterReplacesOldest(t *testing.T) {
	var l Limiter
	for i := range limiterWays {
		l.Allow(ms(10*i), uint16(i*limiterSets))
	}
	if !l.Allow(ms(100), limiterWays*limiterSets) {
		t.Fatal("no slot for a fifth packet")
	}
	for i := 1; i < limiterWays; i++ {
		l.Allow(ms(110), uint16(i*limiterSets))
		if l.Allow(ms(160), uint16(i*limiterSets)) {
			t.Errorf("packet %d lost its record", i)
		}
	}
}

// Against an unlimited memory of when each packet was resent: no packet is ever
// resent within 40 ms, and at a usual loss rate none is refused that may be.
func TestLimiterAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var l Limiter
	last := map[uint16]int{}
	times := map[uint16]int{}
	refused := 0
	for i := range 200000 {
		s := uint16(i/5 - r.IntN(100))
		if r.IntN(10) > 0 {
			continue
		}
		at, before := last[s]
		ok := l.Allow(ms(i), s)
		wait := 0
		if before {
			wait = min(40<<min(times[s]-1, 8), 1000)
		}
		if ok && before && i-at < 40 {
			t.Fatalf("%d resent after %d ms", s, i-at)
		}
		if !ok && (!before || i-at >= wait) {
			refused++
		}
		if ok {
			last[s] = i
			times[s]++
		}
	}
	if refused > 0 {
		t.Errorf("%d packets refused that may be resent", refused)
	}
}

func BenchmarkLimiter(b *testing.B) {
	var l Limiter
	i := 0
	for b.Loop() {
		l.Allow(ms(i), uint16(i))
		i++
	}
}
