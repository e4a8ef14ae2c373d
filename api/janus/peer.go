package janus

import (
	"strconv"

	"bifrons/api/plugin"
	"bifrons/api/signalling"
	"bifrons/sfu"
)

// Description is the state of the signalling of a handle at one moment, and
// SectionDescription that of a section.
type (
	Description        = signalling.State
	SectionDescription = signalling.Section
)

// Describe returns the present state.
func (h *Handle) Describe() Description { return h.endpoint.State() }

// newEndpoint makes the handle's end of the signalling.
func (h *Handle) newEndpoint() *signalling.Endpoint {
	session := strconv.FormatUint(h.session.id, 10)
	user := h.opaqueID // the name of a handle for a TURN REST API
	if user == "" {
		user = session
	}
	return signalling.New(&h.core.signalling, signalling.Client{
		Owner:     h.session.id,
		Label:     session + "/" + strconv.FormatUint(h.id, 10),
		RelayUser: user,
		Executor:  h.exec,
		Handler:   peerEvents{h},
		Observer:  peerObserver{h},
	})
}

// peerEvents passes on the events of a handle's peer connection to plugin and
// client.
type peerEvents struct{ h *Handle }

func (p peerEvents) Up() {
	h := p.h
	plugin.Established(h.ph)
	h.send(h.event("webrtcup", ""))
	h.notifyConnection("webrtcup", "")
	plugin.Started(h.ph)
}

// Closed informs the plugin first, then the client.
func (p peerEvents) Closed(c *signalling.Connection, reason string) {
	h := p.h
	h.pair = ""
	h.ph.Hangup(reason)
	if !h.gone.Load() {
		h.sendHangup(reason)
	}
	h.notifyStatistics(c)
	h.notifyConnection("hangup", reason)
}

func (p peerEvents) Event(e sfu.Event, mid, kind string) {
	h := p.h
	switch e.Kind {
	case sfu.EventICEFailed:
		h.send(h.event("ice-failed", ""))
	case sfu.EventICEState, sfu.EventSelectedPair, sfu.EventDTLSState:
		h.notifyTransport(e)
	case sfu.EventDataReady:
		plugin.Writable(h.ph)
	case sfu.EventMedia:
		h.sendMedia(mid, kind, e)
		plugin.Happened(h.ph, e)
	case sfu.EventSlowLink:
		h.sendSlowLink(mid, kind, e)
		plugin.Happened(h.ph, e)
	case sfu.EventReordered:
		h.log.Warn("the video that a client sends has B-frames, so it jumps for those who watch: turn them off in the encoder", "mid", mid)
	default:
		plugin.Happened(h.ph, e)
	}
}

func (p peerEvents) Data(label, protocol string, binary bool, payload []byte) {
	plugin.Received(p.h.ph, label, protocol, binary, payload)
}

func (p peerEvents) Candidate(mid string, section int, text string) {
	p.h.sendCandidate(mid, section, text)
}

// peerObserver informs event handlers of the signalling.
type peerObserver struct{ h *Handle }

// Created also lets a capture and a line log of the handle continue with the new connection.
func (p peerObserver) Created(peer *sfu.Peer) {
	if f := p.h.capture.Load(); f != nil {
		peer.SetCapture(f)
	}
	if l := p.h.lines.Load(); l != nil {
		peer.SetLineTrace(l.add)
	}
	p.h.notifyICE("gathering")
}

func (p peerObserver) Described(candidate string) {
	p.h.notifyCandidate(SubLocalCandidate, "local-candidate", candidate)
}

func (p peerObserver) Taken(candidate string) {
	p.h.notifyCandidate(SubRemoteCandidate, "remote-candidate", candidate)
}

func (p peerObserver) Transport() bool { return p.h.core.Notifies(NotifyWebRTC) }
