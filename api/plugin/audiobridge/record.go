package audiobridge

import (
	"cmp"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/recording"
	"bifrons/api/schema"
)

// startRecording starts the recordings that are wanted and not yet running. room.mu is held.
func (p *participant) startRecording() {
	r, from := p.room, p.origin()
	if from == nil || !p.up || !p.recordings.On && !r.mjrs {
		return
	}
	m := p.media.medium
	if !m.Recordable() {
		return
	}
	base := cmp.Or(p.recordings.Base, recording.Base("audiobridge-"+r.id+"-user", p.id))
	m.NameIn(base)
	m.Name = recording.Path(r.mjrsDir, m.Name)
	m.Key, m.Origin, m.Track, m.Muted = 0, from, p.media.track, p.muted || p.suspended
	p.recordings.Begin(recording.Owner{Events: &r.plugin.Events, Host: p.h.Host}, m)
	p.recordings.SetOrigin(0, from, p.media.track)
}

// enableMJRs begins to record every participant, or ends that.
func (p *Plugin) enableMJRs(q *kit.Request, w *json.Writer) *schema.Error {
	on := q.Body.Is("mjrs")
	return p.ofAny(q.Body, func(r *room) *schema.Error {
		if dir, ok := q.Body.Text("mjrs_dir"); ok {
			r.mjrsDir = dir
		}
		if on != r.mjrs {
			r.mjrs = on
			for _, user := range r.members {
				user.recordings.SetOn(on, user.startRecording)
			}
		}
		w.Str("audiobridge", "success")
		w.Bool("mjrs", on)
		return nil
	})
}

// ofAny is Manage for a request whose room is not looked at before: without one it is 0.
func (p *Plugin) ofAny(body kit.Args, f func(r *room) *schema.Error) *schema.Error {
	if !body.Has("room") {
		id := "0"
		if p.ids.Strings {
			id = ""
		}
		return noSuchRoom(id)
	}
	return p.rooms.Manage(body, f)
}
