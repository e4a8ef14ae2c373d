package videoroom

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// maxLines is how many m-lines a subscription can have: descriptions with more
// are not accepted.
const maxLines = sdp.MaxSections

// wanted is one stream to subscribe to, and how.
type wanted struct {
	stream *stream
	item   *item
}

// joinSubscriber makes a handle a subscriber, and offers what it asks for.
func joinSubscriber(h *handle, room *room, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p := h.plugin
	if err := check(p.subscriberJoinFields(), r.Body); err != nil {
		return kit.Response{}, err
	}
	items, err := p.items(r.Body.Items("streams"), p.subscribeFields())
	if err != nil {
		return kit.Response{}, err
	}
	legacy := len(items) == 0
	if legacy {
		name, ok := p.ids.Parse(r.Body.Get("feed"))
		if !ok {
			return fail(errMissingElement, "Missing mandatory element (feed)")
		}
		items = []item{{feed: name, hasFeed: true}}
	}
	private, _ := r.Body.Number("private_id")
	s := &subscriber{room: room, h: h, privateID: uint32(private), useMSID: r.Body.Is("use_msid"),
		autoupdate: r.Body.FlagOr("autoupdate", true), paused: true}

	room.mu.Lock()
	defer room.mu.Unlock()
	if room.destroyed {
		return kit.Response{}, noSuchRoom(room.id)
	}
	if private == int64(s.privateID) {
		s.owner = room.private[s.privateID]
	}
	if room.requirePvtID && s.owner == nil {
		return fail(errUnauthorized, "Unauthorized (this room requires a valid private_id)")
	}
	list, err := s.find(items, true)
	if err != nil {
		return kit.Response{}, err
	}
	if legacy {
		list = onlyOffered(list, r.Body)
	}
	switch {
	case len(list) == 0:
		return fail(errInvalidSDP, "Can't offer an SDP with no stream")
	case !s.fits(list):
		return fail(errInvalidSDP, "Too many streams")
	}
	for _, want := range list {
		s.subscribeTo(want, true)
	}
	room.subscribers[s] = struct{}{}
	h.become(s)

	room.begin(w, "attached")
	if legacy {
		writeFeed(w, list[0].stream.publisher)
	}
	s.writeStreams(w)
	h.notify("subscribing", func(w *json.Writer) {
		s.room.writeRoom(w)
		s.writeStreams(w)
		w.Uint("private_id", uint64(s.privateID))
	})
	return kit.Response{JSEP: s.offer()}, nil
}

// writeFeed writes what the old form of joining tells about its feed.
func writeFeed(w *json.Writer, p *publisher) {
	p.room.plugin.ids.Write(w, "id", p.id)
	w.Str("warning", "deprecated_api")
	p.writeName(w)
}

// onlyOffered leaves out the kinds that a client does not want to be offered.
func onlyOffered(list []wanted, body kit.Args) []wanted {
	return slices.DeleteFunc(list, func(want wanted) bool {
		return !body.FlagOr("offer_"+kindName(want.stream.kind), true)
	})
}

// find looks up what is to be subscribed to. Disabled streams count only when
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

// fits tells whether there are m-lines for a list of streams. room.mu is held.
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
		switch {
		case idle[f] > 0:
			if f.kind != sdp.Application {
				idle[f]--
			}
		default:
			n++
		}
	}
	return n <= maxLines
}

// subscribeTo makes an m-line carry a stream; it reports whether that needs an
// offer. room.mu is held.
func (s *subscriber) subscribeTo(want wanted, joining bool) bool {
	st, x := want.stream, want.item
	if st.kind == sdp.Application {
		l := s.dataLine()
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
