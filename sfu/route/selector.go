package route

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// DefaultFallback is how long a substream may be silent before a lower one is
// taken instead.
const DefaultFallback = 250 * time.Millisecond

// selector chooses which packets of a layered source a subscription gets. The
// zero value has to be reset before use.
type selector struct {
	target   media.Layer   // what the subscriber wants, -1 = highest
	current  media.Layer   // what it gets
	lowered  int8          // substream taken while the wanted one is silent, -1 = none
	fallback time.Duration // silence before lowering
	silent   mono.Time     // since when only lower substreams have arrived, 0 = they have not
	seen     [maxSpatial]mono.Time
}

const (
	maxSubstream = media.MaxEncodings - 1
	maxSpatial   = 8
	maxTemporal  = 7
)

// choice is the verdict on one packet.
type choice struct {
	forward  bool
	rebase   bool // first packet of another substream
	changed  bool // current layer is a new one: tell the subscriber
	keyframe bool // a key frame is needed to get on
	marker   bool // last packet of the picture as forwarded
}

func (s *selector) reset() {
	s.current, s.lowered, s.silent = media.NoLayer, -1, 0
	s.seen = [maxSpatial]mono.Time{}
}

// want sets the target; it reports whether a key frame may be needed for it.
func (s *selector) want(t media.Layer, fallback time.Duration) bool {
	up := highest(t.Substream, maxSubstream) != highest(s.target.Substream, maxSubstream) ||
		highest(t.Spatial, maxSpatial-1) != highest(s.target.Spatial, maxSpatial-1)
	s.target = t
	if s.fallback = fallback; fallback <= 0 {
		s.fallback = DefaultFallback
	}
	if s.lowered >= 0 && s.lowered >= highest(t.Substream, maxSubstream) {
		s.lowered = -1
	}
	return up
}

func highest(wish int8, most int8) int8 {
	if wish < 0 || wish > most {
		return most
	}
	return wish
}

// simulcast decides on a packet of a source with several encodings.
func (s *selector) simulcast(now mono.Time, p *Packet) (c choice) {
	sub, want := int8(p.Encoding), highest(s.target.Substream, maxSubstream)
	if s.lowered >= 0 && sub > s.lowered && sub <= want && sub != s.current.Substream {
		s.lowered = -1 // the wanted stream is back
	}
	// A pause of the whole source, on the network or in the encoder, is not
	// silence of the current substream alone.
	if sub < s.current.Substream && s.silent == 0 {
		s.silent = now
	}
	if s.current.Substream > 0 && s.silent != 0 && now.Sub(s.silent) > s.fallback {
		below := want
		if s.lowered >= 0 {
			below = s.lowered
		}
		if below = min(below, s.current.Substream) - 1; below >= 0 && below != s.lowered {
			s.lowered = below
			c.keyframe = true
			s.silent = now // one step down for each silence
		}
	}
	if s.lowered >= 0 {
		want = min(want, s.lowered)
	}
	cur := s.current.Substream
	if sub != cur {
		towards := cur < 0 || sub > cur && sub <= want || sub < cur && sub >= want
		if !towards {
			return c
		}
		if !p.Info.Keyframe {
			c.keyframe = true
			return c
		}
		s.current.Substream, s.current.Temporal = sub, -1
		c.rebase, c.changed = true, true
	}
	s.silent = 0
	if !s.temporal(p, &c) {
		return c
	}
	c.forward, c.marker = true, p.Marker
	return c
}

// temporal decides by the packet's temporal layer and moves the current one
// towards the target at pictures where that is safe.
func (s *selector) temporal(p *Packet, c *choice) bool {
	if !p.Info.HasTemporal {
		return true
	}
	tid, want, cur := p.Info.Temporal, highest(s.target.Temporal, maxTemporal), s.current.Temporal
	switch {
	case cur < 0:
		if tid > want {
			return false
		}
		s.current.Temporal, c.changed = tid, true
	case want < cur && p.Info.FrameStart:
		s.current.Temporal, c.changed = want, true
	case tid > cur && tid <= want && p.Info.SwitchUp && cur >= p.Info.UpFrom && tid <= p.Info.UpTo:
		s.current.Temporal, c.changed = tid, true
	}
	return tid <= s.current.Temporal
}

// svc decides on a packet of one stream that carries several spatial layers.
func (s *selector) svc(now mono.Time, p *Packet) (c choice) {
	if !p.Info.HasSpatial {
		c.forward = s.temporal(p, &c)
		c.marker = p.Marker
		return c
	}
	sid := min(max(p.Info.Spatial, 0), maxSpatial-1)
	s.seen[sid] = now
	if p.Info.Keyframe { // its picture has all layers that are announced
		for i := range min(p.Info.Spatials, maxSpatial) {
			s.seen[i] = now
		}
	}
	want := s.available(now, highest(s.target.Spatial, maxSpatial-1))
	cur := s.current.Spatial
	switch {
	case p.Info.Keyframe && want != cur:
		s.current.Spatial, c.changed = want, true
	case cur < 0:
		c.keyframe = true
		return c
	case want > cur:
		c.keyframe = true
	case want < cur && s.mayStepDown(p):
		// This layer frame is the last one of its picture that is forwarded.
		if sid <= cur {
			c.forward, c.marker = s.temporal(p, &c), true
		}
		s.current.Spatial, c.changed = want, true
		return c
	}
	if sid > s.current.Spatial || !s.temporal(p, &c) {
		return c
	}
	c.forward = true
	c.marker = p.Marker || p.Info.FrameEnd && sid == s.current.Spatial
	return c
}

// available lowers want to the highest spatial layer that still arrives.
func (s *selector) available(now mono.Time, want int8) int8 {
	for want > 0 && (s.seen[want] == 0 || now.Sub(s.seen[want]) >= s.fallback) {
		want--
	}
	return want
}

func (s *selector) mayStepDown(p *Packet) bool {
	if p.Codec == media.VP9 && !p.Info.Flexible {
		return p.Info.Keyframe
	}
	return p.Info.FrameEnd
}
