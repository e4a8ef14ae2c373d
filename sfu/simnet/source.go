package simnet

import (
	"slices"
	"time"

	"bifrons/rtp/bwe"
	"bifrons/rtp/mono"
	"bifrons/sfu/allot"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
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

// Layer is a layer that a Layered source can choose.
type Layer struct {
	Rate     float64 // bit/s of all packets
	Every    time.Duration
	Encoding int // changes between encodings wait for a key frame
}

// Simulcast is the simulcast that browsers send of 720p: three encodings with temporal layers. The
// lowest temporal layer of the higher encodings, 7.5 frames a second, is no choice.
var Simulcast = []Layer{
	{60e3, 4 * frameEvery, 0}, {90e3, 2 * frameEvery, 0}, {150e3, frameEvery, 0},
	{300e3, 2 * frameEvery, 1}, {500e3, frameEvery, 1},
	{1500e3, 2 * frameEvery, 2}, {2500e3, frameEvery, 2},
}

// Constants of a switch of encodings.
const (
	keyWait = 100 * time.Millisecond // for a key frame of another encoding
	keySize = 3.0                    // times a frame
)

// Layered is the model of a sender that forwards the layers that an allot.Allotter gives.
type Layered struct {
	Clock    *Clock
	Layers   []Layer
	Audio    bool
	Current  int
	Switches int
	Changes  []Change

	allot   allot.Allotter
	streams []allot.Stream
	shares  []allot.Share
	want    uint64
	wish    int // of another encoding, from a key frame on
	keyAt   mono.Time
	key     bool
}

// Change is a switch to a layer.
type Change struct {
	At    time.Duration
	Layer int
}

// Frame implements Source.
func (s *Layered) Frame(now mono.Time, e bwe.Estimate) (int, time.Duration) {
	s.choose(now, e)
	l := s.Layers[s.Current]
	if s.wish < s.Current || s.shares[0].Pause {
		return 0, l.Every // layers that do not fit are not sent while the key frame is awaited
	}
	noise := min(max(1+0.1*s.Clock.Rand.NormFloat64(), 0.5), 1.5)
	bytes := l.Rate / 8 * l.Every.Seconds() * noise
	if s.key {
		bytes, s.key = bytes*keySize, false
	}
	return max(int(bytes)-(int(bytes)/(payload+headers)+1)*headers, 50), l.Every
}

// begin gives the allotter the layers.
func (s *Layered) begin() {
	video := allot.Stream{Video: true, Wish: media.NoLayer}
	temporal := int8(0)
	for i, l := range s.Layers {
		if temporal++; i == 0 || s.Layers[i-1].Encoding != l.Encoding {
			temporal = 0
		}
		video.Rates = append(video.Rates, route.Rate{
			Layer: media.Layer{Encoding: int8(l.Encoding), Spatial: -1, Temporal: temporal},
			Peak:  uint64(l.Rate), Recent: uint64(l.Rate), Frames: 1 / l.Every.Seconds(),
		})
	}
	s.streams = append(s.streams, video)
	if s.Audio {
		s.streams = append(s.streams, allot.Stream{Rates: []route.Rate{{Peak: AudioRate}}})
	}
	s.shares = make([]allot.Share, len(s.streams))
}

func (s *Layered) choose(now mono.Time, e bwe.Estimate) {
	if s.streams == nil {
		s.begin()
	}
	s.want = s.allot.Divide(now, allot.Line{Target: e.Layers, Sure: e.Sure}, s.streams, s.shares)
	goal := slices.IndexFunc(s.streams[0].Rates, func(r route.Rate) bool { return r.Layer == s.shares[0].Ceiling })
	if goal != s.wish {
		if s.Layers[goal].Encoding == s.Layers[s.Current].Encoding {
			s.keyAt = now
		} else if s.Layers[goal].Encoding != s.Layers[s.wish].Encoding {
			s.keyAt = now.Add(keyWait)
		}
		s.wish = goal
	}
	if s.wish != s.Current && now >= s.keyAt {
		s.key = s.Layers[s.wish].Encoding != s.Layers[s.Current].Encoding
		s.Current = s.wish
		s.Switches++
		s.Changes = append(s.Changes, Change{s.Clock.Elapsed(), s.Current})
	}
}

// Want implements Source.
func (s *Layered) Want() uint64 { return s.want }
