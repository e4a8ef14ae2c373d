package route

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// DefaultFallback is how long an encoding may be silent before another one is
// taken instead.
const DefaultFallback = 250 * time.Millisecond

// selector chooses which packets of a layered track a subscription gets. The
// zero value has to be reset before use.
type selector struct {
	wish     media.Layer   // the subscriber's wish, -1 = highest
	ceiling  media.Layer   // the most that it is given, -1 = no limit
	target   media.Layer   // the lower of both
	current  media.Layer   // forwarded
	reach    int8          // highest temporal layer that it can take
	picture  verdict       // on the newest picture that has a temporal layer
	newest   place         // in the stream
	top      int8          // highest spatial layer of it that was forwarded, -1 = none
	parting  parting       // where the spatial layer last went down
	changes  [4]change     // of the layers that can be taken, the latest first
	urgent   bool          // an encoding above the target is not sent until another one begins
	cut      bool          // nothing is, before a key frame
	fallback time.Duration // silence after which a layer counts as not sent

	last   mono.Time                 // when a packet of any layer came, 0 = none yet
	silent [maxSpatial]time.Duration // how long others came and this encoding, or spatial layer, did not
}

const (
	maxEncoding = media.MaxEncodings - 1
	maxSpatial  = 8
	maxTemporal = 7

	never = time.Duration(1 << 62) // silence of a layer that never came
)

// place is a picture of a stream.
type place struct {
	ssrc, timestamp uint32
	known           bool
}

func placeOf(p *Packet) place { return place{ssrc: p.SSRC, timestamp: p.Timestamp, known: true} }

// after reports whether p is of a picture not long before this one.
func (l *place) after(p *Packet) bool {
	const long = 90000 // a second; beyond that it is another clock
	d := int32(p.Timestamp - l.timestamp)
	return l.known && l.ssrc == p.SSRC && d < 0 && d > -long
}

// verdict is whether a picture is forwarded, as far as its temporal layer goes: all
// of its packets, in whatever order they come, or none.
type verdict struct {
	place
	forward bool
}

// change is the highest layers before a picture. Packets that come late are judged
// by the change in force for their picture.
type change struct {
	place
	spatial, temporal int8
}

// parting is the last picture with a spatial layer, and how much of that picture
// is taken.
type parting struct {
	place
	spatial int8
}

// choice is the verdict on one packet.
type choice struct {
	forward  bool
	rebase   bool // first packet of another encoding
	changed  bool // current layer is a new one: inform the subscriber
	keyframe bool // a key frame is needed to get on
	marker   bool // last packet of the picture as forwarded
}

func (s *selector) reset() {
	s.current, s.last, s.cut = media.NoLayer, 0, false
	s.picture, s.newest, s.parting = verdict{}, place{}, parting{}
	s.changes = [len(s.changes)]change{}
	for i := range s.silent {
		s.silent[i] = never
	}
}

// want sets the wish; it reports whether a key frame may be needed for it.
func (s *selector) want(t media.Layer, fallback time.Duration) bool {
	if s.fallback = fallback; fallback <= 0 {
		s.fallback = DefaultFallback
	}
	s.wish = t
	return s.aim()
}

// limit sets the ceiling; it reports whether a key frame may be needed for it.
func (s *selector) limit(most media.Layer) bool {
	s.ceiling = most
	return s.aim()
}

// aim sets the target; it reports whether a key frame may be needed for it.
func (s *selector) aim() bool {
	t := media.Layer{
		Encoding: lower(s.wish.Encoding, s.ceiling.Encoding),
		Spatial:  lower(s.wish.Spatial, s.ceiling.Spatial),
		Temporal: lower(s.wish.Temporal, s.ceiling.Temporal),
	}
	other := highest(t.Encoding, maxEncoding) != highest(s.target.Encoding, maxEncoding) ||
		highest(t.Spatial, maxSpatial-1) != highest(s.target.Spatial, maxSpatial-1)
	s.target = t
	return other
}

// lower returns the lower of two limits, of which a negative one is none.
func lower(a, b int8) int8 {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

func highest(wish int8, most int8) int8 {
	if wish < 0 || wish > most {
		return most
	}
	return wish
}

// hear notes that a packet of an encoding, or spatial layer, came. A pause of the
// whole track, on the network or in the encoder, is not the silence of one layer:
// it counts for half of the necessary time.
func (s *selector) hear(now mono.Time, layer int8) {
	gap := time.Duration(0)
	if s.last != 0 {
		gap = min(max(now.Sub(s.last), 0), s.fallback/2)
	}
	s.last = now
	if gap > 0 {
		for i := range s.silent {
			s.silent[i] = min(s.silent[i]+gap, never)
		}
	}
	s.silent[layer] = 0
}

// sent reports whether an encoding, or spatial layer, is being sent.
func (s *selector) sent(layer int8) bool { return layer >= 0 && s.silent[layer] <= s.fallback }

// best is the encoding to get to: the highest one that is sent up to the
// target; if there is none, the lowest one that is sent at all.
func (s *selector) best() int8 {
	want := highest(s.target.Encoding, maxEncoding)
	for sub := want; sub >= 0; sub-- {
		if s.sent(sub) {
			return sub
		}
	}
	for sub := want + 1; sub < maxEncoding; sub++ {
		if s.sent(sub) {
			return sub
		}
	}
	return maxEncoding
}

// towards reports whether a change to an encoding is for the better. While there
// is no picture, or it stands still, any is that up to the wanted one.
func (s *selector) towards(sub int8) bool {
	cur, best := s.current.Encoding, s.best()
	switch {
	case cur < 0:
		return true
	case s.cut, !s.sent(cur):
		return sub <= max(best, highest(s.target.Encoding, maxEncoding))
	}
	return sub > cur && sub <= best || sub < cur && sub >= best
}

// simulcast decides on a packet of a track with several encodings.
func (s *selector) simulcast(now mono.Time, p *Packet) (c choice) {
	sub := int8(p.Encoding)
	s.hear(now, sub)
	s.cut = s.cut || s.urgent && s.tooHigh(p)
	if sub != s.current.Encoding || s.cut {
		if !s.towards(sub) {
			return c
		}
		if !p.Info.Keyframe {
			c.keyframe = true
			return c
		}
		c.rebase, c.changed = true, sub != s.current.Encoding
		s.current.Encoding, s.current.Temporal, s.cut = sub, -1, false
	}
	c.forward, c.marker = s.single(p, &c), p.Marker
	return c
}

// tooHigh reports whether p begins a picture of the current encoding though a lower one is
// to be had.
func (s *selector) tooHigh(p *Packet) bool {
	sub := int8(p.Encoding)
	return sub == s.current.Encoding && sub > s.best() && placeOf(p) != s.newest
}

// single decides on a packet of a stream without spatial layers.
func (s *selector) single(p *Packet, c *choice) bool {
	if s.late(p) && s.current.Temporal >= 0 {
		_, temporal := s.then(p)
		return p.Info.Temporal <= temporal
	}
	return s.temporal(p, c)
}

// opaque decides on a packet of a track with several encodings that cannot be
// looked into: it stays with the first one for as long as that is sent.
func (s *selector) opaque(now mono.Time, p *Packet) (c choice) {
	sub := int8(p.Encoding)
	s.hear(now, sub)
	if sub != s.current.Encoding {
		if s.sent(s.current.Encoding) {
			return c
		}
		c.rebase, c.keyframe = true, s.current.Encoding >= 0
		s.current.Encoding = sub
	}
	c.forward, c.marker = true, p.Marker
	return c
}

// late takes note of a packet's picture, and reports whether a newer one came before.
func (s *selector) late(p *Packet) bool {
	if s.newest.after(p) {
		return true
	}
	if n := placeOf(p); n != s.newest {
		s.newest, s.top = n, -1
	}
	return false
}

// changing has to come before the layers that can be taken change with p.
func (s *selector) changing(p *Packet) {
	if s.changes[0].place == placeOf(p) {
		return
	}
	copy(s.changes[1:], s.changes[:])
	s.changes[0] = change{placeOf(p), s.current.Spatial, s.reach}
}

// then returns the highest layers that were in force for a late packet.
func (s *selector) then(p *Packet) (spatial, temporal int8) {
	spatial, temporal = s.current.Spatial, s.reach
	for i := range s.changes {
		c := &s.changes[i]
		if !c.after(p) {
			break
		}
		spatial, temporal = c.spatial, c.temporal
	}
	if s.parting.place == placeOf(p) {
		spatial = s.parting.spatial
	}
	return spatial, temporal
}

// temporal decides by the packet's temporal layer, and moves the highest one that can be taken
// towards the target at pictures where that is safe. It is not for late packets.
func (s *selector) temporal(p *Packet, c *choice) bool {
	if !p.Info.HasTemporal {
		return true
	}
	tid, want := p.Info.Temporal, highest(s.target.Temporal, maxTemporal)
	same := s.picture.place == placeOf(p)
	switch {
	case s.current.Temporal < 0:
		if tid > want {
			return false
		}
		s.reach, same = tid, false
	case want < s.reach && p.Info.FrameStart && !same:
		s.changing(p)
		s.reach = want
		if want < s.current.Temporal {
			s.current.Temporal, c.changed = want, true
		}
	}
	if want > s.reach && s.reach < p.Info.UpTo && s.mayStepUp(p) && (!same || tid <= s.reach) {
		s.changing(p)
		s.reach = min(want, p.Info.UpTo)
	}
	if !same {
		s.picture = verdict{placeOf(p), tid <= s.reach}
	}
	if s.picture.forward && tid > s.current.Temporal {
		s.current.Temporal, c.changed = tid, true
	}
	return s.picture.forward
}

// mayStepUp reports whether more temporal layers can be taken from p on. With
// spatial layers a frame speaks for the frames after it in its own one.
func (s *selector) mayStepUp(p *Packet) bool {
	i := &p.Info
	return i.SwitchUp && s.reach >= i.UpFrom && (i.Keyframe || i.Temporal > s.reach || i.Spatial >= s.current.Spatial)
}

// svc decides on a packet of one stream that carries several spatial layers.
func (s *selector) svc(now mono.Time, p *Packet) (c choice) {
	if !p.Info.HasSpatial {
		c.forward, c.marker = s.single(p, &c), p.Marker
		return c
	}
	sid := min(max(p.Info.Spatial, 0), maxSpatial-1)
	s.hear(now, sid)
	if n := p.Info.Spatials; n > 0 && p.Info.Keyframe { // its picture has just the layers that are announced
		for i := range s.silent {
			s.silent[i] = never
		}
		clear(s.silent[:min(n, maxSpatial)])
	}
	want := s.available(highest(s.target.Spatial, maxSpatial-1))
	cur := s.current.Spatial
	begun := s.newest == placeOf(p) // packets of the picture came before
	if s.late(p) && cur >= 0 {
		spatial, temporal := s.then(p)
		c.forward = sid <= spatial && p.Info.Temporal <= temporal
		c.marker = p.Marker || p.Info.FrameEnd && sid == spatial
		c.keyframe = p.Info.Keyframe && want > cur // this one is no use any more
		return c
	}
	switch {
	case p.Info.Keyframe && want != cur && (cur < 0 || !begun):
		s.changing(p)
		s.current.Spatial, c.changed = want, true
	case cur < 0:
		c.keyframe = true
		return c
	case want > cur:
		c.keyframe = true
	case want < cur && s.top <= sid && s.mayStepDown(p):
		// This layer frame is the last one of its picture that is forwarded.
		if sid <= cur {
			c.forward, c.marker = s.temporal(p, &c), true
		}
		s.changing(p)
		s.parting = parting{placeOf(p), min(sid, cur)}
		s.current.Spatial, c.changed = want, true
		return c
	}
	top := s.current.Spatial
	if s.parting.place == placeOf(p) {
		top = s.parting.spatial
	}
	if sid > top || !s.temporal(p, &c) {
		return c
	}
	c.forward, s.top = true, max(s.top, sid)
	c.marker = p.Marker || p.Info.FrameEnd && sid == top
	return c
}

// available lowers want to the highest spatial layer that still arrives.
func (s *selector) available(want int8) int8 {
	for want > 0 && !s.sent(want) {
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
