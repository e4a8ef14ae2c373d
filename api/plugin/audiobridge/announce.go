package audiobridge

import (
	"slices"
	"sync/atomic"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/clip"
	"bifrons/api/schema"
	"bifrons/sfu"
	sfumedia "bifrons/sfu/media"
)

// Bounds of files that are played at the same time: in a room, and in all.
const (
	maxAnnouncements    = 32
	maxAllAnnouncements = 1024
)

// songs counts the announcements being played in all rooms.
type songs struct{ n atomic.Int64 }

// announcement is a file that is played to a room. The room's mu guards the fields that change.
type announcement struct {
	room     *room  // fixed
	id       string // fixed
	filename string // fixed
	loop     bool   // fixed
	party    *sfu.Party
	source   *sfu.Source
	player   *sfu.Player
	started  bool // it was heard
}

// mayPlay reports whether the administrator lets a client play files.
func (p *Plugin) mayPlay(body kit.Args) *schema.Error {
	return codes.MayLocked(body, p.general.LockPlay, p.general.AdminKey)
}

// playFile plays a file to a room.
func (p *Plugin) playFile(q *kit.Request, w *json.Writer) *schema.Error {
	if err := p.mayPlay(q.Body); err != nil {
		return err
	}
	group := 0
	if err := p.rooms.Manage(q.Body, func(r *room) *schema.Error { return r.mayAnnounce(q.Body, &group) }); err != nil {
		return err
	}
	filename := q.Body.Str("filename")
	audio, bad := clip.OpenOpus(filename, p.general.FileFolders)
	if bad != nil {
		return errorf(errUnknown, "Error opening file '%s': %v", filename, bad)
	}
	audio.Once = !q.Body.Is("loop")
	err := p.rooms.Manage(q.Body, func(r *room) *schema.Error {
		if err := r.mayAnnounce(q.Body, &group); err != nil {
			return err
		}
		a := &announcement{room: r, id: q.Body.Str("file_id"), filename: filename, loop: !audio.Once}
		if a.id == "" {
			a.id = schema.IDs{Strings: true}.New()
		}
		if err := a.play(audio, group); err != nil {
			return err
		}
		r.begin(w, "success")
		w.Str("file_id", a.id)
		return nil
	})
	if err != nil {
		_ = audio.Close()
	}
	return err
}

// mayAnnounce reports whether a file can be played to the room, and to which group. mu is held.
func (r *room) mayAnnounce(body kit.Args, group *int) *schema.Error {
	m := new(mix)
	if err := r.pick(m, body.Str("group")); err != nil {
		return err
	}
	*group = m.group
	if id := body.Str("file_id"); id != "" && r.announcement(id) != nil {
		return errorf(errIDExists, "File ID %s already exists", id)
	}
	if len(r.announcements) >= maxAnnouncements || r.plugin.songs.n.Load() >= maxAllAnnouncements {
		return errorf(errUnknown, "Too many files are played")
	}
	return nil
}

// announcement finds one by its id, nil if there is none. mu is held.
func (r *room) announcement(id string) *announcement {
	for _, a := range r.announcements {
		if a.id == id {
			return a
		}
	}
	return nil
}

// play begins to play a file, which it owns unless it fails. room.mu is held.
func (a *announcement) play(audio *clip.File, group int) *schema.Error {
	r := a.room
	conf, err := r.mixing()
	if err != nil {
		return err
	}
	e := r.plugin.Gateway.Engine()
	track := sfu.TrackConfig{Kind: sfumedia.Audio, Codec: sfumedia.Codec{Name: sfumedia.Opus, PayloadType: opusPT, ClockRate: 48000}}
	src, bad := e.NewSource(sfu.SourceConfig{Label: "announcement", Tracks: []sfu.TrackConfig{track}}, a)
	if bad != nil {
		r.rest()
		return errorf(errUnknown, "%v", bad)
	}
	cfg := sfu.PartyConfig{Codec: sfu.MixOpus, Group: group}
	cfg.Exempt, cfg.Volume, cfg.Position = true, defaultVolume, defaultPosition
	a.source, a.party = src, conf.Join(cfg)
	a.party.Input(src, 0, sfu.InputFormat{})
	a.player = e.Play(src, []sfu.Part{{Reader: clip.NewReader(audio, opusPT), Device: audio.Device()}}, false, a.ended)
	r.announcements = append(r.announcements, a)
	r.plugin.songs.n.Add(1)
	return nil
}

// close ends it, as it was taken out of the list or the room is gone. room.mu is held.
func (a *announcement) close() {
	a.player.Stop()
	a.party.Leave()
	a.source.Close()
	a.room.plugin.songs.n.Add(-1)
}

// stop ends it, and informs everybody if it was heard; false if it has ended already. room.mu
// is held.
func (a *announcement) stop() bool {
	r := a.room
	i := slices.Index(r.announcements, a)
	if i < 0 {
		return false
	}
	r.announcements = slices.Delete(r.announcements, i, i+1)
	a.close()
	if a.started {
		a.tell("announcement-stopped")
	}
	r.rest()
	return true
}

// tell informs everybody of its progress. room.mu is held.
func (a *announcement) tell(what string) {
	r := a.room
	r.tell(r.event(what, func(w *json.Writer) { w.Str("file_id", a.id) }), nil)
	r.plugin.Events.Notify(r.plugin.Nobody(), func(w *json.Writer) {
		w.Str("event", what)
		r.plugin.ids.Write(w, "room", r.id)
		w.Str("file_id", a.id)
	})
}

// ended follows the end of the file.
func (a *announcement) ended(err error) {
	a.room.mu.Lock()
	defer a.room.mu.Unlock()
	if err != nil {
		a.room.plugin.Gateway.Logger().Warn("a file is not played to its end", "room", a.room.id, "file", a.filename, "error", err)
	}
	a.stop()
}

// SourceEvent handles the progress of the file: its first packet, or a failure.
func (a *announcement) SourceEvent(e sfu.Event) {
	a.room.mu.Lock()
	defer a.room.mu.Unlock()
	switch {
	case e.Kind == sfu.EventClosed:
		a.stop()
	case e.Kind == sfu.EventMedia && e.Receiving && !a.started && slices.Contains(a.room.announcements, a):
		a.started = true
		a.tell("announcement-started")
	}
}

// SourceData is never called: there is sound only.
func (*announcement) SourceData(int, bool, []byte) {}

// ofFile is Manage for those who may play files.
func (p *Plugin) ofFile(body kit.Args, f func(r *room) *schema.Error) *schema.Error {
	if err := p.mayPlay(body); err != nil {
		return err
	}
	return p.rooms.Manage(body, f)
}

// isPlaying reports whether a file is played.
func (p *Plugin) isPlaying(q *kit.Request, w *json.Writer) *schema.Error {
	return p.ofFile(q.Body, func(r *room) *schema.Error {
		id := q.Body.Str("file_id")
		r.begin(w, "success")
		w.Str("file_id", id)
		w.Bool("playing", r.announcement(id) != nil)
		return nil
	})
}

// listAnnouncements says which files are played.
func (p *Plugin) listAnnouncements(q *kit.Request, w *json.Writer) *schema.Error {
	return p.rooms.Manage(q.Body, func(r *room) *schema.Error {
		r.begin(w, "announcements")
		json.Objects(w, "announcements", r.announcements, func(a *announcement) {
			w.Str("file_id", a.id)
			w.Str("filename", a.filename)
			w.Bool("playing", a.started)
			w.Bool("loop", a.loop)
		})
		return nil
	})
}

// stopFile ends a file, if it is played.
func (p *Plugin) stopFile(q *kit.Request, w *json.Writer) *schema.Error {
	return p.ofFile(q.Body, func(r *room) *schema.Error {
		id := q.Body.Str("file_id")
		if a := r.announcement(id); a != nil {
			a.stop()
		}
		r.begin(w, "success")
		w.Str("file_id", id)
		return nil
	})
}

// stopAllFiles ends all files.
func (p *Plugin) stopAllFiles(q *kit.Request, w *json.Writer) *schema.Error {
	return p.ofFile(q.Body, func(r *room) *schema.Error {
		r.begin(w, "success")
		w.Array("file_id_list")
		for _, a := range slices.Clone(r.announcements) {
			if a.started {
				w.Str("", a.id)
			}
			a.stop()
		}
		w.EndArray()
		return nil
	})
}
