package bwe

import (
	"bifrons/rtp/mono"
)

// Constants of the loss-based rule (draft-ietf-rmcat-gcc-02, 6).
const (
	fallbackLow    = 0.02 // loss below which the rate grows
	fallbackHigh   = 0.10 // above which it falls
	fallbackGrowth = 1.05 // with each report
)

// fallback is the estimate for peers that send no transport-wide feedback: receiver
// reports (RFC 3550, 6.4.1), bounded by REMB (draft-alvestrand-rmcat-remb-03).
type fallback struct {
	heard  bool
	rate   float64 // bit/s, 0 before the first report
	remb   float64 // 0 if there is none
	reason Reason
}

// report takes a fraction lost.
func (f *fallback) report(lost, start float64) {
	if f.rate == 0 {
		f.rate = start
	}
	f.heard, f.reason = true, Growing
	switch {
	case lost > fallbackHigh:
		f.rate *= 1 - lost/2
		f.reason = Loss
	case lost < fallbackLow:
		f.rate *= fallbackGrowth
	}
	f.bound()
}

func (f *fallback) bound() {
	if f.remb != 0 && f.rate > f.remb {
		f.rate, f.reason = f.remb, Limit
	}
}

func (f *fallback) apply(rate float64) float64 {
	if !f.heard {
		return rate
	}
	return f.rate
}

// REMB takes the peer's estimate, in bit/s. It counts while the peer sends no
// transport-wide feedback.
func (c *Controller) REMB(_ mono.Time, bps uint64) {
	f := &c.fallback
	if bps == 0 {
		return
	}
	raised := float64(bps) > f.remb
	f.heard, f.remb = true, float64(bps)
	if f.rate == 0 || raised {
		f.rate = max(f.rate, min(f.remb, max(float64(c.cfg.Start), f.rate*1.5)))
	}
	f.rate = min(max(f.rate, float64(c.cfg.Min)), float64(c.cfg.Max))
	f.reason = Limit
	f.bound()
}

// ReceiverReport takes the fraction of our packets that the peer lost, 0 to 1, which
// must not count packets lost before they came to us. It counts while the peer
// sends no transport-wide feedback.
func (c *Controller) ReceiverReport(_ mono.Time, lost float64) {
	f := &c.fallback
	f.report(min(max(lost, 0), 1), c.aimd.rate)
	f.rate = min(max(f.rate, float64(c.cfg.Min)), float64(c.cfg.Max))
}
