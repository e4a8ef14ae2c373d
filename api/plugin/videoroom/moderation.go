package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

// kick takes a participant out of a room.
func (p *Plugin) kick(r *kit.Request, w *json.Writer) *schema.Error {
	return p.rooms.Manage(r.Body, func(room *room) *schema.Error {
		victim, err := room.user(r.Body)
		switch {
		case err != nil:
			return err
		case victim.h == nil:
			return errorf(errNoSuchFeed, "User %s in room %s can't be kicked", victim.id, room.id)
		}
		victim.kicked = true
		victim.h.Host.Push("", room.event("event", func(w *json.Writer) {
			w.Str("leaving", "ok")
			w.Str("reason", "kicked")
		}), nil)
		victim.tellGone("kicked")
		room.notify(victim.h, "kicked", victim.writeIdentity)
		room.ownerKicked(victim)
		room.feedGone(victim, false)
		room.remove(victim)
		victim.h.ClosePeer()
		w.Str("videoroom", "success")
		return nil
	})
}

// user finds the participant whom a request is about. room.mu is held.
func (r *room) user(body kit.Args) (*publisher, *schema.Error) {
	name, _ := r.plugin.ids.Read(body, "id")
	if p := r.participants[name]; p != nil {
		return p, nil
	}
	return nil, errorf(errNoSuchFeed, "No such user %s in room %s", name, r.id)
}

// moderate mutes a participant's stream for everybody, or takes that back.
func (p *Plugin) moderate(r *kit.Request, w *json.Writer) *schema.Error {
	mid := r.Body.Str("mid")
	return p.rooms.Manage(r.Body, func(room *room) *schema.Error {
		target, err := room.user(r.Body)
		if err != nil {
			return err
		}
		s := target.stream(mid)
		if s == nil {
			return errorf(errNoSuchFeed, "No such stream %s", mid)
		}
		s.moderated = r.Body.Is("mute")
		s.gateChanged()
		if !s.moderated {
			s.requestKeyframe()
		}
		fields := func(w *json.Writer) {
			p.ids.Write(w, "id", target.id)
			w.Str("mid", mid)
			w.Str("moderation", map[bool]string{true: "muted", false: "unmuted"}[s.moderated])
		}
		room.tell(nil, fields)
		target.h.report(func(w *json.Writer) {
			room.begin(w, "moderated")
			fields(w)
		})
		w.Str("videoroom", "success")
		return nil
	})
}

// listParticipants lists who is in a room.
func (p *Plugin) listParticipants(r *kit.Request, w *json.Writer) *schema.Error {
	return p.rooms.With(r.Body, func(room *room) *schema.Error {
		room.begin(w, "participants")
		json.Objects(w, "participants", room.members, func(x *publisher) {
			x.writeIdentity(w)
			w.OptTrue("dummy", x.dummy)
			w.OptTrue("remote", x.source != nil)
			w.Bool("publisher", x.publishing())
			if x.publishing() && x.hasLevels() {
				w.Bool("talking", x.talking)
			}
		})
		return nil
	})
}
