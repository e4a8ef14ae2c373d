package videoroom

import (
	"slices"
	"strconv"
	"strings"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/kit/rooms"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// desk makes the handler of the requests about rooms.
func (p *Plugin) desk() rooms.Desk[*room] {
	return rooms.Desk[*room]{
		Registry: rooms.Registry[*room]{IDs: &p.ids, Field: "room", Codes: codes, NoSuch: noSuchRoom},
		Key:      "videoroom", Events: &p.Events, AdminKey: &p.general.adminKey,
		Taken: errRoomExists, Failed: errUnknown,
		Check: checkRoom, Entry: checkEntry, Make: p.newRoom, Changed: (*room).edited, Describe: (*room).describe,
		End: func(r *room, _ *rooms.Request) { r.end() },
	}
}

// checkRoom checks what the types of the fields of a create do not express.
func checkRoom(body kit.Args, prefix string) *schema.Error {
	if prefix != "" {
		return nil
	}
	for kind, field := range codecFields {
		list := mline.CodecList{Names: new([]string), Known: knownCodecs[kind]}
		if accepted, _ := list.Set(body.Str(field)); accepted != "" {
			return errorf(errInvalidElement, "Invalid element (%s can only be %s)", field, accepted)
		}
	}
	for _, v := range body.Items("dummy_streams") {
		if err := checkItem(dummyFields, v, "dummy_streams"); err != nil {
			return err
		}
	}
	return nil
}

// checkEntry looks at the settings of a room in the file.
func checkEntry(c *config.Reader) {
	fileLevels.CheckFile(c, fileGuards)
}

// newRoom makes a room that nobody knows of yet.
func (p *Plugin) newRoom(name id, src kit.Values, description string) *room {
	r := &room{
		plugin: p, id: name, settings: newSettings(src, description),
		participants: make(map[id]*publisher),
		coming:       make(map[id]struct{}),
		private:      make(map[uint32]*publisher),
		subscribers:  make(map[*subscriber]struct{}),
	}
	r.Locker = &r.mu
	r.addDummy(src)
	return r
}

// edited follows an edit. room.mu is held.
func (r *room) edited(body kit.Args) {
	if body.Has("new_fir_freq") {
		for _, p := range r.participants {
			p.setKeyframes()
		}
	}
	if body.Has("new_bwe") || body.Has("new_max_bitrate") {
		for s := range r.subscribers {
			if s.live {
				s.estimate()
			}
		}
	}
}

// describe writes the fields of the room's list entry that are not settings. room.mu is
// held.
func (r *room) describe(w *json.Writer) {
	w.Int("num_participants", int64(len(r.participants)))
}

// addDummy adds a publisher, if the settings want one, that never sends anything, so that
// subscriptions can be negotiated before there is anybody to subscribe to. It has a
// stream for each codec of the room, or for those in a list that the room allows.
func (r *room) addDummy(src kit.Values) {
	type format struct{ codec, fmtp string }
	var list []format
	items, _ := src.List("dummy_streams")
	for _, e := range items {
		codec, _ := e.Text("codec")
		fmtp, _ := e.Text("fmtp")
		list = append(list, format{strings.ToLower(codec), fmtp})
	}
	e2ee, _ := src.Flag("dummy_e2ee")
	if !r.dummy {
		return
	}
	if len(list) == 0 {
		for _, codec := range slices.Concat(r.audioCodecs, r.videoCodecs) {
			list = append(list, format{codec: codec})
		}
	}
	p := &publisher{room: r, id: r.plugin.ids.Free(r.taken), dummy: true, display: "Dummy publisher", e2ee: r.requireE2EE || e2ee}
	for _, kind := range []sdp.Kind{sdp.Audio, sdp.Video} {
		for _, f := range list {
			if r.allows(kind, f.codec) {
				n := len(p.streams)
				s := p.newStream(n, strconv.Itoa(n), kind)
				s.Format = mline.NewFormat(f.codec, &sdp.Codec{Fmtp: f.fmtp})
				p.streams = append(p.streams, s)
			}
		}
	}
	r.add(p)
}
