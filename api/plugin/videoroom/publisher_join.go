package videoroom

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

// join makes a handle a participant or a subscriber. configure takes over what
// a participant wants to publish with.
func (p *Plugin) join(h *handle, r *kit.Request, w *json.Writer, configure bool) (kit.Response, *schema.Error) {
	switch h.is().(type) {
	case *publisher:
		return fail(errAlreadyJoined, "Already in as a publisher on this handle")
	case *subscriber:
		return fail(errAlreadyJoined, "Already in as a subscriber on this handle")
	}
	body := r.Body
	room, err := p.rooms.Find(body)
	if err == nil {
		err = check(joinFields, body)
	}
	if err == nil {
		err = room.admits(body)
	}
	if err != nil {
		return kit.Response{}, err
	}
	switch body.Lower("ptype") {
	case "publisher":
		return room.joinPublisher(h, r, w, configure)
	case "subscriber":
		if r.JSEP != nil {
			return fail(errInvalidRequest, "A subscriber can't provide an SDP when joining")
		}
		return joinSubscriber(h, room, r, w)
	}
	return fail(errInvalidElement, "Invalid element (ptype)")
}

// admits checks what everybody needs who joins: a token, the pin.
func (r *room) admits(body kit.Args) *schema.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.destroyed {
		return errorf(errNoSuchRoom, "No such room (%s)", r.id)
	}
	if gw := r.plugin.gw; r.signedTokens && gw.SignedTokens() {
		token := body.Str("token")
		if !gw.SignedFor(token, Package, "room="+r.id) {
			return errorf(errUnauthorized, "Unauthorized (wrong token)")
		}
	}
	return authorize(body, "pin", r.pin)
}

// joinPublisher adds a participant, on the handle's executor. What is wrong
// with an offer keeps him out altogether.
func (r *room) joinPublisher(h *handle, req *kit.Request, w *json.Writer, configure bool) (kit.Response, *schema.Error) {
	body := req.Body
	err := check(r.plugin.publisherJoinFields(), body)
	if err == nil {
		err = checkDescriptions(body)
	}
	if err == nil && configure && body.Is("record") {
		err = noRecording()
	}
	if err != nil {
		return kit.Response{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := r.newPublisher(h, body)
	if err == nil && req.JSEP != nil {
		err = p.accepts(req)
	}
	if err != nil {
		return kit.Response{}, err
	}
	if configure {
		p.prefer(body)
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
	if r.destroyed {
		return nil, errorf(errNoSuchRoom, "No such room (%s)", r.id)
	}
	token := body.Str("token")
	if !r.allowed.Admit(token) {
		return nil, errorf(errUnauthorized, "Unauthorized (not in the allowed list)")
	}
	name, ok := r.plugin.ids.Parse(body.Get("id"))
	switch {
	case r.plugin.none(name, ok):
		name = r.freeID()
	case r.taken(name):
		return nil, errorf(errIDExists, "User ID %s already exists", name)
	}
	p := &publisher{room: r, h: h, id: name, token: token, bitrate: r.bitrate,
		display: body.Str("display"), metadata: body.Raw("metadata")}
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
	others := slices.DeleteFunc(r.members(), func(x *publisher) bool { return x == p })
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
	p.h.notify("joined", func(w *json.Writer) {
		p.room.writeRoom(w)
		p.room.plugin.ids.Write(w, "id", p.id)
		w.Uint("private_id", uint64(p.privateID))
		if p.room.allowed.On {
			w.OptStr("token", p.token)
		}
		p.writeName(w)
		p.levels.Write(w, p.room.audioActivePackets, p.room.audioLevelAverage)
	})
}
