package bwe

import (
	"time"

	"bifrons/rtp/mono"
)

// Constants of the detector, those of the reference.
const (
	alrWindow = 500 * time.Millisecond
	alrUse    = 0.65 // of the estimate; who sends less is limited by the application
	alrStart  = 0.80 // of the window's budget that is left
	alrStop   = 0.50
)

// alr reports whether the application sends much less than it may (application
// limited region). It is a budget that fills with time and that
// sending uses up.
type alr struct {
	last   mono.Time
	budget float64 // bytes
	since  mono.Time
	ended  mono.Time
}

// advance fills the budget for an estimate in bit/s.
func (a *alr) advance(now mono.Time, estimate float64) {
	full := alrUse * estimate / 8 * alrWindow.Seconds()
	if a.last != 0 {
		a.budget += alrUse * estimate / 8 * now.Sub(a.last).Seconds()
	}
	a.last = now
	a.budget = min(max(a.budget, -full), full)
	switch {
	case a.since == 0 && a.budget > alrStart*full:
		a.since = now
	case a.since != 0 && a.budget < alrStop*full:
		a.since, a.ended = 0, now
	}
}

// sent uses the budget up.
func (a *alr) sent(size int) { a.budget -= float64(size) }

// limited reports whether the application limits the rate.
func (a *alr) limited() bool { return a.since != 0 }
