package simnet

import (
	"time"

	"bifrons/rtp/bwe"
	"bifrons/rtp/mono"
)

// Elastic is an encoder that follows the estimate: frames at a fixed rate whose sizes
// vary (RFC 8867, 4.2).
type Elastic struct {
	Clock    *Clock
	Min, Max float64 // bit/s
	rate     float64
}

const frameEvery = time.Second / 30

// Frame implements Source.
func (s *Elastic) Frame(_ mono.Time, e bwe.Estimate) (int, time.Duration) {
	s.rate = min(max(float64(e.Target), s.Min), s.Max)
	noise := min(max(1+0.1*s.Clock.Rand.NormFloat64(), 0.5), 1.5)
	bytes := s.rate / 8 * frameEvery.Seconds() * noise
	packets := int(bytes)/(payload+headers) + 1
	return max(int(bytes)-packets*headers, 50), frameEvery
}

// Want implements Source.
func (s *Elastic) Want() uint64 {
	if s.rate >= s.Max {
		return 0
	}
	return uint64(s.Max * 1.05)
}

// Layer is one of those that a Layered source chooses from.
type Layer struct {
	Rate     float64 // bit/s of all packets
	Every    time.Duration
	Encoding int // changes between encodings wait for a key frame
}

// Simulcast is what browsers send of 720p: three encodings with temporal layers. The
// lowest temporal layer of the higher encodings, 7.5 frames a second, is no choice.
var Simulcast = []Layer{
	{60e3, 4 * frameEvery, 0}, {90e3, 2 * frameEvery, 0}, {150e3, frameEvery, 0},
	{300e3, 2 * frameEvery, 1}, {500e3, frameEvery, 1},
	{1500e3, 2 * frameEvery, 2}, {2500e3, frameEvery, 2},
}

// Constants of the choice of layers.
const (
	upMargin    = 1.1
	keyWait     = 100 * time.Millisecond // for a key frame of another encoding
	keySize     = 3.0                    // times a frame
	upFailed    = 5 * time.Second        // within which a way down means that the way up was wrong
	holdFirst   = 5 * time.Second        // after that
	holdLongest = time.Minute
	retry       = 1.3 // times the budget that was wrong is worth another try at once
)

// Layered is the model of a sender that forwards the highest layer that fits: down at once, up with a
// margin and a back-off that grows.
type Layered struct {
	Clock    *Clock
	Layers   []Layer
	Audio    bool
	Current  int
	Switches int
	Changes  []Change

	wish  int // of another encoding, from a key frame on
	keyAt mono.Time
	upAt  mono.Time
	hold  time.Duration
	until mono.Time
	key   bool

	risen, failed float64 // budgets of the last way up, and of the last that was wrong
}

// Change is a switch to a layer.
type Change struct {
	At    time.Duration
	Layer int
}

// Frame implements Source.
func (s *Layered) Frame(now mono.Time, e bwe.Estimate) (int, time.Duration) {
	s.choose(now, float64(e.Target)-s.sound())
	l := s.Layers[s.Current]
	if s.wish < s.Current {
		return 0, l.Every // what does not fit is not sent while the key frame is awaited
	}
	noise := min(max(1+0.1*s.Clock.Rand.NormFloat64(), 0.5), 1.5)
	bytes := l.Rate / 8 * l.Every.Seconds() * noise
	if s.key {
		bytes, s.key = bytes*keySize, false
	}
	return max(int(bytes)-(int(bytes)/(payload+headers)+1)*headers, 50), l.Every
}

func (s *Layered) sound() float64 {
	if s.Audio {
		return AudioRate
	}
	return 0
}

func (s *Layered) choose(now mono.Time, budget float64) {
	best, fits := 0, 0
	for i, l := range s.Layers {
		if l.Rate <= budget {
			fits = i
		}
		if l.Rate*upMargin <= budget {
			best = i
		}
	}
	goal := s.wish
	switch {
	case s.Layers[s.wish].Rate > budget:
		goal = fits
	case best > s.wish && (now >= s.until || budget > retry*s.failed):
		goal = best
	}
	if goal != s.wish {
		s.decide(now, goal, budget)
	}
	if s.wish != s.Current && now >= s.keyAt {
		s.key = s.Layers[s.wish].Encoding != s.Layers[s.Current].Encoding
		s.Current = s.wish
		s.Switches++
		s.Changes = append(s.Changes, Change{s.Clock.Elapsed(), s.Current})
	}
}

func (s *Layered) decide(now mono.Time, goal int, budget float64) {
	if goal < s.wish {
		if s.upAt != 0 && now.Sub(s.upAt) < upFailed {
			s.hold = min(max(2*s.hold, holdFirst), holdLongest)
			s.until, s.failed = now.Add(s.hold), s.risen
		}
	} else {
		if now.Sub(s.until) > holdLongest {
			s.hold = 0
		}
		s.upAt, s.risen = now, budget
	}
	if s.Layers[goal].Encoding == s.Layers[s.Current].Encoding {
		s.keyAt = now
	} else if s.Layers[goal].Encoding != s.Layers[s.wish].Encoding {
		s.keyAt = now.Add(keyWait)
	}
	s.wish = goal
}

// Want implements Source.
func (s *Layered) Want() uint64 {
	if s.wish+1 >= len(s.Layers) {
		return 0
	}
	return uint64((s.Layers[s.wish+1].Rate*upMargin + s.sound()) * 1.05)
}
