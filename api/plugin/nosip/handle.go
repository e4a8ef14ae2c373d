package nosip

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/gateway"
	"bifrons/api/plugin"
)

// handle is one leg of a call: a client, with the plain side that its application gives to somebody.
type handle struct {
	kit.Handle
	plugin *Plugin      // fixed
	id     string       // fixed
	leg    *gateway.Leg // fixed
}

// Message takes a request.
func (h *handle) Message(r *plugin.Request) plugin.Result { return table.Message(h.Host, h, r) }

// failed ends the call of a leg that cannot go on. It is called by the engine.
func (h *handle) failed(why string) {
	h.plugin.Gateway.Logger().Warn("a call has ended by itself", "session", h.Host.SessionID(), "handle", h.Host.HandleID(), "reason", why)
	h.Host.Run(h.ClosePeer)
}

// Hangup ends the call. There may be another one.
func (h *handle) Hangup(string) {
	h.leg.Close()
	h.PeerChanged()
}

// Detach is the end.
func (h *handle) Detach() {
	h.leg.Close()
	h.Detached()
}

// Query writes plugin_specific.
func (h *handle) Query(w *json.Writer) {
	w.Str("unique_id", h.id)
	if s := h.leg.Secrecy(); s.Known {
		w.Str("srtp-required", yes(s.Required))
		w.Str("sdes-local", yes(s.Ours))
		w.Str("sdes-remote", yes(s.Theirs))
	}
	h.leg.Write(w)
	h.WriteState(w)
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// Seat is the call that the client is in.
func (h *handle) Seat() plugin.Seat {
	if h.Host.Peer() == nil {
		return plugin.Seat{}
	}
	return plugin.Seat{Kind: plugin.InCall, ID: h.id, Title: "Plain RTP", Role: "client"}
}
