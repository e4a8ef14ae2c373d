package bwe

import (
	"math"
	"time"

	"bifrons/rtp/mono"
)

// Constants of the rate control, those of the reference.
const (
	backoff          = 0.85 // of the rate that arrives, on congestion
	backoffContended = 0.95
	growth           = 1.08 // a second, while the line's capacity is not known
	ackedFactor      = 1.5  // the estimate grows no higher than this times the arriving rate
	ackedOffset      = 10_000
	contendedTrip    = 300 * time.Millisecond // a shorter one would make it grow too fast
	contendedGrowth  = 2.5                    // packets for each round trip, in each round trip
	usedFactor       = 0.8                    // of the estimate has to arrive, or it does not grow by itself
	frameInterval    = time.Second / 30
	packetBytes      = 1200
	minGrowth        = 4000                   // bit/s a second, near the capacity
	reactionTime     = 100 * time.Millisecond // of an overuse detector beyond the round trip
	evenTripMin      = 100 * time.Millisecond // of round trips in the growth, so that a short one is no great advantage
	evenTripMax      = 200 * time.Millisecond
)

// aimd turns the state of the delay into a rate (draft-ietf-rmcat-gcc-02, 5.5).
type aimd struct {
	rate      float64 // bit/s
	min, max  float64
	hold      bool // after a decrease, until the delay is normal
	decreased mono.Time
	changed   mono.Time
	link      capacity
}

// conditions are the inputs of the rate control.
type conditions struct {
	acked   uint64 // bit/s that arrive, 0 if that is not known
	fresh   uint64 // the same over a shorter time
	rtt     time.Duration
	limited bool // by the application
	// contended is true beside a flow that fills the queue: the reaction is then
	// closer to that flow's.
	contended bool
	probed    bool // a probe is part of what arrives
}

// update is called with each feedback. decreased reports that the rate fell.
func (a *aimd) update(now mono.Time, u usage, c conditions) (decreased bool) {
	switch u {
	case overuse:
		if a.mayDecrease(now, c) {
			a.decrease(now, c)
			decreased = true
		}
		a.hold = true
	case underuse: // a queue is being emptied
		a.hold = true
	default:
		if a.hold {
			a.hold, a.changed = false, now
		}
		a.increase(now, c)
	}
	return decreased
}

// mayDecrease reports whether the last decrease can have shown its effect.
func (a *aimd) mayDecrease(now mono.Time, c conditions) bool {
	wait := min(max(c.rtt, 10*time.Millisecond), 200*time.Millisecond)
	if c.contended {
		wait = max(wait, c.rtt)
	}
	return a.decreased == 0 || now.Sub(a.decreased) >= wait || c.fresh != 0 && float64(c.fresh) < a.rate/2
}

func (a *aimd) decrease(now mono.Time, c conditions) {
	acked := c.fresh
	if acked == 0 {
		acked = c.acked
	}
	rate := backoff * float64(acked)
	if acked == 0 {
		rate = backoff * a.rate
	}
	if rate > a.rate && a.link.known() {
		rate = backoff * float64(a.link.bps())
	}
	if c.contended { // arrivals lag by the queue
		rate = backoffContended * a.rate
	}
	a.rate = min(rate, a.rate)
	if acked != 0 {
		if acked < a.link.lower() || acked > a.link.upper() {
			a.link.reset()
		}
		a.link.observe(acked, capacityAlpha)
	}
	a.clamp()
	a.decreased, a.changed = now, now
}

func (a *aimd) increase(now mono.Time, c conditions) {
	elapsed := min(max(now.Sub(a.changed), 0), time.Second).Seconds()
	a.changed = now
	if float64(c.acked) < usedFactor*a.rate {
		return // whether there is more to use nobody tries
	}
	if a.link.known() && c.acked > a.link.upper() && !c.probed {
		a.link.reset()
	}
	rate := a.rate
	if c.contended {
		rtt := max(c.rtt, contendedTrip).Seconds()
		rate += contendedGrowth * packetBytes * 8 / rtt / rtt * elapsed
	} else if a.link.known() {
		rate += a.nearCapacity(c.rtt) * elapsed
	} else {
		rate += max(rate*(math.Pow(growth, elapsed)-1), 1000*elapsed)
	}
	// Nothing is known beyond the rates that were tried. Earlier findings stay.
	rate = min(rate, ackedFactor*float64(c.acked)+ackedOffset)
	a.rate = max(a.rate, rate)
	a.clamp()
}

// nearCapacity is by how much to grow in bit/s a second when the capacity is known: half
// a packet in each response time, as TCP does with delayed acknowledgements at the least.
func (a *aimd) nearCapacity(rtt time.Duration) float64 {
	frame := a.rate * frameInterval.Seconds() / 8
	packets := math.Ceil(frame / packetBytes)
	response := min(max(rtt, evenTripMin), evenTripMax) + reactionTime
	return max(minGrowth, frame/packets*8/response.Seconds())
}

// raise sets the rate to one that the line has shown to carry, if that is more.
func (a *aimd) raise(now mono.Time, bps uint64) {
	if float64(bps) <= a.rate {
		return
	}
	if a.link.known() && bps > a.link.upper() {
		a.link.reset()
	}
	a.rate, a.changed = float64(bps), now
	a.clamp()
}

func (a *aimd) clamp() { a.rate = min(max(a.rate, a.min), a.max) }
