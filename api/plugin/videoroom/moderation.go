package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/schema"
)

// kick takes a participant out of a room.
func (p *Plugin) kick(r *plugin.Request, w *json.Writer) kit.Response {
	return p.manage(r.Body, func(room *room) kit.Response {
		victim, err := room.user(r.Body)
		switch {
		case err != nil:
			return kit.Response{Err: err}
		case victim.h == nil:
			return fail(errNoSuchFeed, "User %s in room %s can't be kicked", victim.id, room.id)
		}
		victim.kicked = true
		victim.h.push("event", func(w *json.Writer) {
			room.writeRoom(w)
			w.Str("leaving", "ok")
			w.Str("reason", "kicked")
		})
		victim.tellGone("kicked")
		victim.h.notify("kicked", victim.writeGone)
		room.ownerKicked(victim)
		room.feedGone(victim, false)
		room.remove(victim)
		victim.h.closePeer()
		w.Str("videoroom", "success")
		return kit.Response{}
	})
}

// user finds the participant whom a request is about. room.mu is held.
func (r *room) user(body *json.Value) (*publisher, *schema.Error) {
	name, _ := r.plugin.ids.Parse(body.Get("id"))
	if p := r.publisher(name); p != nil {
		return p, nil
	}
	return nil, errorf(errNoSuchFeed, "No such user %s in room %s", name, r.id)
}

// moderate mutes a participant's stream for everybody, or takes that back.
func (p *Plugin) moderate(r *plugin.Request, w *json.Writer) kit.Response {
	mid, _ := json.String(r.Body.Get("mid"))
	return p.manage(r.Body, func(room *room) kit.Response {
		target, err := room.user(r.Body)
		if err != nil {
			return kit.Response{Err: err}
		}
		s := target.stream(mid)
		if s == nil {
			return fail(errNoSuchFeed, "No such stream %s", mid)
		}
		s.moderated = json.True(r.Body.Get("mute"))
		s.gateChanged()
		if !s.moderated {
			s.requestKeyframe()
		}
		fields := func(w *json.Writer) {
			room.writeRoom(w)
			p.ids.Write(w, "id", target.id)
			w.Str("mid", mid)
			if s.moderated {
				w.Str("moderation", "muted")
			} else {
				w.Str("moderation", "unmuted")
			}
		}
		room.tell(nil, fields)
		if target.h != nil {
			target.h.notifyRaw(event("moderated", fields))
		}
		w.Str("videoroom", "success")
		return kit.Response{}
	})
}

// listParticipants tells who is in a room.
func (p *Plugin) listParticipants(r *plugin.Request, w *json.Writer) kit.Response {
	return p.enter(r.Body, func(room *room) kit.Response {
		w.Str("videoroom", "participants")
		room.writeRoom(w)
		w.Array("participants")
		for _, x := range room.members() {
			w.Object("")
			x.writeIdentity(w)
			optTrue(w, "dummy", x.dummy)
			optTrue(w, "remote", x.source != nil)
			w.Bool("publisher", x.publishing())
			if x.publishing() && x.hasLevels() {
				w.Bool("talking", x.talking)
			}
			w.End()
		}
		w.EndArray()
		return kit.Response{}
	})
}

// enableRecording starts or stops recording everybody.
func (p *Plugin) enableRecording(r *plugin.Request, w *json.Writer) kit.Response {
	record := json.True(r.Body.Get("record"))
	return p.manage(r.Body, func(room *room) kit.Response {
		if record {
			return kit.Response{Err: noRecording()}
		}
		room.record = false
		w.Str("videoroom", "success")
		w.Bool("record", false)
		return kit.Response{}
	})
}
