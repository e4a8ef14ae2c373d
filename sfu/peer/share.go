package peer

import (
	"slices"
	"time"

	"bifrons/rtp/bwe"
	"bifrons/rtp/mono"
	"bifrons/sfu/allot"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// Weight is how a section counts where the line does not carry everything.
type Weight struct {
	Priority int    // its share is in proportion; below 1 is 1
	Max      uint64 // bit/s, the most that it gets, 0 = no bound
}

// Share is a section's part of the line.
type Share struct {
	Weight
	Ceiling  media.Layer // -1 = none
	Rate     uint64      // bit/s that it is counted with
	Room     uint64      // bit/s that it could take while the others stay as they are
	Paused   bool        // the line does not carry it
	Limited  bool        // the line carries less of it than is sent and wanted; only in snapshots
	Pauses   uint64
	Switches uint64 // of encodings and layers, for whatever reason
}

const (
	// divideLeast is how often the line is divided again at least while video flows.
	divideLeast = 100 * time.Millisecond
	// fullQueue is how long packets wait where nothing more is to be sent.
	fullQueue = 100 * time.Millisecond
	// patience is how long feedback is awaited before the line is taken to be unknown.
	patience = 2 * time.Second
	// largeLong is how long a picture waits to leave slowly until it is sure that the line carries
	// less than is sent.
	largeLong = 2 * time.Second
)

// lowest is the layer to begin with on a line that is not known yet.
var lowest = media.Layer{Encoding: 0, Spatial: 0, Temporal: -1}

// SetShare changes how a section counts. It stays with the section.
func (p *Peer) SetShare(now mono.Time, index int, w Weight) {
	s := p.section(index)
	if s == nil || p.closed {
		return
	}
	s.share.Weight = w
	if p.line != nil {
		p.line.divide(now)
	}
}

// heard reports whether the remote gives any feedback.
func (l *line) heard() bool { return l.transport || l.remb != 0 }

// divide gives each section its share of the line.
func (l *line) divide(now mono.Time) {
	l.divided = now
	e := l.control.Target()
	l.look(now, &e)
	if !l.heard() {
		l.grantAll(now)
		return
	}
	sections := l.peer.sections
	for len(l.streams) < len(sections) {
		l.streams, l.shares = append(l.streams, allot.Stream{}), append(l.shares, allot.Share{})
	}
	for i, s := range sections {
		l.streams[i] = s.out.stream()
	}
	line := allot.Line{Target: e.Layers, Sure: e.Sure, Trailing: !l.transport, Arriving: e.Acked}
	l.full = l.transport && e.Queue >= fullQueue
	line.Full = l.full
	for _, s := range sections {
		line.Sure = line.Sure || s.out.large.age(now) > largeLong
	}
	if e.Reason == bwe.Limit && !l.transport {
		line.Sure = false // the values of REMB jump
	}
	l.want = l.allotter.Divide(now, line, l.streams[:len(sections)], l.shares[:len(sections)])
	l.control.Want(l.want)
	l.audio = 0
	for i, s := range sections {
		x := &l.shares[i]
		if s.Kind != media.Video {
			l.audio += x.Rate
		} else if s.Send {
			x.Room = max(x.Room, 1) // 0 is no limit
			s.out.grant(now, x, line.Sure)
		}
	}
}

// grantAll is for a remote that reports nothing: who waits for it begins with the lowest
// layers, and then gets the wanted ones.
func (l *line) grantAll(now mono.Time) {
	all := allot.Share{Ceiling: lowest}
	if l.begun != 0 && now.Sub(l.begun) > patience {
		all.Ceiling = media.NoLayer
	}
	for _, s := range l.peer.sections {
		if s.Kind == media.Video {
			s.out.grant(now, &all, false)
		}
	}
}

// stream describes the section's media.
func (o *sender) stream() allot.Stream {
	s := o.section
	t := o.sub.Track()
	x := allot.Stream{
		Video: s.Kind == media.Video, Weight: s.share.Priority, Max: s.share.Max, Wish: o.sub.Wish(),
		// Packets without numbers are no part of the estimate.
		Adapting: o.sub.Adapts(),
		Paused:   t == nil || !s.Send || o.sub.Paused() || s.peer.line.transport && !o.numbered(),
	}
	if !x.Paused {
		x.Rates = t.Rates()
	}
	return x
}

// grant gives the section's subscription a share. Where it is sure that more does not get
// through, higher layers end at once.
func (o *sender) grant(now mono.Time, x *allot.Share, sure bool) {
	h := &o.section.share
	h.Ceiling, h.Rate, h.Room = x.Ceiling, x.Rate, x.Room
	o.sub.SetUrgent(sure)
	o.sub.SetCeiling(now, x.Ceiling)
	o.sub.SetDemand(now, x.Room)
	if x.Pause == h.Paused {
		return
	}
	h.Paused = x.Pause
	if x.Pause {
		o.abandon()
		h.Pauses++
		o.section.peer.count.Pauses++
	}
	o.hold(now)
	o.section.peer.loop.Emit(Event{Kind: EventPaused, Section: o.section.Index, Paused: x.Pause})
}

// free gives back the share of grant.
func (o *sender) free(now mono.Time) {
	o.owed.held = 0
	o.hold(now)
	o.grant(now, &allot.Share{Ceiling: media.NoLayer}, false)
	o.section.share.Room = 0
}

// shareNow returns the section's share of the line, nil if that is not managed.
func (s *section) shareNow() *Share {
	if s.peer.line == nil || !s.Send {
		return nil
	}
	h := s.share
	if t := s.out.sub.Track(); t != nil && s.Kind == media.Video {
		wish := s.out.sub.Wish()
		h.Limited = slices.ContainsFunc(t.Rates(), func(r route.Rate) bool {
			return within(r.Layer, wish) && !within(r.Layer, h.Ceiling)
		})
	}
	return &h
}

// within reports whether a layer is none above a bound.
func within(l, bound media.Layer) bool {
	in := func(l, bound int8) bool { return bound < 0 || l <= bound }
	return in(l.Encoding, bound.Encoding) && in(l.Spatial, bound.Spatial) && in(l.Temporal, bound.Temporal)
}
