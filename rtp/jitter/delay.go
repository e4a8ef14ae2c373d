package jitter

import (
	"math"
	"time"
)

const (
	// missed is the price of packets that come too late: so much delay is worth as much
	// as none of them being late. One percent of them costs 50 ms.
	missed = 5 * time.Second
	// memory is how long the delay of packets counts, measured in their audio.
	memory = 8 * time.Second
	// bins is how many milliseconds of delay are distinguished.
	bins = 512
	// window is how long the lowest delay counts, once and a half in the mean.
	window, windowPackets = 3 * time.Second, 60
	// first is the target until there is something to judge by.
	first, firstPackets = 20 * time.Millisecond, 25
	// A packet that was missed lifts the target at once, by attack at most, for hold.
	attack, hold = 60 * time.Millisecond, time.Second
	// release is how much the target falls in a second.
	release = 30 * time.Millisecond
)

// delays estimates how late packets come, against the earliest. A packet's delay is
// its arrival less the time of its timestamp; only differences mean something. All
// times are nanoseconds.
//
// A histogram with forgetting has the delays above the lowest of the last seconds. The
// target is the delay beyond which waiting costs more than the packets it saves.
type delays struct {
	least, most int64

	any     bool
	base    int64    // the lowest delay
	lows    [2]int64 // of the window before, and of this one
	since   int64    // start of this window
	count   int      // packets in it
	packets int      // since the start, to firstPackets and a bit

	hist   [bins]float32
	top    int     // highest bin in use
	weight float32 // of the next packet: grows, instead of all others shrinking
	sum    float32

	target  int64
	lift    int64 // by missed packets
	lifted  int64 // when
	updated int64
}

func (e *delays) reset() {
	*e = delays{least: e.least, most: e.most, weight: 1}
	e.target = min(max(int64(first), e.least), e.most)
}

// restart takes it that timestamps have nothing to do any more with those before.
func (e *delays) restart() { e.any = false }

// above returns how late a packet is.
func (e *delays) above(arrival, at int64) int64 { return arrival - at - e.base }

// add notes a packet that arrived, with the time of its timestamp and its length.
func (e *delays) add(arrival, at, length int64) {
	delay := arrival - at
	switch {
	case !e.any:
		e.any, e.base, e.lows, e.since, e.count = true, delay, [2]int64{math.MaxInt64, delay}, arrival, 0
	case delay < e.base:
		e.drop(e.base - delay)
		e.base = delay
	}
	e.lows[1] = min(e.lows[1], delay)
	if e.count++; e.count >= windowPackets && arrival-e.since >= int64(window) {
		if low := min(e.lows[0], e.lows[1]); low > e.base {
			e.shift(-int((low - e.base) / int64(time.Millisecond)))
			e.base = low
		}
		e.lows, e.since, e.count = [2]int64{e.lows[1], math.MaxInt64}, arrival, 0
	}
	e.note(int((delay-e.base)/int64(time.Millisecond)), float32(float64(length)/float64(memory)))
	e.packets++
	e.update(arrival)
}

// drop moves the histogram to a lower base. By little it goes down all the time where
// the sender's clock is fast, and by much where the path or the timestamps have become
// others: earlier packets keep their lateness.
func (e *delays) drop(by int64) {
	if n := int(by / int64(time.Millisecond)); n >= 2 && n < 20 {
		e.shift(n)
	}
}

func (e *delays) note(bin int, share float32) {
	bin = min(max(bin, 0), bins-1)
	e.weight *= 1 + min(share, 0.1)
	e.hist[bin] += e.weight
	e.sum += e.weight
	e.top = max(e.top, bin)
	if e.weight > 1e6 {
		e.scale(1 / e.weight)
	}
}

func (e *delays) scale(by float32) {
	e.sum, e.weight = 0, e.weight*by
	for i := range e.top + 1 {
		e.hist[i] *= by
		e.sum += e.hist[i]
	}
}

// shift moves the histogram by n bins up, or down if n is negative.
func (e *delays) shift(n int) {
	switch {
	case n > 0:
		n = min(n, bins-1)
		for i := e.top; i >= 0; i-- {
			v := e.hist[i]
			e.hist[i] = 0
			e.hist[min(i+n, bins-1)] += v
		}
		e.top = min(e.top+n, bins-1)
	case n < 0:
		for i := 1; i <= e.top; i++ {
			v := e.hist[i]
			e.hist[i] = 0
			e.hist[max(i+n, 0)] += v
		}
		e.top = max(e.top+n, 0)
	}
}

// update computes the target.
func (e *delays) update(now int64) {
	want := e.best()
	if e.packets < firstPackets {
		want = max(want, int64(first))
	}
	if e.lift > 0 && now-e.lifted > int64(hold) {
		e.lift = 0
	}
	past := min(max(now-e.updated, 0), int64(time.Second))
	e.updated = now
	fallen := e.target - past*int64(release)/int64(time.Second)
	e.target = min(max(want, e.lift, fallen, e.least), e.most)
}

// best is the delay at which waiting longer costs more than it saves, and a millisecond
// for packets that come a little later still.
func (e *delays) best() int64 {
	best, least := 0, float32(math.MaxFloat32)
	price := float32(missed/time.Millisecond) / max(e.sum, 1e-9)
	for i, tail := e.top, float32(0); i >= 0; i-- {
		if cost := float32(i+1) + price*tail; cost <= least {
			best, least = i+1, cost
		}
		tail += e.hist[i]
	}
	return int64(best+1) * int64(time.Millisecond)
}

// late takes it that a packet was missed, which was so much above the lowest delay.
func (e *delays) late(now, above int64) {
	if lift := min(above, e.target+int64(attack), e.most); lift >= e.lift {
		e.lift, e.lifted = lift, now
	}
	e.target = min(max(e.target, e.lift), e.most)
}
