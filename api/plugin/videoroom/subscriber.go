package videoroom

import (
	"bifrons/api/json"
	"bifrons/sdp"
	"bifrons/sfu"
)

// subscriber is the role of a handle that receives what publishers of a room
// send, all of it on one peer connection.
//
// The server makes the offers. One is outstanding at a time: what changes
// before its answer has come goes into the next one.
type subscriber struct {
	nobody
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
			st := l.sources[0]
			l.drop(st)
			s.h.notify("unsubscribed", func(w *json.Writer) {
				s.room.writeRoom(w)
				s.room.plugin.ids.Write(w, "feed", st.publisher.id)
				w.Str("mid", st.mid)
			})
		}
	}
}

// blocked tells whether nothing at all goes to the subscriber. room.mu is held.
func (s *subscriber) blocked() bool { return s.paused || s.owner != nil && s.owner.kicked }

// sync adapts what is relayed on all m-lines. room.mu is held.
func (s *subscriber) sync() {
	for _, l := range s.lines {
		l.sync()
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
