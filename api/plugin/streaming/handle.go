package streaming

import (
	"cmp"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
)

// handle is a client's attachment: a viewer, once it watches something.
type handle struct {
	kit.Handle
	plugin *Plugin // fixed

	// The rest is guarded by plugin.mu. It changes on the handle's executor only.
	viewer
}

// viewer is a handle's use of a mountpoint. It is forgotten with the peer
// connection.
type viewer struct {
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

	estimation mline.Estimation
}

// Messages of viewers on data channels are ignored.
var _ interface {
	plugin.Handle
	plugin.Establisher
	plugin.Watcher
	plugin.DataWriter
} = (*handle)(nil)

func (p *Plugin) newHandle(host plugin.Host) *handle {
	return &handle{plugin: p, Handle: kit.Handle{Host: host}}
}

// Message takes a request.
func (h *handle) Message(r *plugin.Request) plugin.Result {
	return h.plugin.Table.Message(h.Host, h, r)
}

// Establish starts the media to the viewer. The client hears of that before it
// hears that the peer connection is up.
func (h *handle) Establish() {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if h.watching == nil {
		return
	}
	h.up = true
	h.estimate()
	h.sync()
	h.pushStatus("started")
	h.notifyStatus("started")
}

// estimate sets how the engine uses the line to the viewer. The plugin's lock is held.
func (h *handle) estimate() {
	h.estimation.Tell(h.Host.Peer(), h.watching.settings.estimate, h.watching.maxBitrate)
}

// Event handles the events of the media engine.
func (h *handle) Event(e sfu.Event) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	switch {
	case h.watching == nil:
	case e.Kind == sfu.EventLayer && e.Section < len(h.lines):
		l := h.lines[e.Section]
		for _, news := range l.layers.Changed(e.Layer, h.layering(l)) {
			h.push(func(w *json.Writer) {
				w.Str("mid", l.mid)
				news.Write(w)
			})
		}
	case e.Kind == sfu.EventPaused && e.Section < len(h.lines):
		h.push(func(w *json.Writer) {
			w.Str("mid", h.lines[e.Section].mid)
			mline.WritePaused(w, e.Paused)
		})
	case e.Kind == sfu.EventBitrate && h.watching.listens():
		h.watching.src.LimitBitrate(e.Bitrate)
	}
}

// DataReady lets messages through, the kept ones first. It is called again for
// every message when nothing waits to be sent any more.
func (h *handle) DataReady() {
	peer := h.Host.Peer()
	for _, msg := range h.keptMessages(peer) {
		h.plugin.SendData(peer, msg)
	}
}

// keptMessages are the messages for a viewer whose data channels have become writable.
func (h *handle) keptMessages(peer *sfu.Peer) (kept []kit.Message) {
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

// dataPeer is where messages of a stream go to, nil if the viewer gets none. The lock
// is held.
func (h *handle) dataPeer(stream int) *sfu.Peer {
	if l := lineOf(h.lines, stream); h.writable && !h.paused && l != nil && l.kind == sdp.Application && l.ready && l.send {
		return h.Host.Peer()
	}
	return nil
}

// Hangup forgets the viewer: the peer connection is gone.
func (h *handle) Hangup(string) {
	own := h.forget()
	h.PeerChanged()
	if own != nil {
		own.close()
	}
}

// Detach is the end.
func (h *handle) Detach() {
	h.Detached()
	h.Hangup("")
}

// forget ends the watching of a handle. The source that it returns has to be closed,
// without the lock.
func (h *handle) forget() *own {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if h.watching != nil {
		delete(h.watching.viewers, h)
	}
	own := h.own
	h.viewer = viewer{}
	return own
}

// push sends an event that answers no request. The fields are those of result.
func (h *handle) push(result func(w *json.Writer)) {
	h.Host.Push("", json.Object(func(w *json.Writer) { writeResult(w, result) }), nil)
}

func (h *handle) pushStatus(status string) {
	h.push(func(w *json.Writer) { w.Str("status", status) })
}

// writeResult writes an event with a result.
func writeResult(w *json.Writer, result func(w *json.Writer)) {
	kit.WriteResult(w, "streaming", result)
}

// writeStatus writes an event with a status.
func writeStatus(w *json.Writer, status string) {
	writeResult(w, func(w *json.Writer) { w.Str("status", status) })
}

// notifyStatus informs the event handlers of a viewer's state.
func (h *handle) notifyStatus(status string) {
	h.plugin.Events.Notify(h.Host, func(w *json.Writer) {
		w.Str("status", status)
		h.plugin.ids.Write(w, "id", h.watching.id)
	})
}

// Query writes plugin_specific.
func (h *handle) Query(w *json.Writer) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if m := h.watching; m == nil {
		w.Str("state", "idle")
	} else {
		w.Str("state", "watching")
		h.plugin.ids.Write(w, "mountpoint_id", m.id)
		w.Str("mountpoint_name", m.name)
		w.Int("mountpoint_viewers", int64(len(m.viewers)))
		h.queryMedia(w)
		w.OptTrue("e2ee", m.e2ee)
	}
	w.Bit("started", h.up)
	w.Bit("dataready", h.writable)
	w.Bit("paused", h.paused)
	w.Bit("stopping", h.stopping)
	h.WriteState(w)
}

// Seat is the mountpoint that the client watches.
func (h *handle) Seat() plugin.Seat {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if h.watching == nil {
		return plugin.Seat{}
	}
	return plugin.Seat{Kind: plugin.AtMountpoint, ID: h.watching.id, Role: "viewer"}
}

// Title is the display title of the mountpoint. Plugin.mu is held.
func (m *mountpoint) Title() string { return cmp.Or(m.description, m.name) }

// Rooms are the mountpoints.
func (p *Plugin) Rooms() plugin.Rooms { return &p.mountpoints }

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
		if h.stream(l) == nil {
			continue
		}
		w.Object("")
		w.Str("type", plugin.KindName(l.kind))
		w.Int("mindex", int64(l.stream))
		w.Str("mid", l.mid)
		l.layers.Write(w, h.layering(l))
		l.delay.Write(w)
		if m.captureTimeID != 0 && l.kind != sdp.Application {
			w.Int("abs-capture-time-src-ext-id", int64(m.captureTimeID))
		}
		w.End()
	}
	w.EndArray()
}
