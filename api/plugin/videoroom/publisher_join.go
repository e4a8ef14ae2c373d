package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
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
			r.writeRoom(w)
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
	p := &publisher{room: r, h: h, id: name, token: token, bitrate: r.bitrate}
	p.display = body.Str("display")
	p.metadata = compact(body.Get("metadata"))
	p.describe(body)
	if n, ok := body.Number("audio_active_packets"); ok {
		p.setActivePackets(n)
		p.ownActivePackets = true
	}
	if n, ok := body.Number("audio_level_average"); ok {
		p.setLevelAverage(n)
		p.ownLevelAverage = true
	}
	return p, nil
}

// prefer takes over what a joinandconfigure says about publishing. room.mu is
// held.
func (p *publisher) prefer(body kit.Args) {
	if n, ok := body.Number("bitrate"); ok {
		p.bitrate = uint64(n)
	}
	prefer := func(field string, kind sdp.Kind, wanted *string) {
		if codec := body.Lower(field); p.room.allows(kind, codec) {
			*wanted = codec
		}
	}
	prefer("audiocodec", sdp.Audio, &p.wantedAudioCodec)
	prefer("videocodec", sdp.Video, &p.wantedVideoCodec)
}

// compact copies a JSON value, nil if it is none.
func compact(v *json.Value) []byte {
	if json.IsNull(v) {
		return nil
	}
	w := json.NewWriter(nil)
	w.Value("", v)
	return w.Bytes()
}

// writeJoined writes the answer to a join. room.mu is held.
func (p *publisher) writeJoined(w *json.Writer) {
	r := p.room
	w.Str("videoroom", "joined")
	r.writeRoom(w)
	w.Str("description", r.description)
	r.plugin.ids.Write(w, "id", p.id)
	w.Uint("private_id", uint64(p.privateID))
	others := r.members()
	w.Array("publishers")
	for _, other := range others {
		if other != p && other.publishing() {
			other.writePublisher(w, true)
		}
	}
	w.EndArray()
	if p.ownActivePackets {
		w.Int("audio_active_packets", int64(p.activePackets()))
	}
	if p.ownLevelAverage {
		w.Int("audio_level_average", int64(p.levelAverage()))
	}
	if !r.notifyJoining {
		return
	}
	w.Array("attendees")
	for _, other := range others {
		if other != p && !other.publishing() {
			w.Object("")
			other.writeIdentity(w)
			w.End()
		}
	}
	w.EndArray()
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
		if p.ownActivePackets {
			w.Int("audio_active_packets", int64(p.activePackets()))
		}
		if p.ownLevelAverage {
			w.Int("audio_level_average", int64(p.levelAverage()))
		}
	})
}
