package audiobridge

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
)

// bothFields are the fields that join and configure share.
var bothFields = slices.Concat(
	schema.Typed(schema.String, "display", "filename", "group"),
	schema.Typed(schema.Bool, "muted", "denoise", "record", "generate_offer"),
	schema.Typed(schema.Uint, "bitrate", "quality", "expected_loss", "volume", "spatial_position", "prebuffer"),
	schema.Typed(schema.Object, "rtp"),
)

// joinFields are those of join and changeroom.
func (p *Plugin) joinFields() []schema.Field {
	return schema.NotNull(
		[]schema.Field{p.ids.Field("room", true), p.ids.Field("id", false)}, bothFields,
		schema.Typed(schema.String, "pin", "token", "secret", "codec"),
		schema.Typed(schema.Bool, "suspended", "pause_events"),
		schema.Typed(schema.Uint, "audio_level_average", "audio_active_packets"),
	)
}

// join makes the client a participant.
func (h *handle) join(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if h.current() != nil {
		return fail(errAlreadyJoined, "Already in a room (use changeroom to join another one)")
	}
	err := codes.Check(h.plugin.joinFields(), r.Body)
	if err == nil {
		err = checkJSEP(r.JSEP)
	}
	if err != nil {
		return kit.Response{}, err
	}
	var call *plain
	if r.Body.Has("rtp") && r.JSEP == nil {
		if err := h.plugin.rooms.With(r.Body, func(room *room) *schema.Error {
			_, err := room.admit(h, r, nil)
			return err
		}); err != nil {
			return kit.Response{}, err
		}
		if call, err = h.openPlain(r.Body); err != nil {
			return kit.Response{}, err
		}
	}
	var p *participant
	if err := h.plugin.rooms.With(r.Body, func(room *room) (err *schema.Error) {
		if p, err = room.join(h, r, nil); err == nil {
			p.answerJoin(w, "joined")
		}
		return err
	}); err != nil {
		call.close()
		return kit.Response{}, err
	}
	if call != nil {
		call.write(w)
		h.setPlain(call)
		if !r.Body.Is("generate_offer") {
			return p.greeting(kit.Response{After: h.begin}), nil
		}
		return p.greeting(kit.Response{}), nil
	}
	resp, err := h.negotiate(p, r)
	if err != nil {
		h.leave(p, false)
		return kit.Response{}, err
	}
	if resp.JSEP == nil {
		resp.After = h.connect // the connection of an earlier room goes on
	}
	return p.greeting(resp), nil
}

// greeting is a response to a join, after which the participant gets events.
func (p *participant) greeting(resp kit.Response) kit.Response {
	then := resp.After
	resp.After = func() {
		p.greet()
		if then != nil {
			then()
		}
	}
	return resp
}

// changeRoom makes the client a participant of another room.
func (h *handle) changeRoom(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	old := h.current()
	if old == nil {
		return fail(errNotJoined, "Can't change room (not in a room in the first place)")
	}
	if err := codes.Check(h.plugin.joinFields(), r.Body); err != nil {
		return kit.Response{}, err
	}
	var p *participant
	if err := h.plugin.rooms.With(r.Body, func(room *room) (err *schema.Error) {
		if room == old.room {
			return errorf(errAlreadyJoined, "Already in this room")
		}
		if p, err = room.join(h, r, old.kept()); err == nil {
			p.answerJoin(w, "roomchanged")
		}
		return err
	}); err != nil {
		return kit.Response{}, err
	}
	p.adopt(old.depart())
	h.connect()
	return p.greeting(kit.Response{}), nil
}

// kept is the state that a participant takes along into another room.
type kept struct {
	quality, loss int
	codec         sfu.AudioCodec
	up            bool
}

// kept may be called without the lock: only the executor changes the fields it reads.
func (p *participant) kept() *kept { return &kept{p.quality, p.loss, p.codec, p.up} }

// depart takes the participant out of its room; the client goes on elsewhere, with the
// sender of plain RTP to it, which may be nil.
func (p *participant) depart() (sender *sfu.Forwarder) {
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	sender, p.media.sender = p.media.sender, nil
	r.remove(p, false)
	return sender
}

// adopt takes over the sender of plain RTP to the client in another room, nil = none.
func (p *participant) adopt(sender *sfu.Forwarder) {
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case sender == nil:
	case r.has(p):
		p.media.sender = sender
	default: // it is not there any more
		sender.Close()
	}
}

// join adds a participant, with the state it brings from another room, nil = none. mu is
// held.
func (r *room) join(h *handle, q *kit.Request, from *kept) (*participant, *schema.Error) {
	p, err := r.admit(h, q, from)
	if err == nil {
		err = p.enter()
	}
	if err != nil {
		r.rest()
		return nil, err
	}
	h.become(p)
	r.add(p)
	p.notify("joined", func(w *json.Writer) {
		w.OptStr("display", p.display)
		w.Bool("setup", p.up)
		w.Bool("muted", p.muted)
		p.writePlace(w)
	})
	return p, nil
}

// writePlace writes more fields for event handlers. room.mu is held.
func (p *participant) writePlace(w *json.Writer) {
	if p.room.spatial {
		w.Int("spatial_position", int64(p.position))
	}
	w.OptTrue("suspended", p.suspended)
}

// admit reports whether a client may be in the room, and what it would be. Nothing changes. mu
// is held.
func (r *room) admit(h *handle, q *kit.Request, from *kept) (*participant, *schema.Error) {
	body := q.Body
	if body.Has("rtp") && from == nil && !r.plainRTP {
		return nil, errorf(errUnauthorized, "Plain RTP participants are not allowed in this room")
	}
	err := r.plugin.rooms.Enter(r, body)
	if err == nil {
		err = r.plugin.rooms.Invited(r, body)
	}
	if err != nil {
		return nil, err
	}
	p := &participant{room: r, h: h, admin: body.Has("secret")}
	if p.admin {
		if err := codes.Authorize(body, "secret", r.Secret); err != nil {
			return nil, err
		}
	}
	if len(r.groups) > 0 && !body.Has("group") {
		return nil, errorf(errMissingElement, "Missing mandatory element (group)")
	}
	p.quality, p.loss, p.bitrate = defaultQuality, r.loss, r.bitrate
	p.volume, p.position = defaultVolume, defaultPosition
	if from != nil {
		p.quality, p.loss, p.codec, p.up = from.quality, from.loss, from.codec, from.up
	}
	if err := p.check(body); err != nil {
		return nil, err
	}
	if from == nil {
		if err := p.choose(q); err != nil {
			return nil, err
		}
	}
	id, free := r.plugin.ids.Choose(body, "id", r.taken)
	if !free {
		return nil, errorf(errIDExists, "User ID %s already exists", id)
	}
	if len(r.members) >= maxParticipants {
		return nil, errorf(errUnknown, "Too many participants (%d at most)", maxParticipants)
	}
	p.id = id
	p.levels.Read(body)
	p.suspended, p.paused = body.Is("suspended"), body.Is("suspended") && body.Is("pause_events")
	if from == nil {
		p.recordings.On, p.recordings.Base = body.Is("record"), body.Str("filename")
	}
	p.take(body, r.bitrate)
	return p, nil
}

// choose picks the codec: that of the connection, if there is one already and it is not
// negotiated again.
func (p *participant) choose(q *kit.Request) *schema.Error {
	name := q.Body.Lower("codec")
	if name == "" {
		name = "opus"
	}
	codec, ok := parseCodec(name)
	if !ok {
		return errorf(errInvalidElement, "Invalid element (codec must opus, pcmu or pcma)")
	}
	p.codec = codec
	offered := q.JSEP != nil && q.JSEP.SDP.Type == sdp.TypeOffer
	if m := p.h.agreed(); m.on && !offered && p.h.Host.Peer() != nil {
		p.codec = m.codec
	}
	return nil
}

// check checks the values that join and configure share. room.mu is held.
func (p *participant) check(body kit.Args) *schema.Error {
	if name, ok := body.Text("group"); ok && len(p.room.groups) > 0 && p.room.group(name) == 0 {
		return errorf(errNoSuchGroup, "No such group (%s)", name)
	}
	if n, ok := body.Number("quality"); ok && (n < 1 || n > 10) {
		return errorf(errInvalidElement, "Invalid element (quality should be a positive integer between 1 and 10)")
	}
	if n, ok := body.Number("expected_loss"); ok && n > maxLoss {
		return errorf(errInvalidElement, "Invalid element (expected_loss should be a positive integer between 0 and 20)")
	}
	return nil
}

// take applies the settings that join and configure share. bitrate is what holds in place of one
// that makes no sense. room.mu is held, or nobody knows of p.
func (p *participant) take(body kit.Args, bitrate int) {
	if name, ok := body.Text("display"); ok {
		p.display = name
	}
	if on, ok := body.Flag("muted"); ok {
		p.muted = on
	}
	if name, ok := body.Text("group"); ok {
		p.group = p.room.group(name)
	}
	for _, x := range []struct {
		name string
		to   *int
		most int64
	}{
		{"quality", &p.quality, 10}, {"expected_loss", &p.loss, maxLoss}, {"volume", &p.volume, maxVolume}, {"spatial_position", &p.position, 100},
	} {
		if n, ok := body.Number(x.name); ok {
			*x.to = int(min(n, x.most))
		}
	}
	if n, ok := body.Number("bitrate"); ok {
		if p.bitrate = bitrate; n > 0 && validBitrate(n) {
			p.bitrate = int(n)
		}
	}
}

// answerJoin writes the answer of join and changeroom. room.mu is held.
func (p *participant) answerJoin(w *json.Writer, kind string) {
	r := p.room
	r.begin(w, kind)
	r.plugin.ids.Write(w, "id", p.id)
	r.writeOthers(w, p)
}

// leaveRoom takes the client out of its room. Its connection stays.
func (h *handle) leaveRoom(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p := h.current()
	if p == nil {
		return fail(errNotJoined, "Can't leave (not in a room)")
	}
	h.leave(p, false)
	p.room.begin(w, "left")
	h.plugin.ids.Write(w, "id", p.id)
	return kit.Response{}, nil
}

// hangUp closes the client's connection.
func (h *handle) hangUp(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	w.Str("audiobridge", "hangingup")
	return kit.Response{After: func() {
		if h.hasPlain() {
			h.leave(h.current(), true)
		}
		h.ClosePeer()
	}}, nil
}
