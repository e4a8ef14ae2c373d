package bwe

import (
	"math"
	"time"

	"bifrons/rtp/mono"
)

const (
	outageAfter = 400 * time.Millisecond // without feedback, beyond two round trips
	outageHalf  = 300 * time.Millisecond // in which the target falls to its half then
)

// outage lowers the target while packets leave and no feedback comes: a queue may be
// growing that nobody reports. With the first feedback the target is as before.
type outage struct {
	waiting mono.Time // since when there is something to report, 0 if there is not
	factor  float64   // 0 while there is no outage
}

// sent notes that a packet left.
func (o *outage) sent(now mono.Time) {
	if o.waiting == 0 {
		o.waiting = now
	}
}

// over notes that feedback reported arrived packets.
func (o *outage) over() { *o = outage{} }

// tick reports whether an outage begins.
func (o *outage) tick(now mono.Time, rtt time.Duration) bool {
	if o.waiting == 0 {
		return false
	}
	late := now.Sub(o.waiting) - outageAfter - 2*rtt
	if late <= 0 {
		return false
	}
	began := o.factor == 0
	o.factor = max(math.Exp2(-float64(late)/float64(outageHalf)), 1e-6)
	return began
}

func (o *outage) is() bool { return o.factor != 0 }

func (o *outage) apply(rate float64) float64 {
	if o.factor == 0 {
		return rate
	}
	return rate * o.factor
}
