package textroom

import (
	"bifrons/api/json"
	"bifrons/api/schema"
)

// join makes a handle a member of a room.
func (p *Plugin) join(c *call) *schema.Error {
	var joined *member
	var in *room
	err := p.rooms.With(c.body, func(r *room) *schema.Error {
		m := &member{h: c.h, username: c.body.Str("username"), display: c.body.Str("display")}
		if err := r.mayJoin(c, m); err != nil {
			return err
		}
		if err := c.h.enter(r); err != nil {
			return err
		}
		joined, in = m, r
		others, present := r.everybody, r.present()
		r.add(m)
		if remembered, ok := c.body.Flag("history"); remembered || !ok {
			for _, text := range r.history.texts {
				c.putOne(text, c.h)
			}
		}
		text := r.event("join", m.write)
		c.putOne(text, c.h)
		c.put(text, others)
		c.w.Str("textroom", "success")
		c.writeMembers(present)
		_ = c.answer() // it fits
		c.deliver(r)
		return nil
	})
	if err == nil {
		in.notify(joined, "join", joined.write)
	}
	return err
}

// mayJoin tells whether somebody may be in the room. mu is held.
func (r *room) mayJoin(c *call, m *member) *schema.Error {
	if err := codes.Authorize(c.body, "pin", r.pin); err != nil {
		return err
	}
	if err := r.busy(c); err != nil {
		return err
	}
	switch {
	case r.members[c.h] != nil:
		return errorf(errAlreadyInRoom, "Already in room %s", r.id)
	case r.names[m.username] != nil:
		return errorf(errUsernameExists, "Username already taken")
	case !r.allowed.Admit(c.body.Str("token")):
		return errorf(errUnauthorized, "Unauthorized (not in the allowed list)")
	case len(r.members) >= maxMembers:
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
func (c *call) writeMembers(list []*member) {
	const (
		rest   = 128 // for the end of the message
		spaces = 64  // around a member, in other layouts than the compact one
	)
	limit, spacing := maxMessage-rest-6*len(c.transaction), 0
	if c.plugin().general.layout != json.Compact {
		spacing = spaces
	}
	out := 0
	c.w.Array("participants")
	for i, m := range list {
		n := c.w.Len()
		c.w.Object("")
		m.write(c.w)
		c.w.End()
		if c.channel && c.w.Len()+spacing*(i+1) > limit {
			c.w.Truncate(n)
			out = len(list) - i
			break
		}
	}
	c.w.EndArray()
	if out > 0 {
		c.w.Int("left_out", int64(out))
	}
}

// left tells that a member has left. mu is held.
func (r *room) left(m *member) []parcel {
	text := r.event("leave", func(w *json.Writer) { w.Str("username", m.username) })
	return []parcel{{text: text, one: m.h.Host}, {text: text, to: r.everybody}}
}

// leave takes a handle out of a room.
func (p *Plugin) leave(c *call) *schema.Error {
	var gone *member
	var from *room
	err := c.in(func(r *room, m *member) *schema.Error {
		gone, from = m, r
		r.drop(m, r.delivered)
		m.h.exit(r)
		c.parcels = r.left(m)
		c.succeed(r)
		return nil
	})
	if err == nil {
		from.notifyLeave(gone)
	}
	return err
}

// succeed answers that it is done, behind everything that it brings about. The room's
// mu is held.
func (c *call) succeed(r *room) {
	c.w.Str("textroom", "success")
	_ = c.answer() // it fits
	c.deliver(r)
}

// kick takes somebody else out of a room.
func (p *Plugin) kick(c *call) *schema.Error {
	var text []byte
	err := c.manage(func(r *room) *schema.Error {
		m := r.names[c.body.Str("username")]
		if m == nil {
			return errorf(errNoSuchUser, "No such user %s in room %s", c.body.Str("username"), r.id)
		}
		text = json.Object(func(w *json.Writer) {
			w.Str("textroom", "kicked")
			r.write(w)
			w.Str("username", m.username)
		})
		c.put(p.lay(text), r.everybody)
		c.succeed(r)
		r.drop(m, r.delivered) // it is told, too
		m.h.exit(r)
		return nil
	})
	if err == nil && p.Events.Wanted() {
		c.h.Host.Notify(text)
	}
	return err
}

// listParticipants tells who is in a room.
func (p *Plugin) listParticipants(c *call) *schema.Error {
	return p.rooms.With(c.body, func(r *room) *schema.Error {
		c.w.Str("textroom", "success")
		r.write(c.w)
		c.writeMembers(r.present())
		return nil
	})
}

// notify tells event handlers something about a member.
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
