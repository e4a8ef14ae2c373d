package audiobridge

import (
	"sync"
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
)

// handle is one client. mu is taken after a room's. Everything that changes media and
// negotiation runs on the executor.
type handle struct {
	kit.Handle
	plugin *Plugin // fixed

	mu    sync.Mutex
	in    *participant // nil while it is in no room
	media media        // that was agreed on; stays when the client leaves a room
	up    bool         // it is there: the connection is established
	nego  negotiation
}

// current is the client's participant in a room, nil if it is in none.
func (h *handle) current() *participant {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.in
}

// become makes the client a participant, nil = of no room.
func (h *handle) become(p *participant) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.in = p
}

// forget is become(nil), if the client still is a participant. It reports whether it was.
func (h *handle) forget(p *participant) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.in != p {
		return false
	}
	h.in = nil
	return true
}

// leave takes the client out of the room in which it is p; lost says that it did not ask
// for it.
func (h *handle) leave(p *participant, lost bool) {
	if p == nil || !h.forget(p) {
		return
	}
	h.closePlain()
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(p, lost)
}

// Message takes a request.
func (h *handle) Message(r *plugin.Request) plugin.Result {
	return h.plugin.Table.Message(h.Host, h, r)
}

// Establish connects the client to its room before it hears that it is connected.
func (h *handle) Establish() {
	h.PeerChanged()
	h.begin()
}

// Hangup takes the client out of its room.
func (h *handle) Hangup(string) {
	h.PeerChanged()
	h.closeMedia()
	h.leave(h.current(), true)
}

// Detach is the end.
func (h *handle) Detach() {
	h.Detached()
	h.leave(h.current(), false)
	h.closeMedia()
}

// Query writes plugin_specific.
func (h *handle) Query(w *json.Writer) {
	p, offering, up := h.state()
	if p == nil {
		w.Str("state", "idle")
	} else {
		w.Str("state", "inroom")
		p.query(w)
	}
	w.OptTrue("plugin-offer", offering)
	w.Bit("started", up)
	h.WriteState(w)
}

func (h *handle) state() (p *participant, offering, up bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.in, h.nego.offering, h.up
}

// Seat is the room that the handle is in.
func (h *handle) Seat() plugin.Seat {
	p, _, _ := h.state()
	if p == nil {
		return plugin.Seat{}
	}
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	return plugin.Seat{Kind: plugin.InRoom, ID: p.room.id, Role: "participant", User: p.id, Name: p.display}
}

// Title is the display title of the room.
func (r *room) Title() string { return r.description }

// Rooms are the rooms of the plugin.
func (p *Plugin) Rooms() plugin.Rooms { return &p.rooms }

// query writes how a participant fares.
func (p *participant) query(w *json.Writer) {
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	r.plugin.ids.Write(w, "room", r.id)
	r.plugin.ids.Write(w, "id", p.id)
	w.OptStr("group", r.groupName(p.group))
	w.OptStr("display", p.display)
	w.OptTrue("admin", p.admin)
	w.Bool("muted", p.muted)
	w.Bool("active", p.up)
	s, m := p.party.Stats(), p.h.agreed()
	w.Int("buffer-in", int64(s.Waiting))
	w.Int("queue-in", int64(s.Ready/(20*time.Millisecond)))
	if r.spatial {
		w.Int("spatial_position", int64(p.position))
	}
	w.OptStr("audio-recording", p.recordings.File(0))
	if m.in.Level != 0 {
		w.Float("audio-level-dBov", s.Level)
		w.Bool("talking", p.talking)
	}
	w.Bool("fec", m.fec)
	if m.fec {
		w.Int("expected-loss", int64(p.loss))
	}
	w.OptUint("opus-bitrate", uint64(p.bitrate))
	m.query(w)
	w.Bool("suspended", p.suspended)
}
