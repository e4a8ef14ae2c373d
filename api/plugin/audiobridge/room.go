package audiobridge

import (
	"slices"
	"sync"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/forward"
	"bifrons/api/schema"
	"bifrons/sfu"
)

// maxParticipants is how many may be in a room.
const maxParticipants = 5000

// room is a room. mu guards every field that changes. Nothing waits under it:
// the engine only gets commands.
type room struct {
	plugin *Plugin // fixed
	id     string  // fixed

	mu sync.Mutex
	settings
	muted        bool // all but those who have the secret
	participants map[string]*participant
	members      []*participant  // the same, in the order of their coming
	conf         *sfu.Conference // nil while there is nothing to mix

	forwarders    forward.Set[forwarded]
	mixes         map[mix]*mixed // that are forwarded
	announcements []*announcement
	tape          tape
}

// Everything below needs mu, unless it says otherwise.

// describe writes the fields of the room's list entry that are not settings.
func (r *room) describe(w *json.Writer) {
	w.Bool("muted", r.muted)
	w.Int("num_participants", int64(len(r.members)))
}

// mixing is the conference of the room, which is made if there is none.
func (r *room) mixing() (*sfu.Conference, *schema.Error) {
	if r.conf != nil {
		return r.conf, nil
	}
	var c *sfu.Conference
	c, err := r.plugin.Gateway.Engine().NewConference(
		sfu.ConferenceConfig{Rate: r.rate, Stereo: r.spatial, Groups: len(r.groups)}, func() { r.failed(c) })
	if err != nil {
		return nil, errorf(errUnknown, "%v", err)
	}
	c.SetMuted(r.muted)
	r.conf = c
	r.listenIn()
	return c, nil
}

// rest ends the conference if there is nothing to mix any more.
func (r *room) rest() {
	if r.conf != nil && len(r.members) == 0 && len(r.mixes) == 0 && len(r.announcements) == 0 {
		r.conf.Close()
		r.conf = nil
	}
}

// failed follows the end of a conference that has ended by itself. It takes mu.
func (r *room) failed(c *sfu.Conference) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conf != c {
		return
	}
	r.plugin.Gateway.Logger().Error("the conference of a room has failed", "room", r.id)
	r.conf = nil
	r.forwarders.StopAll()
	clear(r.mixes)
	for _, a := range slices.Clone(r.announcements) {
		a.stop()
	}
	for _, p := range slices.Clone(r.members) {
		p.sendAway(true)
	}
}

// end takes everybody out.
func (r *room) end() {
	r.Gone = true
	r.tellAll(r.event("destroyed", func(*json.Writer) {}))
	for _, p := range r.members {
		p.end()
		if p.h.forget(p) {
			p.h.closeMedia()
			p.h.ClosePeer()
		}
	}
	r.members = nil
	clear(r.participants)
	r.forwarders.StopAll()
	clear(r.mixes)
	for _, a := range r.announcements {
		a.close()
	}
	r.announcements = nil
	r.stopRecording()
	if r.conf != nil {
		r.conf.Close()
		r.conf = nil
	}
}

// add makes a participant known, and tells the others.
func (r *room) add(p *participant) {
	r.tell(r.event("joined", func(w *json.Writer) { p.writeAlone(w) }), p)
	r.participants[p.id] = p
	r.members = append(r.members, p)
	r.roll()
}

// remove takes a participant out, and tells the others, by an event that those whose events
// are paused get too if the participant was lost.
func (r *room) remove(p *participant, lost bool) {
	if r.participants[p.id] != p {
		return
	}
	delete(r.participants, p.id)
	r.members = slices.DeleteFunc(r.members, func(m *participant) bool { return m == p })
	p.end()
	data := r.event("event", func(w *json.Writer) { r.plugin.ids.Write(w, "leaving", p.id) })
	if lost {
		r.tellAll(data)
	} else {
		r.tell(data, nil)
	}
	p.notify("left", func(w *json.Writer) { w.OptStr("display", p.display) })
	r.roll()
	r.rest()
}

// has reports whether a participant is in the room.
func (r *room) has(p *participant) bool { return r.participants[p.id] == p }

// taken reports whether a participant has an id.
func (r *room) taken(id string) bool { return r.participants[id] != nil }

// user finds the participant whom a request names.
func (r *room) user(body kit.Args) (*participant, *schema.Error) {
	id, _ := r.plugin.ids.Read(body, "id")
	if p := r.participants[id]; p != nil {
		return p, nil
	}
	return nil, errorf(errNoSuchUser, "No such user %s in room %s", id, r.id)
}

// event is the data of an event of the room.
func (r *room) event(kind string, fields func(w *json.Writer)) []byte {
	return json.Object(func(w *json.Writer) {
		r.begin(w, kind)
		fields(w)
	})
}

// begin begins an answer or event with its kind and room.
func (r *room) begin(w *json.Writer, kind string) {
	w.Str("audiobridge", kind)
	r.plugin.ids.Write(w, "room", r.id)
}

// tell sends an event to all participants whose events are not paused, but for one, who
// may be nil.
func (r *room) tell(data []byte, except *participant) {
	for _, p := range r.members {
		if p != except && !p.paused {
			p.tell("", data)
		}
	}
}

// tellAll sends an event to all participants.
func (r *room) tellAll(data []byte) {
	for _, p := range r.members {
		p.tell("", data)
	}
}

// tellNews is tell for news that replace those before with the same topic, should
// somebody not have read them yet.
func (r *room) tellNews(topic string, data []byte) {
	for _, p := range r.members {
		if !p.paused {
			p.tell(topic, data)
		}
	}
}
