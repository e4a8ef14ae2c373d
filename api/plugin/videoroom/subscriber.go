package videoroom

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit/mline"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// subscriber is the role of a handle that receives what publishers of a room
// send, all of it on one peer connection.
//
// The server makes the offers. One is outstanding at a time: what changes
// before its answer has come goes into the next one.
type subscriber struct {
	room       *room      // fixed
	h          *handle    // fixed
	owner      *publisher // fixed; whose private id the client gave, nil if none
	privateID  uint32     // fixed
	useMSID    bool       // fixed
	autoupdate bool       // fixed
	e2ee       bool       // fixed; all feeds are encrypted end to end, or none

	lines    []*line // m-lines in their order, which stay for ever
	answered bool    // no offer is outstanding
	pending  bool    // an offer is due as soon as there may be one
	restart  bool    // that offer restarts ICE
	stale    bool    // the last offer does not tell how things are now
	paused   bool    // by the client, and until its first start
	live     bool    // the peer connection is established
	writable bool    // data channels are
	over     bool    // left, or the peer connection is gone: of no use any more
}

// establish needs nothing: media begins with connected.
func (s *subscriber) establish() {}

// connected tells of the established peer connection.
func (s *subscriber) connected() {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	if s.over {
		return
	}
	s.h.notify("subscribed", s.room.writeRoom)
	s.live = true
	s.sync()
}

// event follows what the media engine tells.
func (s *subscriber) event(e sfu.Event) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	switch {
	case s.over:
	case e.Kind == sfu.EventSlowLink && e.Uplink:
		s.h.push("slow_link", func(*json.Writer) {})
	case e.Kind == sfu.EventLayer && e.Section < len(s.lines):
		s.lines[e.Section].changed(e.Layer)
	}
}

// data ignores what subscribers say.
func (s *subscriber) data(string, bool, []byte) {}

// dataReady lets messages of the feeds through.
func (s *subscriber) dataReady() {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.writable = true
}

// hangup is the end: there will be no other peer connection.
func (s *subscriber) hangup(string) { s.detach() }

func (s *subscriber) detach() {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.end()
}

// end gives up all subscriptions. room.mu is held.
func (s *subscriber) end() {
	if s.over {
		return
	}
	s.over = true
	delete(s.room.subscribers, s)
	for _, l := range s.lines {
		for len(l.sources) > 0 {
			st := l.sources[0].stream
			l.drop(l.sources[0])
			s.h.notify("unsubscribed", func(w *json.Writer) {
				s.room.writeRoom(w)
				s.room.plugin.ids.Write(w, "feed", st.publisher.id)
				w.Str("mid", st.mid)
			})
		}
	}
}

// isOver tells whether the subscription has ended.
func (s *subscriber) isOver() bool {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	return s.over || s.room.destroyed
}

// blocked tells whether nothing at all goes to the subscriber. room.mu is held.
func (s *subscriber) blocked() bool { return s.paused || s.owner != nil && s.owner.kicked }

// sync adapts what is relayed on all m-lines. room.mu is held.
func (s *subscriber) sync() {
	for _, l := range s.lines {
		l.sync()
	}
}

// requestKeyframes asks for key frames of all video. room.mu is held.
func (s *subscriber) requestKeyframes() {
	for _, l := range s.lines {
		l.requestKeyframe()
	}
}

// line finds an m-line by its mid, nil if there is none. room.mu is held.
func (s *subscriber) line(mid string) *line {
	for _, l := range s.lines {
		if l.mid == mid {
			return l
		}
	}
	return nil
}

// dataLine is the m-line of data channels, nil if there is none. room.mu is
// held.
func (s *subscriber) dataLine() *line {
	for _, l := range s.lines {
		if l.kind == sdp.Application {
			return l
		}
	}
	return nil
}

// What happens to the feeds of a room.

// feedGone detaches everything that a participant fed. With offer the
// subscribers are offered that. room.mu is held.
func (r *room) feedGone(p *publisher, offer bool) {
	r.detach(func(st *stream) bool { return st.publisher == p }, offer)
}

// feedChanged follows a renegotiation of a participant. The clients know of it
// and ask for what they want; but an m-line whose codec is another one now has
// to be offered anew before anything can be relayed on it. room.mu is held.
func (r *room) feedChanged(p *publisher) {
	r.detach(func(st *stream) bool { return st.publisher == p && !slices.Contains(p.streams, st) }, false)
	for _, st := range p.streams {
		if st.kind == sdp.Application {
			continue
		}
		for x := range st.subscribers {
			x.line.feedChanged(st)
		}
	}
}

func (l *line) feedChanged(st *stream) {
	s := l.sub
	s.stale = s.stale || l.active() != l.offered
	if st.codec != "" && st.codec != l.codec {
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
			for _, x := range slices.Clone(l.sources) {
				if gone(x.stream) {
					changed = l.drop(x) || changed
				}
			}
		}
		s.stale = s.stale || changed
		if changed && offer && s.autoupdate && !r.destroyed {
			s.renegotiate()
		}
	}
}

// ownerKicked stops what goes to the subscribers that came with the private id
// of a participant who was kicked. room.mu is held.
func (r *room) ownerKicked(p *publisher) {
	for s := range r.subscribers {
		if s.owner == p {
			s.sync()
		}
	}
}

// subscribersDestroyed detaches all subscribers from their feeds, silently.
// room.mu is held.
func (r *room) subscribersDestroyed() {
	r.detach(func(*stream) bool { return true }, false)
	clear(r.subscribers)
}

// gateChanged adapts what is relayed of a stream. room.mu is held.
func (s *stream) gateChanged() {
	for x := range s.subscribers {
		x.line.sync()
	}
	s.holdForwarders()
}

// delayChanged adapts the playout delay of a stream, where the subscribers have
// none of their own. room.mu is held.
func (s *stream) delayChanged() {
	for x := range s.subscribers {
		x.line.syncDelay()
	}
}

// relayData passes a message of a publisher on. It goes by a channel that is
// named after the publisher.
func (s *stream) relayData(binary bool, payload []byte) {
	for _, peer := range s.dataPeers() {
		if err := peer.SendData(s.publisher.id, "", binary, payload); err != nil {
			s.publisher.room.plugin.gw.Logger().Debug("data not relayed", "publisher", s.publisher.id, "error", err)
		}
	}
}

// dataPeers are the connections that messages of the stream go to.
func (s *stream) dataPeers() (to []*sfu.Peer) {
	r := s.publisher.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if !s.flows() {
		return nil
	}
	for x := range s.subscribers {
		sub := x.line.sub
		if peer := sub.h.Host.Peer(); peer != nil && sub.writable && x.line.ready && x.line.send && !sub.blocked() {
			to = append(to, peer)
		}
	}
	return to
}

// changed tells the client which layer it gets from now on. room.mu is held.
func (l *line) changed(now media.Layer) { l.tell(l.layers.Changed(now, l.layering())) }

// tell tells the client of layers, one by one. room.mu is held.
func (l *line) tell(news []mline.Event) {
	for _, e := range news {
		l.sub.h.push("event", func(w *json.Writer) {
			l.sub.room.writeRoom(w)
			w.Str("mid", l.mid)
			e.Write(w)
		})
	}
}

// refuse is the error of a request that needs a subscription that is alive.
// room.mu is held.
func (s *subscriber) refuse() *schema.Error {
	switch {
	case s.room.destroyed:
		return errorf(errNoSuchRoom, "No such room (%s)", s.room.id)
	case s.over:
		return errorf(errUnknown, "This subscription has ended")
	}
	return nil
}
