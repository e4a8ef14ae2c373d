package textroom

import (
	"sync"
	"sync/atomic"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/api/task"
)

// Bounds for clients, besides rooms.MaxRooms.
const (
	maxMembers     = 10000 // of a room
	maxMemberships = 256   // of a handle
	maxAPIWaiting  = 64    // deliveries of a room that requests of the API have brought about
)

// room is a room. mu guards every field that changes. Nothing is sent under it: texts
// are put into line, whose order is that of all members.
type room struct {
	plugin *Plugin // fixed
	id     string  // fixed
	queue  *task.Serial

	mu sync.Mutex
	settings
	members   map[*handle]*member
	names     map[string]*member
	everybody []*member    // in the order of their coming, some have left; no element ever changes
	absent    int          // how many have left of these
	delivered uint64       // deliveries, from 1 on
	byAPI     atomic.Int32 // that wait, of requests of the API
	history   history
	backend   *backend // fixed
}

// member is a handle in a room. Its name does not change.
type member struct {
	h        *handle
	username string
	display  string        // "" = none
	last     atomic.Uint64 // delivery that it gets, 0 = it is in the room
}

// newRoom makes a room that nobody knows of yet.
func (p *Plugin) newRoom(id string, src kit.Values, description string) *room {
	s := newSettings(src, description)
	r := &room{plugin: p, id: id, settings: s, delivered: 1, members: make(map[*handle]*member), names: make(map[string]*member)}
	r.Locker = &r.mu
	r.queue = task.NewSerial(0, &p.tasks, p.posts.log)
	r.history = history{most: s.history, stored: &p.stored, sure: sureStored}
	r.backend = &backend{room: id, posts: &p.posts}
	return r
}

// add makes a handle a member. mu is held.
func (r *room) add(m *member) {
	r.members[m.h], r.names[m.username] = m, m
	r.everybody = append(r.everybody, m) // nobody looks behind the end
}

// drop takes a member out, which gets the messages delivered up to last. mu is held. Waiting
// messages refer to everybody, so that is made again only when half of it has left.
func (r *room) drop(m *member, last uint64) {
	delete(r.members, m.h)
	delete(r.names, m.username)
	m.last.Store(last)
	if r.absent++; 2*r.absent >= len(r.everybody) {
		r.everybody, r.absent = r.present(), 0
	}
}

// present are the members in the order of their coming. mu is held.
func (r *room) present() []*member {
	if r.absent == 0 {
		return r.everybody
	}
	list := make([]*member, 0, len(r.everybody)-r.absent)
	for _, m := range r.everybody {
		if m.last.Load() == 0 {
			list = append(list, m)
		}
	}
	return list
}

// write writes the id of the room.
func (r *room) write(w *json.Writer) { r.plugin.ids.Write(w, "room", r.id) }

// event is the text of an event of the room.
func (r *room) event(kind string, fields func(w *json.Writer)) []byte {
	return r.plugin.text(func(w *json.Writer) {
		w.Str("textroom", kind)
		r.write(w)
		fields(w)
	})
}

// text lays a text for data channels out.
func (p *Plugin) text(fields func(w *json.Writer)) []byte { return p.lay(json.Object(fields)) }

func (p *Plugin) lay(compact []byte) []byte {
	if p.general.layout == json.Compact {
		return compact
	}
	return json.Relayout(nil, compact, p.general.layout)
}

// parcel is a text for some handles.
type parcel struct {
	text []byte
	to   []*member
	one  plugin.Host // instead of to
}

// deliver has parcels sent, behind everything that was delivered before. done is called
// then, if it is not nil. mu is held.
func (r *room) deliver(list []parcel, done func()) {
	r.delivered++
	n := r.delivered
	r.queue.Must(func() {
		if done != nil {
			defer done()
		}
		for i := range list {
			r.plugin.carry(&list[i], n)
		}
	})
}

// carry sends a parcel of the nth delivery to all who get that.
func (p *Plugin) carry(x *parcel, n uint64) {
	if x.one != nil {
		p.send(x.one, x.text)
		return
	}
	for _, m := range x.to {
		if last := m.last.Load(); last == 0 || n <= last {
			p.send(m.h.Host, x.text)
		}
	}
}

// in finds the room of a request and the member that its handle is there, and calls f
// with the room's lock.
func (q *request) in(f func(r *room, m *member) *schema.Error) *schema.Error {
	return q.plugin().rooms.With(q.body, func(r *room) *schema.Error {
		m := r.members[q.h]
		if m == nil {
			return errorf(errNotInRoom, "Not in room %s", r.id)
		}
		if err := r.busy(q); err != nil {
			return err
		}
		return f(r, m)
	})
}

// manage is in for those who know the room's secret, whether they are in it or not.
func (q *request) manage(f func(r *room) *schema.Error) *schema.Error {
	return q.plugin().rooms.Manage(q.body, func(r *room) *schema.Error {
		if err := r.busy(q); err != nil {
			return err
		}
		return f(r)
	})
}

// busy is an error if too much waits that others like the request have brought about. Those
// of data channels wait themselves until they are done.
func (r *room) busy(q *request) *schema.Error {
	if !q.channel && r.byAPI.Load() >= maxAPIWaiting {
		return errorf(errUnknown, "Room %s is too busy", r.id)
	}
	return nil
}
