package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/rooms"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// create makes a room.
func (p *Plugin) create(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	body := r.Body
	if err := p.mayCreate(body); err != nil {
		return kit.Response{}, err
	}
	name, free := p.rooms.Reserve(body, "room")
	if !free {
		return fail(errRoomExists, "Room %s already exists", name)
	}
	defer p.rooms.Release(name)
	room := p.newRoom(name, newSettings(body, "Room "+name))
	room.signedTokens = room.signedTokens && p.gw.SignedTokens()
	tokens, _ := rooms.TokensOf(body, codes)
	room.allowed.Add(tokens...)
	room.allowed.On = body.Has("allowed")
	if room.dummy {
		room.addDummy(readDummies(body), room.requireE2EE || body.Is("dummy_e2ee"))
	}
	p.rooms.Commit(name, room)
	h.notify("created", room.writeRoom)
	p.answerSaved(w, "created", room, body.Is("permanent"), false)
	return kit.Response{}, nil
}

// answerSaved saves a room if that is wanted, or its removal, and answers.
func (p *Plugin) answerSaved(w *json.Writer, what string, room *room, permanent, remove bool) {
	if permanent {
		permanent = p.saved(room, remove)
	}
	w.Str("videoroom", what)
	room.writeRoom(w)
	w.Bool("permanent", permanent)
}

// mayCreate checks what the types of the fields of a create do not tell.
func (p *Plugin) mayCreate(body kit.Args) *schema.Error {
	if err := authorize(body, "admin_key", p.general.adminKey); err != nil {
		return err
	}
	audio := body.Str("audiocodec")
	if _, ok := parseCodecs(audio, audioCodecs, sdp.Opus); !ok {
		return errorf(errInvalidElement,
			"Invalid element (audiocodec can only be or contain opus, isac32, isac16, pcmu, pcma or g722)")
	}
	video := body.Str("videocodec")
	if _, ok := parseCodecs(video, sdp.DefaultVideoCodecs, sdp.VP8); !ok {
		return errorf(errInvalidElement,
			"Invalid element (videocodec can only be or contain vp8, vp9, av1, h264 or h265)")
	}
	if _, err := rooms.TokensOf(body, codes); err != nil {
		return err
	}
	for _, v := range body.Items("dummy_streams") {
		if err := checkItem(dummyFields, v, "dummy_streams"); err != nil {
			return err
		}
	}
	if body.Is("record") {
		return noRecording()
	}
	if body.Is("permanent") && !p.file.Writable() {
		return errorf(errUnknown, "No configuration file, can't create permanent room")
	}
	return nil
}

// noRecording is the error for those who want to record.
func noRecording() *schema.Error {
	return errorf(errUnknown, "Recording is not available in this build yet")
}

// edit changes a room.
func (p *Plugin) edit(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	body := r.Body
	permanent := body.Is("permanent")
	if permanent && !p.file.Writable() {
		return fail(errUnknown, "No configuration file, can't edit room permanently")
	}
	var edited *room
	if err := p.rooms.Manage(body, func(found *room) *schema.Error {
		edited = found
		found.change(body)
		return nil
	}); err != nil {
		return kit.Response{}, err
	}
	h.notify("edited", edited.writeRoom)
	p.answerSaved(w, "edited", edited, permanent, false)
	return kit.Response{}, nil
}

// change takes over what an edit says. room.mu is held.
func (r *room) change(body kit.Args) {
	r.table().Edit(body)
	if body.Has("new_fir_freq") {
		for _, p := range r.participants {
			p.setKeyframes()
		}
	}
}

// destroy ends a room.
func (p *Plugin) destroy(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	permanent := r.Body.Is("permanent")
	if permanent && !p.file.Writable() {
		return fail(errUnknown, "No configuration file, can't destroy room permanently")
	}
	var gone *room
	if err := p.rooms.Manage(r.Body, func(found *room) *schema.Error {
		gone = found
		found.end()
		return nil
	}); err != nil {
		return kit.Response{}, err
	}
	p.rooms.Remove(gone.id, gone)
	h.notify("destroyed", gone.writeRoom)
	p.answerSaved(w, "destroyed", gone, permanent, true)
	return kit.Response{}, nil
}

// list describes the rooms.
func (p *Plugin) list(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	private := false
	if r.Body.Has("admin_key") && p.general.adminKey != "" {
		if err := authorize(r.Body, "admin_key", p.general.adminKey); err != nil {
			return kit.Response{}, err
		}
		private = true
	}
	w.Str("videoroom", "success")
	w.Array("list")
	for _, r := range p.rooms.Sorted() {
		r.listed(w, private)
	}
	w.EndArray()
	return kit.Response{}, nil
}

// listed writes the room's entry in the list, unless it is hidden.
func (r *room) listed(w *json.Writer, private bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.destroyed && (private || !r.hidden) {
		r.describe(w)
	}
}

// describe writes the room's entry in the list. room.mu is held.
func (r *room) describe(w *json.Writer) {
	w.Object("")
	r.writeRoom(w)
	w.Bool("pin_required", r.pin != "")
	w.Int("num_participants", int64(len(r.participants)))
	r.table().Write(w)
	w.End()
}

// exists tells whether there is a room.
func (p *Plugin) exists(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	name, _ := p.ids.Parse(r.Body.Get("room"))
	w.Str("videoroom", "success")
	p.ids.Write(w, "room", name)
	w.Bool("exists", p.room(name) != nil)
	return kit.Response{}, nil
}

// allowedTokens changes who may join as a participant.
func (p *Plugin) allowedTokens(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	change, err := rooms.ReadTokenChange(r.Body, codes)
	if err != nil {
		return kit.Response{}, err
	}
	var changed *room
	if err := p.rooms.Manage(r.Body, func(room *room) *schema.Error {
		if err := change.Apply(&room.allowed); err != nil {
			return err
		}
		changed = room
		w.Str("videoroom", "success")
		room.writeRoom(w)
		change.Write(w, &room.allowed)
		return nil
	}); err != nil {
		return kit.Response{}, err
	}
	p.saveAllowed(changed)
	return kit.Response{}, nil
}
