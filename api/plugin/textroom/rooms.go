package textroom

import (
	"bifrons/api/json"
	"bifrons/api/kit/rooms"
	"bifrons/api/schema"
)

// desk makes the part that answers requests about rooms as such.
func (p *Plugin) desk() rooms.Desk[*room] {
	return rooms.Desk[*room]{
		Registry: rooms.Registry[*room]{IDs: &p.ids, Field: "room", Codes: codes, NoSuch: noSuchRoom},
		Key:      "textroom", Events: &p.Events, AdminKey: &p.general.adminKey,
		Taken: errRoomExists, Failed: errUnknown,
		Check: p.checkRoom, Entry: checkEntry, Make: p.newRoom, Describe: (*room).describe,
		End: (*room).end,
	}
}

// about is a request about rooms as such.
func (q *request) about() *rooms.Request {
	x := &rooms.Request{Host: q.h.Host, Body: q.body, W: q.w}
	if q.channel {
		x.Done, x.Fits = "success", q.fits
	}
	return x
}

func (p *Plugin) create(q *request) *schema.Error  { return p.rooms.Create(q.about()) }
func (p *Plugin) edit(q *request) *schema.Error    { return p.rooms.Edit(q.about()) }
func (p *Plugin) exists(q *request) *schema.Error  { return p.rooms.Exists(q.about()) }
func (p *Plugin) allowed(q *request) *schema.Error { return p.rooms.Allowed(q.about()) }

// list describes the rooms. A key that is no text does not count.
func (p *Plugin) list(q *request) *schema.Error {
	return p.rooms.List(q.about(), q.body.Str("admin_key") != "")
}

// destroy ends a room.
func (p *Plugin) destroy(q *request) *schema.Error {
	id, _ := p.ids.Read(q.body, "room")
	r, there := p.rooms.Get(id)
	err := p.rooms.Destroy(q.about())
	if err == nil && there {
		r.Lock()
		defer r.Unlock()
		q.deliver(r) // behind the texts of end
	}
	return err
}

// end takes everybody out. Who destroys the room is told on its own data channel, and
// once more as a member. mu is held.
func (r *room) end(x *rooms.Request) {
	r.Gone = true
	text := r.event("destroyed", func(*json.Writer) {})
	list := []parcel{{text: text, to: r.everybody}}
	if x != nil {
		list = append([]parcel{{text: text, one: x.Host}}, list...)
	}
	r.deliver(list, nil)
	for _, m := range r.everybody {
		m.h.exit(r)
	}
	r.members, r.names, r.everybody, r.absent = nil, nil, nil, 0
	r.history.clear()
}

// describe writes into the room's entry of the list, besides its settings. mu is held.
func (r *room) describe(w *json.Writer) {
	w.Int("num_participants", int64(len(r.members)))
}
