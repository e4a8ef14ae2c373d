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
	freshLeast = 4000                   // bytes in it; those of fewer packets are no measure
	rateLate   = 20 * time.Millisecond  // by which packets may be reordered
	rateGap    = 2 * time.Second        // without arrivals; older ones count no more
)

// rates measures arrivals. A rate is the lower one of the arriving rate and of the rate at
// which that was sent, so that no report on times raises it above the sent rate.
type rates struct {
	ring  [rateSlots]rateMark
	first int // mark that counts
	next  int // the newest is the one before; equal to first if there is none
	sum   uint64

	usualFrom, freshFrom int // first mark of the last rateWindow, and of the last rateFresh
}

// rateMark is how many bytes had arrived at a moment.
type rateMark struct {
	arrival time.Duration
	sent    mono.Time
	sum     uint64
}

func (r *rates) mark(i int) *rateMark { return &r.ring[i&(rateSlots-1)] }

// add takes a packet that arrived. One that is reported long after others that were sent later tells
// nothing of the rate now.
func (r *rates) add(sent mono.Time, arrival time.Duration, size int) {
	m := r.mark(r.next - 1)
	if r.next > r.first && m.sent.Sub(sent) > rateLate {
		return
	}
	r.sum += uint64(size)
	if r.next > r.first && (arrival-m.arrival > rateGap || sent.Sub(m.sent) > rateGap) {
		r.first = r.next
	}
	if r.next > r.first {
		arrival, sent = max(arrival, m.arrival), max(sent, m.sent)
		if r.next-r.first > 1 && arrival-r.mark(r.next-2).arrival < rateSlot {
			*m = rateMark{arrival, sent, r.sum}
			return
		}
	}
	*r.mark(r.next) = rateMark{arrival, sent, r.sum}
	r.next++
	r.first = max(r.first, r.next-rateSlots)
}

// usual returns bit/s over the last rateWindow of arrivals, 0 if they cover less than half of it.
func (r *rates) usual() uint64 { return r.rate(&r.usualFrom, rateWindow) }

// fresh is usual over the last rateFresh, unless too little came within it.
func (r *rates) fresh() uint64 {
	rate := r.rate(&r.freshFrom, rateFresh)
	if rate != 0 && r.sum-r.mark(r.freshFrom).sum < freshLeast {
		return r.usual()
	}
	return rate
}

// rate moves first on to the first mark within a time, and returns the rate from there.
func (r *rates) rate(first *int, within time.Duration) uint64 {
	if r.next-r.first < 2 {
		return 0
	}
	top := r.mark(r.next - 1)
	*first = max(*first, r.first)
	for top.arrival-r.mark(*first).arrival > within {
		*first++
	}
	from := r.mark(*first)
	arrived := top.arrival - from.arrival
	if arrived < within/2 {
		return 0
	}
	return perSecond(top.sum-from.sum, max(arrived, top.sent.Sub(from.sent)))
}

// perSecond returns bit/s for bytes in a time.
func perSecond(bytes uint64, d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64(float64(bytes) * 8e9 / float64(d))
}
