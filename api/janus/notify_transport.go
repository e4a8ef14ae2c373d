package janus

import (
	"fmt"

	"bifrons/api/json"
	"bifrons/sfu"
)

// iceStates are the names of ICE states that clients of the original know.
var iceStates = map[sfu.ICEState]string{
	sfu.ICEChecking: "connecting", sfu.ICEConnected: "connected", sfu.ICECompleted: "ready",
	sfu.ICEDisconnected: "disconnected", sfu.ICEFailed: "failed",
}

var dtlsStates = [...]string{
	sfu.DTLSNew: "created", sfu.DTLSConnecting: "trying", sfu.DTLSConnected: "connected", sfu.DTLSFailed: "failed",
}

// DTLSState is the name of a state that clients of the original know.
func DTLSState(s sfu.DTLSState) string { return dtlsStates[s] }

// notifyTransport informs event handlers of events below the media.
func (h *Handle) notifyTransport(e sfu.Event) {
	switch e.Kind {
	case sfu.EventICEState:
		if name := iceStates[e.ICEState]; name != "" {
			h.notifyICE(name)
		}
	case sfu.EventSelectedPair:
		if pair := PairText(&e.Candidate, &e.Remote); pair != h.pair {
			h.pair = pair
			h.notifyPair(pair, &e)
		}
	case sfu.EventDTLSState:
		h.notifyDTLS(DTLSState(e.DTLS))
	}
}

// components end the events about ICE and DTLS: there is one of each.
func components(w *json.Writer) {
	w.Int("stream_id", 1)
	w.Int("component_id", 1)
}

func (h *Handle) notifyICE(state string) {
	h.notify(NotifyWebRTC, SubICEState, func(w *json.Writer) {
		w.Str("ice", state)
		components(w)
	})
}

func (h *Handle) notifyPair(pair string, e *sfu.Event) {
	h.notify(NotifyWebRTC, SubSelectedPair, func(w *json.Writer) {
		w.Str("selected-pair", pair)
		w.Object("candidates")
		writeEnd(w, "local", &e.Candidate)
		writeEnd(w, "remote", &e.Remote)
		w.End()
		components(w)
	})
}

func writeEnd(w *json.Writer, name string, c *sfu.Candidate) {
	family := int64(6)
	if c.Addr.Addr().Unmap().Is4() {
		family = 4
	}
	w.Object(name)
	w.Str("address", c.Addr.Addr().String())
	w.Int("port", int64(c.Addr.Port()))
	w.Str("type", c.Type.String())
	w.Str("transport", c.Transport)
	w.Int("family", family)
	w.End()
}

// PairText is a selected pair as clients of the original know it.
func PairText(local, remote *sfu.Candidate) string { return half(local) + " <-> " + half(remote) }

func half(c *sfu.Candidate) string {
	return fmt.Sprintf("%s:%d [%s,%s]", c.Addr.Addr(), c.Addr.Port(), c.Type, c.Transport)
}

func (h *Handle) notifyDTLS(state string) {
	var resent int
	if peer := h.Peer(); peer != nil && state != "trying" {
		resent = peer.Snapshot().DTLS.Resent
	}
	h.notify(NotifyWebRTC, SubDTLSState, func(w *json.Writer) {
		w.Str("dtls", state)
		components(w)
		w.Int("retransmissions", int64(resent))
	})
}
