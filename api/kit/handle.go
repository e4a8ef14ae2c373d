package kit

import (
	"sync/atomic"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/plugin"
)

// Handle is the common part of the handles of all plugins, which
// embed it. Its methods may be called from anywhere.
type Handle struct {
	Host    plugin.Host // fixed
	hanging atomic.Bool // the peer connection was closed by us
	gone    atomic.Bool
}

// ClosePeer closes the peer connection, if there is one.
func (h *Handle) ClosePeer() {
	if h.Host.Peer() != nil {
		h.hanging.Store(true)
	}
	h.Host.ClosePeer()
}

// HangingUp reports whether the peer connection was closed by ClosePeer and its end is still to
// come.
func (h *Handle) HangingUp() bool { return h.hanging.Load() }

// PeerChanged notes that a peer connection came up or ended.
func (h *Handle) PeerChanged() { h.hanging.Store(false) }

// Detached notes that the handle is gone.
func (h *Handle) Detached() { h.gone.Store(true) }

// IsDetached reports whether the handle is gone.
func (h *Handle) IsDetached() bool { return h.gone.Load() }

// WriteState writes the state of a handle for the Admin API.
func (h *Handle) WriteState(w *json.Writer) {
	w.Bit("hangingup", h.hanging.Load())
	w.Bit("destroyed", h.gone.Load())
}

// Events is how a plugin informs event handlers.
type Events struct {
	Gateway plugin.Gateway
	On      bool // the plugin's setting events
}

// General takes the setting from a file that has no other; see File.General.
func (e *Events) General(f config.PluginFile) []config.Problem {
	set := struct {
		Events bool `cfg:"events"`
	}{true}
	problems := f.General(&set)
	e.On = set.Events
	return problems
}

// Wanted reports whether anybody listens.
func (e *Events) Wanted() bool { return e.On && e.Gateway.Notifying() }

// Notify informs them about a handle, if anybody listens. For news about
// no handle there is plugin.Nobody.
func (e *Events) Notify(h plugin.Host, fields func(w *json.Writer)) {
	if e.Wanted() {
		h.Notify(json.Object(fields))
	}
}
