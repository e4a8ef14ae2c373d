package videocall

import (
	"bifrons/api/json"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/sdp"
)

// Reasons for the end of a call, as clients and event handlers read them.
const (
	reasonBusy     = "User busy"
	reasonExplicit = "Explicit hangup"
	reasonRemote   = "Remote hangup"
	reasonLost     = "Remote WebRTC hangup"
	reasonNone     = "We did the hangup"
)

// call is one call, from its request on. Plugin.mu guards the fields that change.
type call struct {
	caller, callee *handle // fixed

	offer    *plugin.JSEP // the caller's first one, nil once the callee gets it
	told     bool         // the callee gets it
	accepted bool
	over     bool
	repeated bool // that a side has hung up

	flows    []flow
	offering *handle     // whose further offer is not answered, nil = nobody's is
	offered  []encodings // by the caller, the last time
	layered  int         // the first section of which the callee gets one encoding of several, -1 = none
	codecs   mline.Codecs
	e2ee     bool // somebody's media is encrypted end to end
}

// opposite is the other side.
func (c *call) opposite(h *handle) *handle {
	if h == c.caller {
		return c.callee
	}
	return c.caller
}

// knows reports whether a side has heard of the call, and has a connection for it.
func (c *call) knows(h *handle) bool { return h == c.caller || c.told }

// ring informs the client of its call as soon as no event of an
// earlier one is under way.
func (h *handle) ring() {
	if h.ringing || !h.awaited() {
		return
	}
	h.ringing = true
	h.Host.Run(h.deliver)
}

// awaited reports whether the client has to be informed of a call now.
func (h *handle) awaited() bool {
	c := h.call
	return c != nil && c.callee == h && !c.told && !h.HangingUp() && h.notices == 0
}

// deliver sends the callee the caller's offer. It runs on the callee's executor.
func (h *handle) deliver() {
	p := h.plugin
	p.mu.Lock()
	h.ringing = false
	if !h.awaited() {
		p.mu.Unlock()
		return
	}
	c := h.call
	j := c.offer
	c.offer, c.told = nil, true
	p.mu.Unlock()
	err := h.Host.Push("", result(news("incomingcall", c.caller.name, "")), j)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case c.over: // meanwhile, when there was no connection yet that could be closed
		h.ClosePeer()
	case err != nil:
		p.Gateway.Logger().Warn("no incoming call", "handle", h.Host.HandleID(), "error", err)
		c.end(h, false, reasonLost)
	}
}

// answer sends the caller the callee's answer, and has media flow. It runs on the
// caller's executor.
func (c *call) answer(j *plugin.JSEP) {
	p, h := c.caller.plugin, c.caller
	err := h.Host.Push("", result(news("accepted", c.callee.name, "")), j)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case c.over:
	case err != nil:
		p.Gateway.Logger().Warn("no answer to a call", "handle", h.Host.HandleID(), "error", err)
		h.notice(c.callee.name, reasonLost, reasonLost)
		c.end(h, false, reasonLost)
	default:
		c.link()
	}
}

// end ends a call for one side's sake, and closes the connections; with lost, that of this
// side is gone already. The other side gets the reason, if it has heard of the call.
func (c *call) end(by *handle, lost bool, reason string) {
	other := c.opposite(by)
	c.over, c.offer = true, nil
	by.free(c)
	other.free(c)
	if c.knows(other) {
		other.notice(by.name, reason, remotely(reason))
	}
	if !lost {
		by.ClosePeer()
	}
	other.ClosePeer()
}

// remotely is how event handlers read that the other side has ended a call.
func remotely(reason string) string {
	if reason == reasonLost {
		return reasonLost
	}
	return reasonRemote
}

// free lets a side have other calls.
func (h *handle) free(c *call) {
	if h.call == c {
		h.call, h.left = nil, c
	}
	h.other.Store(nil)
	h.updates, h.sends = nil, nil
}

// remind tells the other side of the last call again that it is over, unless there has
// been another one.
func (h *handle) remind(reason string) {
	c := h.left
	if c == nil {
		return
	}
	if other := c.opposite(h); other.call == nil && other.left == c && c.knows(other) {
		other.notice(h.name, reason, remotely(reason))
	}
}

// notice tells a client that somebody has hung up, and event handlers for which reason
// of their own, after all other events for it.
func (h *handle) notice(by, reason, notified string) {
	h.notices++
	h.Host.Run(func() {
		defer h.noticed()
		h.push(news("hangup", by, reason))
		h.notify(news("hangup", "", notified))
	})
}

func (h *handle) noticed() {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	h.notices--
	h.ring()
}

// update passes a description of the other side on. An offer takes the place of the one
// before if that has not been sent yet.
func (h *handle) update(j *plugin.JSEP) {
	n := len(h.updates)
	if n > 0 && j.SDP.Type == sdp.TypeOffer && h.updates[n-1].SDP.Type == sdp.TypeOffer {
		h.updates[n-1] = j
		return
	}
	h.updates = append(h.updates, j)
	h.Host.Run(h.pushUpdate)
}

// pushUpdate sends the oldest description that is to be passed on. It runs on the
// executor.
func (h *handle) pushUpdate() {
	p := h.plugin
	p.mu.Lock()
	c := h.call
	if len(h.updates) == 0 {
		p.mu.Unlock()
		return
	}
	j := h.updates[0]
	h.updates = h.updates[1:]
	p.mu.Unlock()
	err := h.Host.Push("", result(news("update", "", "")), j)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		p.Gateway.Logger().Debug("no update", "handle", h.Host.HandleID(), "error", err)
		if j.SDP.Type == sdp.TypeOffer && c.offering == c.opposite(h) {
			c.offering = nil // nobody will answer it
		}
	case j.SDP.Type == sdp.TypeAnswer:
		c.link()
	}
}

// query writes the part of plugin_specific that is about a call.
func (c *call) query(h *handle, w *json.Writer) {
	w.Str("peer", c.opposite(h).name)
	h.sending.Write(w, c.codecs)
	w.Uint("peer-bitrate", h.remoteBitrate)
	w.Int("slowlink_count", int64(h.slow))
	switch {
	case c.layered < 0:
	case h == c.caller:
		w.Bool("simulcast", true)
	default:
		w.Bool("simulcast-peer", true)
		h.layers.WriteFlat(w, mline.Simulcast)
	}
}

// Seat is the call that the user is in.
func (h *handle) Seat() plugin.Seat {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	s := plugin.Seat{Name: h.name}
	if c := h.call; c != nil {
		s.Kind, s.ID, s.Role, s.State = plugin.InCall, c.caller.name+" → "+c.callee.name, "callee", "ringing"
		if h == c.caller {
			s.Role = "caller"
		}
		if c.accepted {
			s.State = "accepted"
		}
	}
	return s
}
