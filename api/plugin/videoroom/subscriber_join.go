package videoroom

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

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
