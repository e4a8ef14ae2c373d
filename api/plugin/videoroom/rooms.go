package videoroom

import (
	"slices"
	"strings"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// create makes a room.
func (p *Plugin) create(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	body := r.Body
	if err := p.mayCreate(body); err != nil {
		return kit.Response{}, err
	}
	name, ok := p.ids.Parse(body.Get("room"))
	random := p.none(name, ok)
	room := p.newRoom(name, newSettings(body, ""))
	room.signedTokens = room.signedTokens && p.gw.SignedTokens()
	for _, v := range body.Items("allowed") {
		token, _ := json.String(v.Value)
		room.allow(token)
	}
	room.checkAllowed = body.Has("allowed")
	if room.dummy {
		room.addDummy(readDummies(body), room.requireE2EE || body.Is("dummy_e2ee"))
	}

	p.mu.Lock()
	for random && (p.none(room.id, true) || p.rooms[room.id] != nil) {
		room.id = p.ids.New()
	}
	if p.rooms[room.id] != nil {
		p.mu.Unlock()
		return fail(errRoomExists, "Room %s already exists", room.id)
	}
	if room.description == "" {
		room.description = "Room " + room.id
	}
	p.rooms[room.id] = room
	p.mu.Unlock()

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
	for _, v := range body.Items("allowed") {
		if !schema.String.Is(v.Value) {
			return errorf(errInvalidElement, "Invalid element in the allowed array (not a string)")
		}
	}
	for _, v := range body.Items("dummy_streams") {
		if !json.IsObject(v.Value) {
			return errorf(errInvalidElement, "Invalid element in the dummy_streams array (not an object)")
		}
		if err := check(dummyFields, v); err != nil {
			return err
		}
	}
	if body.Is("record") {
		return noRecording()
	}
	if body.Is("permanent") && !p.store.Writable() {
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
	if permanent && !p.store.Writable() {
		return fail(errUnknown, "No configuration file, can't edit room permanently")
	}
	var edited *room
	resp, err := p.manage(body, func(found *room) (kit.Response, *schema.Error) {
		edited = found
		found.change(body)
		return kit.Response{}, nil
	})
	if err != nil {
		return resp, err
	}
	h.notify("edited", edited.writeRoom)
	p.answerSaved(w, "edited", edited, permanent, false)
	return resp, nil
}

// change takes over what an edit says. room.mu is held.
func (r *room) change(body kit.Args) {
	for field, p := range map[string]*string{
		"new_description": &r.description, "new_secret": &r.secret, "new_pin": &r.pin, "new_rec_dir": &r.recDir,
	} {
		if text := body.Str(field); text != "" {
			*p = text
		}
	}
	for field, p := range map[string]*bool{
		"new_is_private": &r.hidden, "new_require_pvtid": &r.requirePvtID, "new_lock_record": &r.lockRecord,
	} {
		if on, ok := body.Flag(field); ok {
			*p = on
		}
	}
	if n, ok := body.Number("new_bitrate"); ok {
		r.bitrate = 0
		if n > 0 {
			r.bitrate = max(uint64(n), minBitrate)
		}
	}
	if n, ok := body.Number("new_publishers"); ok {
		r.maxPublishers = int(min(n, 1<<31-1))
	}
	if n, ok := body.Number("new_fir_freq"); ok {
		r.firFreq = int(min(n, maxFIRFreq))
		for _, p := range r.participants {
			p.setKeyframes()
		}
	}
}

// destroy ends a room.
func (p *Plugin) destroy(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	permanent := r.Body.Is("permanent")
	if permanent && !p.store.Writable() {
		return fail(errUnknown, "No configuration file, can't destroy room permanently")
	}
	var gone *room
	resp, err := p.manage(r.Body, func(found *room) (kit.Response, *schema.Error) {
		gone = found
		found.end()
		return kit.Response{}, nil
	})
	if err != nil {
		return resp, err
	}
	p.mu.Lock()
	if p.rooms[gone.id] == gone {
		delete(p.rooms, gone.id)
	}
	p.mu.Unlock()
	h.notify("destroyed", gone.writeRoom)
	p.answerSaved(w, "destroyed", gone, permanent, true)
	return resp, nil
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
	p.mu.Lock()
	rooms := make([]*room, 0, len(p.rooms))
	for _, r := range p.rooms {
		rooms = append(rooms, r)
	}
	p.mu.Unlock()
	slices.SortFunc(rooms, func(a, b *room) int {
		return cmpIDs(a.id, b.id)
	})
	w.Str("videoroom", "success")
	w.Array("list")
	for _, r := range rooms {
		r.mu.Lock()
		if !r.destroyed && (private || !r.hidden) {
			r.describe(w)
		}
		r.mu.Unlock()
	}
	w.EndArray()
	return kit.Response{}, nil
}

// cmpIDs orders ids: numbers by value, since their texts have no leading
// zeros, names somehow.
func cmpIDs(a, b id) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// describe writes the room's entry in the list. room.mu is held.
func (r *room) describe(w *json.Writer) {
	w.Object("")
	r.writeRoom(w)
	w.Str("description", r.description)
	w.Bool("pin_required", r.pin != "")
	w.Bool("is_private", r.hidden)
	w.Int("max_publishers", int64(r.maxPublishers))
	w.Uint("bitrate", r.bitrate)
	optTrue(w, "bitrate_cap", r.bitrateCap)
	w.Int("fir_freq", int64(r.firFreq))
	w.Bool("require_pvtid", r.requirePvtID)
	w.Bool("require_e2ee", r.requireE2EE)
	w.Bool("dummy_publisher", r.dummy)
	w.Bool("notify_joining", r.notifyJoining)
	w.Str("audiocodec", strings.Join(r.audioCodecs, ","))
	w.Str("videocodec", strings.Join(r.videoCodecs, ","))
	optTrue(w, "opus_fec", r.opusFEC)
	optTrue(w, "opus_dtx", r.opusDTX)
	w.Bool("record", r.record)
	w.OptStr("rec_dir", r.recDir)
	w.Bool("lock_record", r.lockRecord)
	w.Int("num_participants", int64(len(r.participants)))
	w.Bool("audiolevel_ext", r.audioLevelExt)
	w.Bool("audiolevel_event", r.audioLevelEvent)
	if r.audioLevelEvent {
		w.Int("audio_active_packets", int64(r.audioActivePackets))
		w.Int("audio_level_average", int64(r.audioLevelAverage))
	}
	w.Bool("videoorient_ext", r.orientationExt)
	w.Bool("playoutdelay_ext", r.delayExt)
	w.Bool("transport_wide_cc_ext", r.transportCC)
	w.End()
}

func optTrue(w *json.Writer, key string, v bool) {
	if v {
		w.Bool(key, true)
	}
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
	action := r.Body.Lower("action")
	if !slices.Contains([]string{"enable", "disable", "add", "remove"}, action) {
		return fail(errInvalidElement, "Unsupported action '%s' (allowed)", action)
	}
	var tokens []string
	for _, v := range r.Body.Items("allowed") {
		token, ok := json.String(v.Value)
		if !ok {
			return fail(errInvalidElement, "Invalid element in the allowed array (not a string)")
		}
		tokens = append(tokens, token)
	}
	var changed *room
	resp, err := p.manage(r.Body, func(r *room) (kit.Response, *schema.Error) {
		if action == "add" && totalLen(r.allowed)+totalLen(tokens) > maxAllowed {
			return fail(errInvalidElement, "Too many tokens (more than %d bytes)", maxAllowed)
		}
		changed = r
		switch action {
		case "enable", "disable":
			r.checkAllowed = action == "enable"
		case "add":
			for _, t := range tokens {
				r.allow(t)
			}
		case "remove":
			r.allowed = slices.DeleteFunc(r.allowed, func(t string) bool { return slices.Contains(tokens, t) })
		}
		w.Str("videoroom", "success")
		r.writeRoom(w)
		if action == "disable" {
			return kit.Response{}, nil
		}
		w.Array("allowed")
		for _, t := range r.allowed {
			w.Str("", t)
		}
		w.EndArray()
		return kit.Response{}, nil
	})
	if changed != nil {
		p.saveAllowed(changed)
	}
	return resp, err
}

// allow adds a token. room.mu is held, or the room not shared yet.
func (r *room) allow(token string) {
	if !slices.Contains(r.allowed, token) {
		r.allowed = append(r.allowed, token)
	}
}

// maxAllowed is how many bytes the tokens of a room may have.
const maxAllowed = 1 << 20

func totalLen(texts []string) (n int) {
	for _, t := range texts {
		n += len(t)
	}
	return n
}
