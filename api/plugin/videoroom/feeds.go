package videoroom

import (
	"slices"

	"bifrons/sdp"
)

// Here publishers inform subscribers of changes to the feeds of a room. Subscribers
// change stream.lines and room.subscribers, and ask publishers for key frames.

// feedGone detaches everything that a participant fed. With offer the
// subscribers are offered that. room.mu is held.
func (r *room) feedGone(p *publisher, offer bool) {
	r.detach(func(st *stream) bool { return st.publisher == p }, offer)
	r.follow(p)
}

// feedChanged follows a renegotiation of a participant. The clients know of it
// and ask for what they want; but an m-line whose codec is another one now has
// to be offered again before anything can be relayed on it. room.mu is held.
func (r *room) feedChanged(p *publisher) {
	r.detach(func(st *stream) bool { return st.publisher == p && !slices.Contains(p.streams, st) }, false)
	for _, st := range p.streams {
		if st.kind == sdp.Application {
			continue
		}
		for l := range st.lines {
			l.feedChanged(st)
		}
	}
}

func (l *line) feedChanged(st *stream) {
	s := l.sub
	s.stale = s.stale || l.active() != l.offered
	if st.Codec != "" && st.Codec != l.codec {
		l.ready, s.stale = false, true
		if s.autoupdate {
			s.renegotiate()
		}
	}
	if l.ready {
		l.out.Forget() // the engine may not have had the stream yet
	}
	l.sync()
}

// detach takes streams away from everybody. room.mu is held.
func (r *room) detach(gone func(st *stream) bool, offer bool) {
	for s := range r.subscribers {
		changed := false
		for _, l := range s.lines {
			for _, st := range slices.Clone(l.sources) {
				if gone(st) {
					changed = l.drop(st) || changed
				}
			}
		}
		s.stale = s.stale || changed
		if changed && s.answers {
			s.tellStreams()
		}
		if changed && offer && s.autoupdate && !r.Gone {
			s.renegotiate()
		}
	}
}

// ownerKicked stops the media to the subscribers that joined with the private id
// of a participant who was kicked. room.mu is held.
func (r *room) ownerKicked(p *publisher) {
	for s := range r.subscribers {
		if s.owner == p {
			s.sync()
		}
	}
}

// gateChanged adapts the relaying of a stream. room.mu is held.
func (s *stream) gateChanged() {
	for l := range s.lines {
		l.sync()
	}
	s.holdForwarders()
	p := s.publisher
	if p.recordings.SetMuted(s.mindex, !s.flows()); s.disabled {
		p.recordings.Break(s.mindex)
	}
}

// delayChanged adapts the playout delay of a stream, where the subscribers have
// none of their own. room.mu is held.
func (s *stream) delayChanged() {
	for l := range s.lines {
		l.syncDelay()
	}
}
