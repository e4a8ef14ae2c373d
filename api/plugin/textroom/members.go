package textroom

import (
	"bifrons/api/json"
	"bifrons/api/schema"
)

// join makes a handle a member of a room.
func (p *Plugin) join(q *request) *schema.Error {
	var joined *member
	var in *room
	err := p.rooms.With(q.body, func(r *room) *schema.Error {
		m := &member{h: q.h, username: q.body.Str("username"), display: q.body.Str("display")}
		if err := r.mayJoin(q, m); err != nil {
			return err
		}
		if err := q.h.enter(r); err != nil {
			return err
		}
		joined, in = m, r
		others, present := r.everybody, r.present()
		r.add(m)
		if remembered, ok := q.body.Flag("history"); remembered || !ok {
			for _, text := range r.history.texts {
				q.putOne(text, q.h)
			}
		}
		text := r.event("join", m.write)
		q.putOne(text, q.h)
		q.put(text, others)
		q.w.Str("textroom", "success")
		q.writeMembers(present)
		_ = q.answer() // it fits
		q.deliver(r)
		return nil
	})
	if err == nil {
		in.notify(joined, "join", joined.write)
	}
	return err
}

// mayJoin reports whether somebody may be in the room. mu is held.
func (r *room) mayJoin(q *request, m *member) *schema.Error {
	if err := r.plugin.rooms.Enter(r, q.body); err != nil {
		return err
	}
	if err := r.busy(q); err != nil {
		return err
	}
	switch {
	case r.members[q.h] != nil:
		return errorf(errAlreadyInRoom, "Already in room %s", r.id)
	case r.names[m.username] != nil:
		return errorf(errUsernameExists, "Username already taken")
	}
	if err := r.plugin.rooms.Invited(r, q.body); err != nil {
		return err
	}
	if len(r.members) >= maxMembers {
		return errorf(errUnknown, "Too many participants (%d at most)", maxMembers)
	}
	return nil
}

// write writes who a member is.
func (m *member) write(w *json.Writer) {
	w.Str("username", m.username)
	w.OptStr("display", m.display)
}

// writeMembers writes who is in a room; into a message of a data channel as many as
// fit, and how many are left out.
func (q *request) writeMembers(list []*member) {
	const (
		rest   = 128 // for the end of the message
		spaces = 64  // around a member, in other layouts than the compact one
	)
	limit, spacing := maxMessage-rest-6*len(q.transaction), 0
	if q.plugin().general.layout != json.Compact {
		spacing = spaces
	}
	out := 0
	q.w.Array("participants")
	for i, m := range list {
		n := q.w.Len()
		q.w.Object("")
		m.write(q.w)
		q.w.End()
		if q.channel && q.w.Len()+spacing*(i+1) > limit {
			q.w.Truncate(n)
			out = len(list) - i
			break
		}
	}
	q.w.EndArray()
	if out > 0 {
		q.w.Int("left_out", int64(out))
	}
}

// left reports that a member has left. mu is held.
func (r *room) left(m *member) []parcel {
	text := r.event("leave", func(w *json.Writer) { w.Str("username", m.username) })
	return []parcel{{text: text, one: m.h.Host}, {text: text, to: r.everybody}}
}

// leave takes a handle out of a room.
func (p *Plugin) leave(q *request) *schema.Error {
	var gone *member
	var from *room
	err := q.in(func(r *room, m *member) *schema.Error {
		gone, from = m, r
		r.drop(m, r.delivered)
		m.h.exit(r)
		q.parcels = r.left(m)
		q.succeed(r)
		return nil
	})
	if err == nil {
		from.notifyLeave(gone)
	}
	return err
}

// succeed answers that it is done, behind everything that it brings about. The room's
// mu is held.
func (q *request) succeed(r *room) {
	q.w.Str("textroom", "success")
	_ = q.answer() // it fits
	q.deliver(r)
}

// kick takes somebody else out of a room.
func (p *Plugin) kick(q *request) *schema.Error {
	var text []byte
	err := q.manage(func(r *room) *schema.Error {
		m := r.names[q.body.Str("username")]
		if m == nil {
			return errorf(errNoSuchUser, "No such user %s in room %s", q.body.Str("username"), r.id)
		}
		text = json.Object(func(w *json.Writer) {
			w.Str("textroom", "kicked")
			r.write(w)
			w.Str("username", m.username)
		})
		q.put(p.lay(text), r.everybody)
		q.succeed(r)
		r.drop(m, r.delivered) // it gets the event, too
		m.h.exit(r)
		return nil
	})
	if err == nil && p.Events.Wanted() {
		q.h.Host.Notify(text)
	}
	return err
}

// listParticipants lists who is in a room.
func (p *Plugin) listParticipants(q *request) *schema.Error {
	return p.rooms.With(q.body, func(r *room) *schema.Error {
		q.w.Str("textroom", "success")
		r.write(q.w)
		q.writeMembers(r.present())
		return nil
	})
}

// notify informs event handlers about a member.
func (r *room) notify(m *member, event string, fields func(w *json.Writer)) {
	r.plugin.Events.Notify(m.h.Host, func(w *json.Writer) {
		w.Str("event", event)
		r.write(w)
		fields(w)
	})
}

func (r *room) notifyLeave(m *member) {
	r.notify(m, "leave", func(w *json.Writer) { w.Str("username", m.username) })
}
