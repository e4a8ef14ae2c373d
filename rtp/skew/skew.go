// Package skew keeps the timestamps of a media source in step with the clock of
// this machine, where the source's own clock runs too fast or too slow.
package skew

import (
	"time"

	"bifrons/rtp/mono"
)

const (
	// settle is how long a new source may take to find its pace.
	settle = 5 * time.Second
	// evaluate is how long it is then watched before anything is corrected.
	evaluate = 5 * time.Second
	// unsteady is the offset at which that starts again.
	unsteady = 60 * time.Millisecond
	// DefaultThreshold is the offset that is corrected, at once and in full.
	DefaultThreshold = 120 * time.Millisecond
)

// Compensator watches the packets of one stream. The zero value is ready.
type Compensator struct {
	// Threshold is the offset that is corrected, 0 = DefaultThreshold. It does not
	// change once there are packets.
	Threshold time.Duration

	state    uint8
	since    mono.Time // start of the state
	at       mono.Time // a packet's arrival and its timestamp, from which
	ts       uint32    // the others' are expected
	offset   int64     // smoothed, in 1/64 timestamp units
	shift    int32     // timestamp units that are added
	last     uint32    // highest timestamp that was passed on, shift included
	step     uint32    // between the last two timestamps
	previous uint32
	pending  bool // packets are left out until the timestamps have caught up
}

const (
	waiting = iota // for the first packet
	settling
	evaluating
	watching
)

// Verdict is the decision on a packet.
type Verdict struct {
	Shift int32 // to add to the timestamp
	Jump  int   // sequence numbers to leave out before it
	Drop  bool  // leave it out, without a gap
}

// Packet takes the next packet of a stream whose clock has rate Hz.
func (c *Compensator) Packet(now mono.Time, ts, rate uint32) Verdict {
	if rate == 0 {
		return Verdict{}
	}
	if c.state == waiting {
		c.begin(now, ts, settling)
		c.last, c.previous = ts, ts
	}
	if d := ts - c.previous; int32(d) > 0 {
		c.step, c.previous = d, ts
	}
	jump := c.watch(now, ts, int64(rate))
	out := ts + uint32(c.shift)
	if c.pending {
		if int32(out-c.last) <= 0 {
			return Verdict{Shift: c.shift, Drop: true}
		}
		c.pending = false
	}
	if int32(out-c.last) > 0 {
		c.last = out
	}
	return Verdict{Shift: c.shift, Jump: jump}
}

func (c *Compensator) begin(now mono.Time, ts uint32, state uint8) {
	c.state, c.since, c.at, c.ts, c.offset = state, now, now, ts, 0
}

// watch compares a timestamp with the expected one; it returns how many numbers
// are to be left out.
func (c *Compensator) watch(now mono.Time, ts uint32, rate int64) int {
	expected := int64(now.Sub(c.at)) * rate / int64(time.Second)
	offset := int64(int32(ts - c.ts - uint32(expected)))
	age := now.Sub(c.since)
	switch c.state {
	case settling:
		if age >= settle {
			c.begin(now, ts, evaluating)
		}
	case evaluating:
		c.smooth(offset)
		switch limit := ticks(unsteady, rate); {
		case offset > limit || offset < -limit:
			c.begin(now, ts, evaluating)
		case age >= evaluate:
			c.ts += uint32(c.offset / 64) // the mean is expected from now on
			c.offset, c.state = 0, watching
		}
	case watching:
		c.smooth(offset)
		threshold := c.Threshold
		if threshold == 0 {
			threshold = DefaultThreshold
		}
		limit := ticks(threshold, rate)
		switch {
		case c.offset < -limit*64: // the source is slow
			c.correct(-limit)
			if c.step > 0 {
				return int(uint32(limit) / c.step)
			}
		case c.offset > limit*64:
			c.correct(limit)
			c.pending = true
		}
	}
	return 0
}

// correct takes an offset as the new normal.
func (c *Compensator) correct(n int64) {
	c.shift -= int32(n)
	c.ts += uint32(n)
	c.offset -= n * 64
}

func (c *Compensator) smooth(offset int64) { c.offset += offset - c.offset/64 }

func ticks(d time.Duration, rate int64) int64 { return int64(d) * rate / int64(time.Second) }
