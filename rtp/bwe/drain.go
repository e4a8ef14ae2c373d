package bwe

import (
	"time"

	"bifrons/rtp/mono"
)

// Constants of emptying a queue.
const (
	drainAbove    = 40 * time.Millisecond  // a queue that is worth it
	drainBelow    = 15 * time.Millisecond  // it is empty
	drainTime     = 400 * time.Millisecond // of which the queue is a share: by that much less is sent
	drainLayers   = time.Second            // the same for who sends layers
	drainMost     = 0.7
	drainPatience = 1500 * time.Millisecond // then it is somebody else's
	drainTheirs   = 100 * time.Millisecond  // if it is as long as this, more than flows like ours make
	drainFloor    = 0.5
	drainPause    = 10 * time.Second // after which that is found out again, the first time
	drainLongest  = 20 * time.Second // the longest of these, which double
)

// drain sends less after a congestion until the queue that it left is empty. A queue
// that stays is not ours: who competes with a flow that fills it would starve.
type drain struct {
	since  mono.Time     // 0 if it is not active
	before mono.Time     // not before this time
	link   float64       // bit/s that the line carries
	first  float64       // the same when it began
	queue  time.Duration // at the last decrease
	pause  time.Duration
	theirs bool // the queue is somebody else's
}

// begin starts, after a decrease, on a line of so many bit/s.
func (d *drain) begin(now mono.Time, link float64, queue time.Duration) {
	switch {
	case d.since != 0:
		d.link, d.queue = min(d.link, link), queue
	case queue >= drainAbove && now >= d.before:
		d.since, d.link, d.first, d.queue = now, link, link, queue
	}
}

// update ends it if there is reason to. It returns, in bit/s, a floor when it turns
// out that the decreases since it began were in vain, else 0.
func (d *drain) update(now mono.Time, queue, rtt time.Duration) (floor float64) {
	switch {
	case queue < drainBelow: // nobody fills it any more
		*d = drain{}
	case d.since == 0:
	case now.Sub(d.since) > drainPatience+rtt:
		d.since = 0
		if d.theirs = queue >= drainTheirs; !d.theirs {
			return 0
		}
		d.pause = min(max(2*d.pause, drainPause), drainLongest)
		d.before = now.Add(d.pause)
		return d.first * drainFloor
	}
	return 0
}

func (d *drain) active() bool { return d.since != 0 }

// works reports whether the queue shrinks since the last decrease: then another one is not
// called for, though the trend still tells of the time before.
func (d *drain) works(queue time.Duration) bool { return d.since != 0 && queue < d.queue }

// apply lowers a rate enough to empty the queue in some time.
func (d *drain) apply(rate float64, queue, within time.Duration) float64 {
	if d.since == 0 {
		return rate
	}
	return min(rate, d.link*(1-min(drainMost, float64(queue)/float64(within))))
}
