package bwe

import (
	"time"

	"bifrons/rtp/mono"
)

const (
	rateSlots  = 128                    // must be a power of two
	rateSlot   = 5 * time.Millisecond   // arrivals this close share one
	rateWindow = 500 * time.Millisecond // of the rate in general
	rateFresh  = 200 * time.Millisecond // of the rate in a congestion
	rateGap    = 2 * time.Second        // without arrivals; what was before counts no more
)

// rates measures what arrives. A rate is the lower one of what arrived and of what
// was sent for it, so that no report on times makes it more than what was sent.
type rates struct {
	ring [rateSlots]rateMark
	n    int // marks there are
	last int // the newest
	sum  uint64
}

// rateMark is how many bytes had arrived at a moment.
type rateMark struct {
	arrival time.Duration
	sent    mono.Time
	sum     uint64
}

// add takes a packet that arrived.
func (r *rates) add(sent mono.Time, arrival time.Duration, size int) {
	r.sum += uint64(size)
	m := &r.ring[r.last]
	if r.n > 0 {
		if arrival-m.arrival > rateGap || sent.Sub(m.sent) > rateGap {
			r.n = 0
		}
	}
	if r.n > 0 {
		arrival, sent = max(arrival, m.arrival), max(sent, m.sent)
		before := &r.ring[(r.last-1)&(rateSlots-1)]
		if r.n > 1 && arrival-before.arrival < rateSlot {
			*m = rateMark{arrival, sent, r.sum}
			return
		}
		r.last = (r.last + 1) & (rateSlots - 1)
	}
	r.ring[r.last] = rateMark{arrival, sent, r.sum}
	r.n = min(r.n+1, rateSlots)
}

// rate returns bit/s over the last arrivals within a time, 0 if they cover less
// than half of it.
func (r *rates) rate(within time.Duration) uint64 {
	if r.n < 2 {
		return 0
	}
	top := &r.ring[r.last]
	from := top
	for i := 1; i < r.n; i++ {
		m := &r.ring[(r.last-i)&(rateSlots-1)]
		if top.arrival-m.arrival > within {
			break
		}
		from = m
	}
	span := max(top.arrival-from.arrival, top.sent.Sub(from.sent))
	if top.arrival-from.arrival < within/2 {
		return 0
	}
	return perSecond(top.sum-from.sum, span)
}

// perSecond returns bit/s for bytes in a time.
func perSecond(bytes uint64, d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64(float64(bytes) * 8e9 / float64(d))
}
