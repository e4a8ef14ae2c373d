package videoroom

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
)

// connected reports the established peer connection.
func (s *subscriber) connected() {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	if s.over {
		return
	}
	s.room.notify(s.h, "subscribed", func(*json.Writer) {})
	s.live = true
	s.estimate()
	s.sync()
}

// estimate sets how the engine uses the line to the client. room.mu is held.
func (s *subscriber) estimate() {
	s.estimation.Tell(s.h.Host.Peer(), s.room.settings.estimate, s.room.maxBitrate)
}

// event handles the events of the media engine.
func (s *subscriber) event(e sfu.Event) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	switch {
	case s.over:
	case e.Kind == sfu.EventSlowLink && e.Uplink:
		s.h.Host.Push("", event("slow_link", func(*json.Writer) {}), nil)
	case e.Kind == sfu.EventLayer && e.Section < len(s.lines):
		s.lines[e.Section].changed(e.Layer)
	case e.Kind == sfu.EventPaused && e.Section < len(s.lines):
		s.lines[e.Section].tellPaused(e.Paused)
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
			s.room.notify(s.h, "unsubscribed", func(w *json.Writer) {
				s.room.plugin.ids.Write(w, "feed", st.publisher.id)
				w.Str("mid", st.mid)
			})
		}
	}
}

// sync adapts the relaying on all m-lines. room.mu is held.
func (s *subscriber) sync() {
	for _, l := range s.lines {
		l.sync()
	}
}

// wanted is one stream to subscribe to, and how.
type wanted struct {
	stream *stream
	item   *item
}

// find looks up the streams to subscribe to. Disabled streams count only when
// joining, where they get a place for later. The first feed decides whether
// the subscription is encrypted end to end. room.mu is held.
func (s *subscriber) find(items []item, joining bool) ([]wanted, *schema.Error) {
	var list []wanted
	for i := range items {
		x := &items[i]
		p := s.room.participants[x.feed]
		if p == nil || p.gone || !p.available() {
			return nil, errorf(errNoSuchFeed, "No such feed (%s)", x.feed)
		}
		if joining && i == 0 {
			s.e2ee = s.room.requireE2EE || p.e2ee
		}
		if p.e2ee != s.e2ee {
			return nil, errorf(errInvalidFeed, "Can't mix feeds with and without end-to-end encryption in a subscription")
		}
		streams := p.streams
		if x.hasMID {
			st := p.stream(x.mid)
			if st == nil {
				return nil, errorf(errNoSuchFeed, "No such mid '%s' in feed (%s)", x.mid, x.feed)
			}
			streams = []*stream{st}
		}
		for _, st := range streams {
			// A stream that was rejected has no codec to offer.
			if !st.disabled || joining && st.Codec != "" {
				list = append(list, wanted{st, x})
			}
		}
	}
	return list, nil
}

// fits reports whether there are m-lines for a list of streams. room.mu is held.
func (s *subscriber) fits(list []wanted) bool {
	type format struct {
		kind  sdp.Kind
		codec string
	}
	idle := make(map[format]int)
	for _, l := range s.lines {
		if len(l.sources) == 0 || l.kind == sdp.Application {
			idle[format{l.kind, l.codec}]++
		}
	}
	n := len(s.lines)
	for _, want := range list {
		f := format{want.stream.kind, want.stream.Codec}
		if idle[f] == 0 {
			n++
		} else if f.kind != sdp.Application {
			idle[f]--
		}
	}
	return n <= maxLines
}

// subscribeTo makes an m-line carry a stream; it reports whether that needs an
// offer. room.mu is held.
func (s *subscriber) subscribeTo(want wanted, joining bool) bool {
	st, x := want.stream, want.item
	if st.kind == sdp.Application {
		l := kit.Find(s.lines, func(l *line) bool { return l.kind == sdp.Application }) // there is one at most
		known := l != nil
		if !known {
			l = s.add(st.kind, "")
			l.crossref = x.crossref
		}
		if !slices.Contains(l.sources, st) {
			l.attach(st)
		}
		return !known
	}
	l := s.idle(st.kind, st.Codec)
	if l == nil {
		l = s.add(st.kind, st.Codec)
	}
	l.reset()
	l.crossref = x.crossref
	if !joining {
		if x.hasMID && x.hasSend {
			l.send = x.send
		}
		if !x.change.ChoosesLayers() {
			x.change.DropFallback()
		}
	}
	l.layers.Set(x.change)
	l.delay.Set(x.change.Delay)
	l.attach(st)
	return true
}

// maxLines is how many m-lines a subscription can have: descriptions with more
// are not accepted.
const maxLines = sdp.MaxSections
