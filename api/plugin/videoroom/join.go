package videoroom

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// join makes a handle a participant or a subscriber. configure takes over what
// a participant wants to publish with.
func (p *Plugin) join(h *handle, r *kit.Request, w *json.Writer, configure bool) (resp kit.Response, err *schema.Error) {
	switch h.is().(type) {
	case *publisher:
		return fail(errAlreadyJoined, "Already in as a publisher on this handle")
	case *subscriber:
		return fail(errAlreadyJoined, "Already in as a subscriber on this handle")
	}
	err = p.rooms.With(r.Body, func(room *room) (err *schema.Error) {
		if err = check(joinFields, r.Body); err == nil {
			err = p.rooms.Enter(room, r.Body)
		}
		if err == nil {
			resp, err = room.join(h, r, w, configure)
		}
		return err
	})
	return resp, err
}

// join is join for a room that is there. room.mu is held.
func (r *room) join(h *handle, req *kit.Request, w *json.Writer, configure bool) (kit.Response, *schema.Error) {
	switch req.Body.Lower("ptype") {
	case "publisher":
		return r.joinPublisher(h, req, w, configure)
	case "subscriber":
		if req.JSEP != nil {
			return fail(errInvalidRequest, "A subscriber can't provide an SDP when joining")
		}
		return r.joinSubscriber(h, req, w)
	}
	return fail(errInvalidElement, "Invalid element (ptype)")
}

// joinPublisher adds a participant, on the handle's executor. A fault
// in its offer keeps it out altogether. room.mu is held.
func (r *room) joinPublisher(h *handle, req *kit.Request, w *json.Writer, configure bool) (kit.Response, *schema.Error) {
	body := req.Body
	err := check(r.plugin.publisherJoinFields(), body)
	if err == nil {
		err = checkDescriptions(body)
	}
	if err != nil {
		return kit.Response{}, err
	}
	p, err := r.newPublisher(h, body)
	if err == nil && req.JSEP != nil {
		err = p.accepts(req)
	}
	if err != nil {
		return kit.Response{}, err
	}
	if configure {
		p.prefer(body)
		p.recordings.Read(body, p.startRecording)
	}
	r.add(p)
	h.become(p)
	p.notifyJoined()
	if r.notifyJoining {
		r.tell(p, func(w *json.Writer) {
			w.Object("joining")
			p.writeIdentity(w)
			w.End()
		})
	}
	p.writeJoined(w)
	if req.JSEP == nil {
		return kit.Response{}, nil
	}
	return p.publish(req, w)
}

// newPublisher makes a participant of a join. room.mu is held.
func (r *room) newPublisher(h *handle, body kit.Args) (*publisher, *schema.Error) {
	err := r.plugin.rooms.Invited(r, body)
	if err != nil {
		return nil, err
	}
	name, err := r.newID(body)
	if err != nil {
		return nil, err
	}
	p := &publisher{room: r, h: h, id: name, token: body.Str("token"), bitrate: r.bitrate,
		display: body.Str("display"), metadata: body.Raw("metadata"), wanted: make(map[sdp.Kind]string)}
	p.describe(body)
	p.levels.Read(body)
	return p, nil
}

// writeJoined writes the answer to a join. room.mu is held.
func (p *publisher) writeJoined(w *json.Writer) {
	r := p.room
	r.begin(w, "joined")
	w.Str("description", r.description)
	r.plugin.ids.Write(w, "id", p.id)
	w.Uint("private_id", uint64(p.privateID))
	w.Array("publishers")
	others := slices.DeleteFunc(slices.Clone(r.members), func(x *publisher) bool { return x == p })
	for _, other := range others {
		if other.publishing() {
			other.writePublisher(w, true)
		}
	}
	w.EndArray()
	p.levels.Write(w, r.audioActivePackets, r.audioLevelAverage)
	if !r.notifyJoining {
		return
	}
	others = slices.DeleteFunc(others, (*publisher).publishing)
	json.Objects(w, "attendees", others, func(x *publisher) { x.writeIdentity(w) })
}

func (p *publisher) notifyJoined() {
	p.room.notify(p.h, "joined", func(w *json.Writer) {
		p.room.plugin.ids.Write(w, "id", p.id)
		w.Uint("private_id", uint64(p.privateID))
		if p.room.Tokens.On {
			w.OptStr("token", p.token)
		}
		p.writeName(w)
		p.levels.Write(w, p.room.audioActivePackets, p.room.audioLevelAverage)
	})
}

// joinSubscriber makes a handle a subscriber, and offers the feeds it asks for. room.mu is
// held.
func (r *room) joinSubscriber(h *handle, req *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p := h.plugin
	if err := check(p.subscriberJoinFields(), req.Body); err != nil {
		return kit.Response{}, err
	}
	items, err := p.items(req.Body.Items("streams"), p.subscribeFields())
	if err != nil {
		return kit.Response{}, err
	}
	legacy := len(items) == 0
	if legacy {
		name, ok := p.ids.Read(req.Body, "feed")
		if !ok {
			return fail(errMissingElement, "Missing mandatory element (feed)")
		}
		items = []item{{feed: name, hasFeed: true}}
	}
	private, _ := req.Body.Number("private_id")
	s := &subscriber{room: r, h: h, privateID: uint32(private), useMSID: req.Body.Is("use_msid"),
		autoupdate: req.Body.FlagOr("autoupdate", true), paused: true}
	if private == int64(s.privateID) {
		s.owner = r.private[s.privateID]
	}
	if r.requirePvtID && s.owner == nil {
		return fail(errUnauthorized, "Unauthorized (this room requires a valid private_id)")
	}
	list, err := s.find(items, true)
	if err != nil {
		return kit.Response{}, err
	}
	if legacy {
		list = slices.DeleteFunc(list, func(want wanted) bool {
			return !req.Body.FlagOr("offer_"+plugin.KindName(want.stream.kind), true)
		})
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
	s.estimation.Set(req.Body)
	r.subscribers[s] = struct{}{}
	h.become(s)

	r.begin(w, "attached")
	if legacy {
		feed := list[0].stream.publisher
		feed.writeIdentity(w)
		w.Str("warning", "deprecated_api")
	}
	s.writeStreams(w)
	r.notify(h, "subscribing", func(w *json.Writer) {
		s.writeStreams(w)
		w.Uint("private_id", uint64(s.privateID))
	})
	return kit.Response{JSEP: s.offer()}, nil
}
