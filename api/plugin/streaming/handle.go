package streaming

import (
	"sync/atomic"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// handle is a client's attachment: a viewer, once it watches something.
type handle struct {
	plugin *Plugin     // fixed
	host   plugin.Host // fixed

	hanging, gone atomic.Bool

	// The rest is guarded by plugin.mu, and forgotten with the peer connection.
	watching *mountpoint // nil if nothing
	lines    []*line     // m-lines in their order, which stay for ever
	version  uint64      // of the last offer
	offered  bool        // that offer was not answered yet
	answers  bool        // the client made the offer
	up       bool        // the peer connection is established
	paused   bool        // by the client
	stopping bool
	writable bool // data channels are
	own      *own // type ondemand
}

func newHandle(p *Plugin, host plugin.Host) *handle { return &handle{plugin: p, host: host} }

// Message takes a request.
func (h *handle) Message(r *plugin.Request) plugin.Result {
	return h.plugin.table.Message(h.host, h, r)
}

// Establish starts what the viewer gets. The client hears of that before it
// hears that the peer connection is up.
func (h *handle) Establish() {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if h.watching == nil {
		return
	}
	h.up = true
	h.sync()
	h.holdPlayer()
	h.pushStatus("started")
	h.notifyStatus("started", h.watching.id)
}

// Event follows what the media engine tells.
func (h *handle) Event(e sfu.Event) {
	p := h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case h.watching == nil:
	case e.Kind == sfu.EventLayer && e.Section < len(h.lines):
		h.changed(h.lines[e.Section], e.Layer)
	case e.Kind == sfu.EventBitrate && h.watching.listens():
		h.watching.src.LimitBitrate(e.Bitrate)
	}
}

// DataReady lets messages through, the kept ones first. It is called again for
// every message when nothing waits to be sent any more.
func (h *handle) DataReady() {
	peer := h.host.Peer()
	for _, msg := range h.keptMessages(peer) {
		h.plugin.sendData(peer, msg)
	}
}

// keptMessages is what a viewer gets whose data channels have become writable.
func (h *handle) keptMessages(peer *sfu.Peer) (kept []message) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	fresh, m := !h.writable, h.watching
	h.writable = true
	if !fresh || m == nil || !m.enabled || peer == nil {
		return nil
	}
	for _, l := range h.lines {
		if msg, ok := m.messages[l.stream]; ok && h.dataPeer(l.stream) != nil {
			kept = append(kept, msg)
		}
	}
	return kept
}

// Hangup forgets the viewer: the peer connection is gone.
func (h *handle) Hangup(string) { h.leave() }

// Detach is the end.
func (h *handle) Detach() {
	h.gone.Store(true)
	h.leave()
}

// leave stops watching.
func (h *handle) leave() {
	own := h.forget()
	h.hanging.Store(false)
	if own != nil {
		own.close()
	}
}

// forget makes a handle one that watches nothing. What it leaves has to be closed,
// without the lock.
func (h *handle) forget() *own {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if h.watching != nil {
		delete(h.watching.viewers, h)
	}
	own := h.own
	h.watching, h.lines, h.own = nil, nil, nil
	h.version, h.offered, h.answers = 0, false, false
	h.up, h.paused, h.stopping, h.writable = false, false, false, false
	return own
}

// closePeer closes the peer connection, if there is one.
func (h *handle) closePeer() {
	if h.host.Peer() != nil {
		h.hanging.Store(true)
		h.host.ClosePeer()
	}
}

// holdPlayer makes a player of the viewer's own wait, or go on. p.mu is held.
func (h *handle) holdPlayer() {
	if h.own != nil && h.own.player != nil {
		h.own.player.Hold(!h.up || h.paused || !h.watching.enabled)
	}
}

// dataPeer is where messages of a stream go to, nil if the viewer gets none.
// p.mu is held.
func (h *handle) dataPeer(stream int) *sfu.Peer {
	if !h.writable || h.paused {
		return nil
	}
	for _, l := range h.lines {
		if l.kind == sdp.Application && l.stream == stream && l.ready && l.send {
			return h.host.Peer()
		}
	}
	return nil
}

// push sends an event that answers no request. The fields are those of result.
func (h *handle) push(result func(w *json.Writer)) {
	h.host.Push("", object(func(w *json.Writer) { writeResult(w, result) }), nil)
}

func (h *handle) pushStatus(status string) {
	h.push(func(w *json.Writer) { w.Str("status", status) })
}

// writeResult writes an event with a result.
func writeResult(w *json.Writer, result func(w *json.Writer)) {
	w.Str("streaming", "event")
	w.Object("result")
	result(w)
	w.End()
}

// writeStatus writes an event with a status.
func writeStatus(w *json.Writer, status string) {
	writeResult(w, func(w *json.Writer) { w.Str("status", status) })
}

// notifyStatus tells the event handlers what a viewer does.
func (h *handle) notifyStatus(status, id string) {
	p := h.plugin
	if p.general.events && p.gw.Notifying() {
		h.host.Notify(object(func(w *json.Writer) {
			w.Str("status", status)
			p.ids.Write(w, "id", id)
		}))
	}
}

// changed tells the client which layer it gets from now on. p.mu is held.
func (h *handle) changed(l *line, now media.Layer) {
	before := l.current
	l.current = now
	st := h.stream(l)
	if st == nil || !st.simulcast && !st.svc {
		return
	}
	for i, n := range l.layers(st) {
		if n < 0 || n == layersOf(before, st)[i] {
			continue
		}
		h.push(func(w *json.Writer) {
			w.Str("mid", l.mid)
			w.Int(layerNames[i], int64(n))
		})
	}
}

// Query writes plugin_specific.
func (h *handle) Query(w *json.Writer) {
	p := h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	m := h.watching
	if m == nil {
		w.Str("state", "idle")
	} else {
		w.Str("state", "watching")
		p.ids.Write(w, "mountpoint_id", m.id)
		w.Str("mountpoint_name", m.name)
		w.Int("mountpoint_viewers", int64(len(m.viewers)))
		h.queryMedia(w)
		optTrue(w, "e2ee", m.e2ee)
	}
	w.Int("hangingup", oneIf(h.hanging.Load()))
	w.Int("started", oneIf(h.up))
	w.Int("dataready", oneIf(h.writable))
	w.Int("paused", oneIf(h.paused))
	w.Int("stopping", oneIf(h.stopping))
	w.Int("destroyed", oneIf(h.gone.Load()))
}

func (h *handle) queryMedia(w *json.Writer) {
	m := h.watching
	if !m.live() {
		w.Object("media")
		w.Str("type", "audio")
		w.Str("filename", m.filename)
		w.End()
		return
	}
	w.Array("media")
	for _, l := range h.lines {
		st := h.stream(l)
		if st == nil {
			continue
		}
		w.Object("")
		w.Str("type", kindName(l.kind))
		w.Int("mindex", int64(l.stream))
		w.Str("mid", l.mid)
		l.query(w, st)
		if m.captureTimeID != 0 && l.kind != sdp.Application {
			w.Int("abs-capture-time-src-ext-id", int64(m.captureTimeID))
		}
		w.End()
	}
	w.EndArray()
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
