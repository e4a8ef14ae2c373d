package bwe

import (
	"math"
	"time"
)

// Constants of the trendline filter and of its threshold, those of the reference.
const (
	trendWindow   = 20   // groups
	trendSmooth   = 0.9  // of the delay
	trendGain     = 4.0  // of the slope
	trendMaxCount = 60   // groups that make a slope count more
	thresholdInit = 12.5 // ms
	thresholdMin  = 6.0
	thresholdMax  = 600.0
	thresholdUp   = 0.0087 // share of the distance for each ms
	thresholdDown = 0.039
	thresholdSkip = 15.0 // ms above the threshold that are a spike
	overuseTime   = 10.0 // ms that it lasts
)

// usage is the state of the line by its delay.
type usage uint8

const (
	normal usage = iota
	overuse
	underuse
)

// trendline finds out from the slope of the delay whether a queue grows. Its
// threshold adapts to the observed slopes (draft-ietf-rmcat-gcc-02, 5.4), so
// that a flow does not starve beside one that fills the queue.
type trendline struct {
	ring     [trendWindow]struct{ x, y float64 } // ms
	n        int                                 // in the ring
	next     int
	count    int // groups, up to trendMaxCount
	start    time.Duration
	lastAt   time.Duration
	origin   float64 // of the smoothed delay
	smoothed float64
	previous float64 // slope before

	threshold float64
	overFor   float64 // ms; below 0 while it is not over
	overCount int
	state     usage
}

func (t *trendline) reset() { *t = trendline{threshold: thresholdInit, overFor: -1} }

// add takes the delay of a group and returns what it means.
func (t *trendline) add(s sample) usage {
	if s.fresh || t.threshold == 0 {
		t.reset()
		t.start, t.origin, t.lastAt = s.at, ms(s.extra), s.at
	}
	y := ms(s.extra) - t.origin
	t.smoothed = trendSmooth*t.smoothed + (1-trendSmooth)*y
	t.ring[t.next].x, t.ring[t.next].y = ms(s.at-t.start), t.smoothed
	t.next = (t.next + 1) % trendWindow
	t.n = min(t.n+1, trendWindow)
	t.count = min(t.count+1, trendMaxCount)
	slope := t.previous
	if t.n == trendWindow {
		slope = t.slope()
	}
	t.detect(slope, min(max(ms(s.at-t.lastAt), 0), 100))
	t.lastAt = max(t.lastAt, s.at)
	return t.state
}

// slope is that of the line through the ring by least squares.
func (t *trendline) slope() float64 {
	var sx, sy float64
	for i := range t.ring {
		sx += t.ring[i].x
		sy += t.ring[i].y
	}
	mx, my := sx/trendWindow, sy/trendWindow
	var num, den float64
	for i := range t.ring {
		dx := t.ring[i].x - mx
		num += dx * (t.ring[i].y - my)
		den += dx * dx
	}
	if den == 0 {
		return 0
	}
	return num / den
}

// detect compares a slope, which holds since elapsed ms, with the threshold.
func (t *trendline) detect(slope, elapsed float64) {
	trend := float64(t.count) * slope * trendGain
	switch {
	case trend > t.threshold:
		if t.overFor < 0 {
			t.overFor = elapsed / 2 // it began somewhere in between
		} else {
			t.overFor += elapsed
		}
		t.overCount++
		if t.overFor > overuseTime && t.overCount > 1 && slope >= t.previous {
			t.overFor, t.overCount = 0, 0
			t.state = overuse
		}
	case trend < -t.threshold:
		t.overFor, t.overCount, t.state = -1, 0, underuse
	default:
		t.overFor, t.overCount, t.state = -1, 0, normal
	}
	t.previous = slope
	if math.Abs(trend) > t.threshold+thresholdSkip {
		return
	}
	k := thresholdUp
	if math.Abs(trend) < t.threshold {
		k = thresholdDown
	}
	t.threshold += k * (math.Abs(trend) - t.threshold) * elapsed
	t.threshold = min(max(t.threshold, thresholdMin), thresholdMax)
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }
