package textroom

import (
	"bifrons/api/json"
	"bifrons/api/kit/rooms"
	"bifrons/api/schema"
)

// create makes a room.
func (p *Plugin) create(c *call) *schema.Error {
	if err := codes.Authorize(c.body, "admin_key", p.general.adminKey); err != nil {
		return err
	}
	tokens, err := rooms.TokensOf(c.body, codes)
	if err == nil {
		err = checkPost(c.body, "post")
	}
	if err == nil {
		err = p.mayMakePermanent(c, "create permanent room")
	}
	if err != nil {
		return err
	}
	if p.rooms.Len() >= maxRooms {
		return errorf(errUnknown, "Too many rooms (%d at most)", maxRooms)
	}
	id, free := p.rooms.Reserve(c.body, "room")
	if !free {
		return errorf(errRoomExists, "Room %s already exists", id)
	}
	defer p.rooms.Release(id)
	r := p.newRoom(id, newSettings(c.body, "Room "+id))
	r.allowed.Add(tokens...)
	r.allowed.On = c.body.Has("allowed")
	p.rooms.Commit(id, r)
	p.changed(c, r, "created")
	c.answerSaved("created", r, false)
	return nil
}

// mayMakePermanent is an error if the file is to be changed, but there is none.
func (p *Plugin) mayMakePermanent(c *call, what string) *schema.Error {
	if c.body.Is("permanent") && !p.file.Writable() {
		return errorf(errUnknown, "No configuration file, can't %s", what)
	}
	return nil
}

// changed tells event handlers about a room.
func (p *Plugin) changed(c *call, r *room, what string) {
	p.events.Notify(c.h.Host, func(w *json.Writer) {
		w.Str("event", what)
		r.write(w)
	})
}

// answerSaved saves a room if that is wanted, or its removal, and answers.
func (c *call) answerSaved(what string, r *room, remove bool) {
	permanent := c.body.Is("permanent")
	if permanent {
		permanent = c.plugin().save(r, remove)
	}
	if c.channel {
		what = "success"
	}
	c.w.Str("textroom", what)
	r.write(c.w)
	c.w.Bool("permanent", permanent)
}

// edit changes a room.
func (p *Plugin) edit(c *call) *schema.Error {
	err := p.mayMakePermanent(c, "edit room permanently")
	if err == nil {
		err = checkPost(c.body, "new_post")
	}
	if err != nil {
		return err
	}
	var edited *room
	if err := c.manage(func(r *room) *schema.Error {
		edited = r
		r.change(c.body)
		return nil
	}); err != nil {
		return err
	}
	p.changed(c, edited, "edited")
	c.answerSaved("edited", edited, false)
	return nil
}

// destroy ends a room. Who does so by a data channel is told, and once more as a
// member.
func (p *Plugin) destroy(c *call) *schema.Error {
	if err := p.mayMakePermanent(c, "destroy room permanently"); err != nil {
		return err
	}
	var gone *room
	if err := c.manage(func(r *room) *schema.Error {
		gone = r
		text := r.event("destroyed", func(*json.Writer) {})
		c.putOne(text, c.h)
		c.put(text, r.everybody)
		r.end()
		c.deliver(r)
		return nil
	}); err != nil {
		return err
	}
	p.rooms.Remove(gone.id, gone)
	p.changed(c, gone, "destroyed")
	c.answerSaved("destroyed", gone, true)
	return nil
}

// end takes everybody out. mu is held.
func (r *room) end() {
	r.destroyed = true
	for _, m := range r.everybody {
		m.h.exit(r)
	}
	r.members, r.names, r.everybody = nil, nil, nil
	r.history.clear()
}

// list describes the rooms.
func (p *Plugin) list(c *call) *schema.Error {
	private := false
	if key := c.body.Str("admin_key"); key != "" && p.general.adminKey != "" {
		if err := codes.Authorize(c.body, "admin_key", p.general.adminKey); err != nil {
			return err
		}
		private = true
	}
	c.w.Str("textroom", "success")
	c.w.Array("list")
	for _, r := range p.rooms.Sorted() {
		r.listed(c.w, private)
	}
	c.w.EndArray()
	return nil
}

// listed writes the room's entry in the list, unless it is hidden.
func (r *room) listed(w *json.Writer, private bool) {
	r.Lock()
	defer r.Unlock()
	if r.destroyed || r.hidden && !private {
		return
	}
	w.Object("")
	r.write(w)
	w.Str("description", r.description)
	w.Bool("pin_required", r.pin != "")
	w.Int("num_participants", int64(len(r.members)))
	w.Int("history", int64(r.settings.history))
	w.End()
}

// exists tells whether there is a room.
func (p *Plugin) exists(c *call) *schema.Error {
	id, _ := p.ids.Parse(c.body.Get("room"))
	_, is := p.rooms.Get(id)
	c.w.Str("textroom", "success")
	p.ids.Write(c.w, "room", id)
	c.w.Bool("exists", is)
	return nil
}

// allowed changes who may join.
func (p *Plugin) allowed(c *call) *schema.Error {
	change, err := rooms.ReadTokenChange(c.body, codes)
	if err != nil {
		return err
	}
	var changed *room
	if err := c.manage(func(r *room) *schema.Error {
		if err := change.Apply(&r.allowed); err != nil {
			return err
		}
		changed = r
		c.w.Str("textroom", "success")
		r.write(c.w)
		change.Write(c.w, &r.allowed)
		return nil
	}); err != nil {
		return err
	}
	p.saveAllowed(changed)
	return nil
}
