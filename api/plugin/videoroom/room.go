package videoroom

import (
	"math/rand/v2"
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// Everything below needs room.mu, unless it says otherwise.

// add makes a participant known.
func (r *room) add(p *publisher) {
	r.participants[p.id] = p
	r.members = append(r.members, p)
	if p.h != nil {
		for p.privateID = rand.Uint32(); p.privateID == 0 || r.private[p.privateID] != nil; {
			p.privateID = rand.Uint32()
		}
		r.private[p.privateID] = p
	}
}

// taken reports whether a participant has an id, or will have.
func (r *room) taken(name id) bool {
	_, coming := r.coming[name]
	return coming || r.participants[name] != nil
}

// expectNoMore gives up an id in r.coming. It takes the lock.
func (r *room) expectNoMore(name id) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.coming, name)
}

// newID is the id that a request wants for a participant, or a random one.
func (r *room) newID(body kit.Args) (id, *schema.Error) {
	name, free := r.plugin.ids.Choose(body, "id", r.taken)
	if !free {
		return "", errorf(errIDExists, "User ID %s already exists", name)
	}
	return name, nil
}

// tell sends an event to all participants but one, who may be nil. The fields
// go after "videoroom": "event" and the room.
func (r *room) tell(except *publisher, fields func(w *json.Writer)) {
	r.tellAll(except, r.event("event", fields))
}

// event is an event of the room.
func (r *room) event(kind string, fields func(w *json.Writer)) []byte {
	return event(kind, func(w *json.Writer) {
		r.writeRoom(w)
		fields(w)
	})
}

func (r *room) tellAll(except *publisher, data []byte) {
	for _, p := range r.members {
		if p != except && p.h != nil {
			p.h.Host.Push("", data, nil)
		}
	}
}

// tellNews is tellAll for news that replace those before with the same topic,
// should somebody not have read them yet.
func (r *room) tellNews(topic string, except *publisher, data []byte) {
	for _, p := range r.members {
		if p != except && p.h != nil {
			p.h.Host.Tell(topic, data)
		}
	}
}

// notify sends an event about a handle to the event handlers. The fields go after
// "event": name and the room.
func (r *room) notify(h *handle, name string, fields func(w *json.Writer)) {
	h.report(func(w *json.Writer) {
		w.Str("event", name)
		r.writeRoom(w)
		fields(w)
	})
}

// begin begins an answer or event with its kind and room.
func (r *room) begin(w *json.Writer, kind string) {
	w.Str("videoroom", kind)
	r.writeRoom(w)
}

// answer answers that something was done.
func (r *room) answer(w *json.Writer, done string) {
	r.begin(w, "event")
	w.Str(done, "ok")
}

// writeRoom writes the room's id.
func (r *room) writeRoom(w *json.Writer) { r.plugin.ids.Write(w, "room", r.id) }

// allows reports whether a codec may be used in the room.
func (r *room) allows(kind sdp.Kind, codec string) bool {
	return slices.Contains(r.codecs(kind), codec)
}

func (r *room) codecs(kind sdp.Kind) []string {
	if kind == sdp.Video {
		return r.videoCodecs
	}
	return r.audioCodecs
}

// full reports whether there is no place for p's media.
func (r *room) full(p *publisher) bool {
	n := 0
	for _, other := range r.participants {
		if other != p && other.h != nil && (other.up || len(other.streams) > 0) {
			n++
		}
	}
	return n >= r.maxPublishers
}
