package route

import "bifrons/rtp/mono"

// demander is a tap that does not need all that can be had.
type demander interface {
	// Demand is the rate that it can take in bit/s, 0 = any.
	Demand() uint64
}

// Layered reports whether the track can be thinned out for a subscription. What was announced as
// SVC may turn out to have one layer only.
func (t *Track) Layered() bool {
	return t.Simulcast || t.SVC && (t.rates.done < rateSlots-1 || len(t.Rates()) != 1)
}

// Demand is the most that anybody can take of the track in bit/s, 0 if that is not known
// or has no limit. Layers are there to be left out, so of these everything is wanted.
func (t *Track) Demand() uint64 {
	if t.Layered() || len(t.subs)+len(t.taps) == 0 {
		return 0
	}
	most := uint64(1)
	for _, s := range t.subs {
		if s.paused {
			continue
		}
		if s.demand == 0 {
			return 0
		}
		most = max(most, s.demand)
	}
	for _, tap := range t.taps {
		d, ok := tap.(demander)
		if !ok || d.Demand() == 0 {
			return 0
		}
		most = max(most, d.Demand())
	}
	return most
}

// Demanded has the origin look at the demand, if it can be asked for another rate.
func (t *Track) Demanded(now mono.Time) {
	if t.Ask != nil && !t.Simulcast {
		t.Ask(now)
	}
}

// SetDemand sets the rate of the track that the sink can take in bit/s, with headers, 0 = anything.
// Another track begins with that.
func (s *Subscription) SetDemand(now mono.Time, bps uint64) {
	d := max(s.demand, bps) - min(s.demand, bps)
	if s.track == nil || d == 0 || s.demand != 0 && bps != 0 && d <= bps/20 {
		return
	}
	s.demand = bps
	s.track.Demanded(now)
}

// Adapts reports whether the origin follows the demand of this subscription: it can be asked,
// and nobody takes more.
func (s *Subscription) Adapts() bool {
	t := s.track
	if t == nil || t.Ask == nil || s.demand == 0 {
		return false
	}
	most := t.Demand()
	return most != 0 && s.demand >= most
}
