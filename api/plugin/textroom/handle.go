package textroom

import (
	"cmp"
	"sync"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// handle is one client. mu is taken after that of a room.
type handle struct {
	kit.Handle
	plugin *Plugin // fixed
	admin  bool    // stands for the Admin API; fixed

	mu      sync.Mutex
	setUp   bool   // there was an offer; stays, also without a peer connection
	version uint64 // of the offer
	over    bool   // the peer connection has ended, for good
	rooms   map[*room]struct{}
}

func (p *Plugin) newHandle(host plugin.Host) *handle {
	return &handle{Handle: kit.Handle{Host: host}, plugin: p}
}

// sendText sends a text, which never changes, by the data channel, if it is open. A
// client that does not read loses it.
func (p *Plugin) sendText(h plugin.Host, text []byte) {
	p.SendData(h.Peer(), kit.Message{Label: kit.DataLabel, Payload: text, Shared: true})
}

// Message takes a request of the API.
func (h *handle) Message(r *plugin.Request) plugin.Result {
	return h.plugin.Table.Message(h.Host, h, r)
}

// Hangup takes the client out of all rooms.
func (h *handle) Hangup(string) { h.leaveAll() }

// Detach is the end.
func (h *handle) Detach() {
	h.Detached()
	h.leaveAll()
}

// Query writes plugin_specific.
func (h *handle) Query(w *json.Writer) { w.Bit("destroyed", h.IsDetached()) }

// Seat is the room that the client is in, the first of several.
func (h *handle) Seat() plugin.Seat {
	r := h.firstRoom()
	if r == nil {
		return plugin.Seat{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := plugin.Seat{Kind: plugin.InRoom, ID: r.id, Role: "member"}
	if m := r.members[h]; m != nil {
		s.User, s.Name = m.username, cmp.Or(m.display, m.username)
	}
	return s
}

func (h *handle) firstRoom() (first *room) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for r := range h.rooms {
		if first == nil || r.id < first.id {
			first = r
		}
	}
	return first
}

// Title is the display title of the room.
func (r *room) Title() string { return r.description }

// Rooms are the rooms of the plugin.
func (p *Plugin) Rooms() plugin.Rooms { return &p.rooms }

// setup offers a data channel.
func (h *handle) setup(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.setUp {
		return kit.Fail(errAlreadySetup, "PeerConnection already setup")
	}
	h.setUp = true
	return h.offer(w, false)
}

// restart is an offer with an ICE restart.
func (h *handle) restart(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.setUp || h.over {
		return kit.Fail(errAlreadySetup, "PeerConnection not setup")
	}
	return h.offer(w, true)
}

// offer offers a data channel. mu is held.
func (h *handle) offer(w *json.Writer, restart bool) (kit.Response, *schema.Error) {
	h.version++
	ok(w)
	return kit.Response{JSEP: &plugin.JSEP{Restart: restart, SDP: sdp.Offer(sdp.OfferOptions{
		Name: "Janus TextRoom plugin", Version: h.version,
		Sections: []sdp.OfferSection{{Kind: sdp.Application, Direction: sdp.SendRecv}},
	})}}, nil
}

// ack takes the client's answer.
func (h *handle) ack(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if r.JSEP != nil && r.JSEP.SDP.Type != sdp.TypeAnswer {
		return kit.Fail(errInvalidElement, "Invalid JSEP type (should be an answer)")
	}
	ok(w)
	return kit.Response{}, nil
}

func ok(w *json.Writer) {
	w.Str("textroom", "event")
	w.Str("result", "ok")
}

// enter notes that the handle is in a room, if it may be in one more. The room's mu is
// held.
func (h *handle) enter(r *room) *schema.Error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.over:
		return errorf(errUnknown, "No PeerConnection")
	case len(h.rooms) >= maxMemberships:
		return errorf(errUnknown, "In too many rooms (%d at most)", maxMemberships)
	case h.rooms == nil:
		h.rooms = make(map[*room]struct{})
	}
	h.rooms[r] = struct{}{}
	return nil
}

// exit notes that the handle is not in a room any more. The room's mu is held.
func (h *handle) exit(r *room) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.rooms, r)
}

// leaveAll leaves all rooms, and never enters one again.
func (h *handle) leaveAll() {
	h.mu.Lock()
	h.over = true
	list := h.rooms
	h.rooms = nil
	h.mu.Unlock()
	for r := range list {
		if m := r.lose(h); m != nil {
			r.notifyLeave(m)
		}
	}
}

// lose takes a handle out of the room, without waiting until the others are told; nil if
// it was not in there any more.
func (r *room) lose(h *handle) *member {
	r.Lock()
	defer r.Unlock()
	m := r.members[h]
	if m != nil {
		r.drop(m, 1) // gets nothing any more: there is no peer connection
		r.deliver(r.left(m), nil)
	}
	return m
}
