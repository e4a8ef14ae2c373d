package route

import (
	"time"

	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// Outgoing is how an incoming packet leaves on a subscription.
type Outgoing struct {
	Seq       uint64 // extended outgoing sequence number; the high bits are the rollover counter
	Timestamp uint32
	Marker    bool
	Rewrite   bool // PictureID and TL0 replace those of a VP8 descriptor
	PictureID uint16
	TL0       uint8
}

// Sink is the sending half of a peer's media section.
type Sink interface {
	// Send sends a packet; p is lent for the call.
	Send(now mono.Time, p *Packet, o Outgoing)
	// Fill sends a packet of padding only, to close the gap of one left out.
	Fill(now mono.Time, p *Packet, o Outgoing)
	// LayerChanged reports that another layer is forwarded from now on.
	LayerChanged(current, available media.Layer)
}

// Subscription forwards one track to one sink, in continuous numbering that
// survives changes of the track, of layers, and pauses. It is used by one
// shard only.
type Subscription struct {
	sink    Sink
	ahead   Preloader // the sink, nil = it reads nothing ahead
	track   *Track
	paused  bool   // by who gets it
	held    bool   // by who knows that it would not get through
	once    bool   // the sink asks for nothing again
	patient bool   // it does not mind if packets come some ms later
	wishes  uint64 // changes of the wish
	demand  uint64 // bit/s that the sink can take, 0 = anything

	sel   selector
	vp8   codec.VP8Munger
	layer media.Layer // numbers of layers of the track, as far as known

	ssrc     uint32 // of the stream that the numbering is based on
	encoding uint8
	open     bool      // a key frame has passed, or none is needed
	rebase   bool      // next packet starts a new base
	moved    bool      // to another track since the last packet
	since    mono.Time // of the last attachment or pause: nothing older is sent

	tsDelta  uint32 // outgoing = incoming - tsDelta
	lastTS   uint32 // outgoing
	lastSent mono.Time
	sent     bool
	ended    bool // the last packet sent completes a picture

	num numberer
}

// NewSubscription makes a subscription that feeds sink.
func NewSubscription(sink Sink) *Subscription {
	s := &Subscription{sink: sink}
	s.ahead, _ = sink.(Preloader)
	s.sel.reset()
	s.sel.ceiling = media.NoLayer
	s.sel.want(media.NoLayer, 0)
	return s
}

// Once says, before Attach, that the sink takes each packet once and never asks for it
// again: for it alone a track need not keep packets.
func (s *Subscription) Once() { s.once = true }

// Patient says, before Attach, that the sink does not mind if packets come some ms
// later.
func (s *Subscription) Patient() { s.patient = true }

// Track returns the track that is forwarded, nil if none.
func (s *Subscription) Track() *Track { return s.track }

// Layer returns the layer that is forwarded; -1 where it does not apply.
func (s *Subscription) Layer() media.Layer { return s.sel.current }

// Wish returns the layer that the subscriber wants; -1 is the highest.
func (s *Subscription) Wish() media.Layer { return s.sel.wish }

// Attach makes t the track, in place of another one. The numbering continues.
func (s *Subscription) Attach(now mono.Time, t *Track) {
	if s.track == t {
		return
	}
	s.detach()
	t.Flush(now) // packets under way are not for this one, or are among the kept ones
	s.track = t
	t.subs = append(t.subs, s)
	s.restart()
	s.since = now
	t.Demanded(now)
	if s.flows() {
		t.RequestKeyframe(now)
		t.replay(now, s)
	}
}

// Expect notes that another track is wanted, which will be attached later, and
// returns what Expects then has to be asked.
func (s *Subscription) Expect() uint64 {
	s.wishes++
	return s.wishes
}

// Expects reports whether nothing else has been wanted since.
func (s *Subscription) Expects(wish uint64) bool { return s.wishes == wish }

// Detach ends the forwarding; the numbering is kept for a later Attach.
func (s *Subscription) Detach() {
	s.wishes++
	s.detach()
}

func (s *Subscription) detach() {
	if s.track == nil {
		return
	}
	subs := s.track.subs
	for i := range subs {
		if subs[i] == s {
			s.track.subs = append(subs[:i], subs[i+1:]...)
			break
		}
	}
	s.track, s.demand = nil, 0
}

func (s *Subscription) restart() {
	s.sel.reset()
	s.open, s.rebase, s.moved = false, true, true
}

// Renumber starts the outgoing sequence again, for a sink with another SSRC.
func (s *Subscription) Renumber() {
	s.num.next, s.rebase = 1, true
}

// SetPaused stops or resumes forwarding. After a pause a new key frame is
// asked for.
func (s *Subscription) SetPaused(now mono.Time, paused bool) {
	if s.paused == paused {
		return
	}
	s.paused = paused
	s.resume(now)
}

// Paused reports whether forwarding is stopped by SetPaused.
func (s *Subscription) Paused() bool { return s.paused }

// SetHeld is SetPaused for who knows that nothing would get through; both count.
func (s *Subscription) SetHeld(now mono.Time, held bool) {
	if s.held == held {
		return
	}
	s.held = held
	s.sel.cut = s.sel.current.Encoding >= 0 // go on with the layers that get through
	s.resume(now)
}

// flows reports whether anything is forwarded.
func (s *Subscription) flows() bool { return !s.paused && !s.held }

// resume starts again after a pause, if it is over.
func (s *Subscription) resume(now mono.Time) {
	if !s.flows() {
		return
	}
	s.open, s.rebase, s.since = false, true, now
	if s.track != nil {
		s.track.RequestKeyframe(now)
	}
}

// SetTarget chooses the layers to forward; -1 is the highest there is.
// fallback is the silence after which another encoding is taken, 0 = default.
func (s *Subscription) SetTarget(now mono.Time, t media.Layer, fallback time.Duration) {
	if s.sel.want(t, fallback) && s.track != nil {
		s.track.RequestKeyframe(now)
	}
}

// SetCeiling sets the highest layers to forward, whatever the target; -1 is no
// limit. It stays with the subscription when track or target change. As with the
// target, where the track has no encoding so low, the lowest one is taken.
func (s *Subscription) SetCeiling(now mono.Time, most media.Layer) {
	if s.sel.limit(most) && s.track != nil {
		s.track.RequestKeyframe(now)
	}
}

// Add returns the number and timestamp of a packet of padding that the sink sends by itself,
// behind everything so far. It can be between two pictures only.
func (s *Subscription) Add() (o Outgoing, ok bool) {
	if !s.sent || !s.ended {
		return o, false
	}
	return Outgoing{Seq: s.num.add(), Timestamp: s.lastTS}, true
}

// SetUrgent says that an encoding above the ceiling does not get through: it ends at once
// and not, as otherwise, with the first key frame of the one that is to come.
func (s *Subscription) SetUrgent(urgent bool) { s.sel.urgent = urgent }

// arrive takes a packet that has just come.
func (s *Subscription) arrive(now mono.Time, p *Packet) {
	if p.Resumed && p.Encoding == s.encoding {
		s.open, s.rebase = false, true
	}
	s.forward(now, p)
}

// forward decides on one packet of the track and sends it on.
func (s *Subscription) forward(now mono.Time, p *Packet) {
	if !s.flows() {
		return
	}
	c := s.choose(now, p)
	if c.keyframe {
		s.track.RequestKeyframe(now)
	}
	if c.forward {
		if began := s.send(now, p, c); began && p.Info.Keyframe {
			s.catchUp(now, p)
		}
	} else if p.Encoding == s.encoding && p.SSRC == s.ssrc && !s.rebase {
		s.leaveOut(now, p)
	}
	if learned := p.Info.Keyframe && s.learn(p); learned || c.changed {
		s.sink.LayerChanged(s.sel.current, s.layer)
	}
}

func (s *Subscription) choose(now mono.Time, p *Packet) choice {
	t := s.track
	switch {
	case t.Simulcast && (t.Encrypted || !p.Codec.Inspected()):
		s.open = true
		return s.sel.opaque(now, p)
	case t.Kind != media.Video || t.Encrypted || !p.Read:
		if t.Simulcast && (p.Encoding != s.encoding || !s.open) {
			return choice{}
		}
		s.open = true
		return choice{forward: true, marker: p.Marker}
	case t.Simulcast:
		c := s.sel.simulcast(now, p)
		if c.forward && !s.open && !p.Info.Keyframe {
			return choice{keyframe: true, changed: c.changed}
		}
		s.open = s.open || c.forward
		return c
	case !s.open && !p.Info.Keyframe:
		return choice{keyframe: true}
	}
	s.open = true
	if t.SVC {
		return s.sel.svc(now, p)
	}
	return choice{forward: true, marker: p.Marker}
}

// catchUp forwards the packets before the start p of its key frame, which was
// late. Nobody else would: it was passed over, so the receiver could ask for it
// in vain.
func (s *Subscription) catchUp(now mono.Time, p *Packet) {
	cache, encoding, ssrc := &s.track.caches[p.Encoding], p.Encoding, p.SSRC
	for seq, end := p.Seq+1, min(cache.highest, p.Seq+maxCache); seq <= end; seq++ {
		q := cache.at(seq)
		if q == nil || q.SSRC != ssrc || q.Arrival < s.since || s.track.waits(q) {
			continue
		}
		if s.forward(now, q); s.track == nil || s.encoding != encoding {
			return
		}
	}
}

// send numbers p and hands it to the sink; it reports whether a new base began.
func (s *Subscription) send(now mono.Time, p *Packet, c choice) (began bool) {
	if s.rebase || c.rebase || p.SSRC != s.ssrc || p.Encoding != s.encoding {
		s.base(p)
		began = true
	}
	seq, ok := s.num.use(p.Seq)
	if !ok {
		return began
	}
	o := Outgoing{Seq: seq, Timestamp: p.Timestamp - s.tsDelta, Marker: c.marker}
	if p.Codec == media.VP8 && p.Read {
		var ok bool
		if o.PictureID, o.TL0, ok = s.vp8.Map(&p.VP8); !ok {
			s.sink.Fill(now, p, o)
			return began
		}
		o.Rewrite = o.PictureID != p.VP8.PictureID || o.TL0 != p.VP8.TL0PICIDX
	}
	if int32(o.Timestamp-s.lastTS) > 0 || began || !s.sent {
		s.lastTS, s.lastSent, s.sent = o.Timestamp, p.Arrival, true
	}
	s.ended = o.Marker
	s.sink.Send(now, p, o)
	return began
}

// base starts a new base at p: numbers continue without a gap, the timestamp by
// the time that has passed, except that one stream after a pause keeps its own
// clock.
func (s *Subscription) base(p *Packet) {
	same := s.sent && !s.moved && p.SSRC == s.ssrc && p.Encoding == s.encoding
	s.num.rebase(p.Seq)
	if p.Codec == media.VP8 {
		s.vp8.Switch()
		if !s.sent && p.Read {
			s.vp8.Adopt(&p.VP8)
		}
	}
	if !same {
		ts := uint32(0)
		if s.sent {
			ts = s.lastTS + uint32(max(s.passed(p), 1))
		}
		s.tsDelta = p.Timestamp - ts
	}
	s.ssrc, s.encoding, s.rebase, s.moved = p.SSRC, p.Encoding, false, false
}

// passed returns how much later than the last one sent p is due, in timestamp
// units. When p is late, its stream's newest packet decides.
func (s *Subscription) passed(p *Packet) int64 {
	newest := p
	if c := &s.track.caches[p.Encoding]; c.highest > p.Seq {
		if q := c.at(c.highest); q != nil && q.SSRC == p.SSRC {
			newest = q
		}
	}
	units := mono.Ticks(newest.Arrival.Sub(s.lastSent), s.track.ClockRate)
	return units - int64(int32(newest.Timestamp-p.Timestamp))
}

// leaveOut closes the gap of a packet that is not forwarded.
func (s *Subscription) leaveOut(now mono.Time, p *Packet) {
	if p.Codec == media.VP8 && p.Read {
		s.vp8.Drop(&p.VP8)
	}
	if seq, fill := s.num.skip(p.Seq); fill {
		s.sink.Fill(now, p, Outgoing{Seq: seq, Timestamp: p.Timestamp - s.tsDelta})
	}
}

// learn notes how many layers the track has; it reports whether that is new.
func (s *Subscription) learn(p *Packet) bool {
	l := media.Layer{Encoding: int8(s.track.encodings), Spatial: p.Info.Spatials, Temporal: p.Info.Temporals}
	if l.Spatial == 0 {
		l.Spatial = s.layer.Spatial
	}
	if l.Temporal == 0 {
		l.Temporal = s.layer.Temporal
	}
	changed := (s.track.Simulcast || s.track.SVC) && l != s.layer
	s.layer = l
	return changed
}
