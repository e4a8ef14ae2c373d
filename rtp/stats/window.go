// Package stats keeps the numbers of one RTP stream that reports, events and
// operators ask for (RFC 3550, 6.4 and appendix A).
package stats

import (
	"time"

	"bifrons/rtp/mono"
)

// window counts bytes in windows of one second.
type window struct {
	start     mono.Time
	now, last int
}

func (w *window) add(now mono.Time, n int) {
	w.roll(now)
	w.now += n
}

// value returns the bytes of the last full window, 0 when that is over and
// nothing came since.
func (w window) value(now mono.Time) int {
	if w.start == 0 {
		return 0
	}
	w.roll(now)
	return w.last
}

// roll begins a new window if now lies beyond the present one.
func (w *window) roll(now mono.Time) {
	if w.start == 0 {
		w.start = now
	}
	full := now.Sub(w.start) / time.Second
	if full <= 0 {
		return
	}
	w.last = 0
	if full == 1 {
		w.last = w.now
	}
	w.now = 0
	w.start = w.start.Add(full * time.Second)
}

// Quality is a link quality in percent: an exponential filter on the share of
// packets that arrived. The zero Quality is 100 %.
type Quality struct{ loss float64 }

// qualityFilter is the inverse weight of a new value.
const qualityFilter = 3

// Update takes in that lost of expected packets, more than 0, were lost. A loss
// below 0 or above expected counts as these.
func (q *Quality) Update(lost, expected int64) {
	ratio := float64(min(max(lost, 0), expected)) / float64(expected)
	q.loss += (ratio - q.loss) / qualityFilter
}

// Percent returns the quality, 0..100.
func (q Quality) Percent() int { return int(100*(1-q.loss) + 0.5) }

// Loss is the share that was lost, 0 to 1.
func (q Quality) Loss() float64 { return q.loss }

// unitsToTime converts timestamp units to time.
func unitsToTime(units float64, rate uint32) time.Duration {
	if rate == 0 {
		return 0
	}
	return time.Duration(units / float64(rate) * float64(time.Second))
}
