package janus

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
)

// gatherWait is how long a description waits for local candidates at most.
const gatherWait = 5 * time.Second

// connection is a handle's peer connection as the signalling sees it: who has
// offered what, and what was agreed on. It is the engine's handler for it. The
// handle's mu guards it.
type connection struct {
	h    *Handle
	peer *sfu.Peer
	end  chan struct{} // closed when it is on the way to its end
	done chan struct{} // closed when it is gone

	closing atomic.Bool // end is closed
	up      bool

	created  time.Time
	started  time.Time // when the client's transport was first applied, or zero
	complete bool      // the client has no more candidates
	text     string    // our last description as it was sent
	pair     string    // that event handlers know of; for the executor

	local  *sdp.Description // our last description, without transport
	remote *sdp.Description // the client's last one that was applied
	unused bool             // they agree on nothing

	transport sdp.PeerTransport // the client's, as it was last applied

	// offer is the client's offer while the plugin has not answered it, and
	// offered ours while the client has not.
	offer   *offer
	offered *sdp.Description

	creds    sfu.Credentials // ours, of the last description
	setup    sdp.Setup       // our DTLS role, SetupNone until it is fixed
	origin   uint64          // session id of our o= lines
	version  uint64          // of the last o= line
	sources  []sdp.LocalSection
	encrypts bool        // media is encrypted end to end
	options  jsepOptions // what came with remote

	// Trickling of our candidates, guarded by the handle's pushing lock.
	described bool
	trickled  map[string]bool
	finished  atomic.Bool
}

// offer is a client's description until it is answered.
type offer struct {
	sdp     *sdp.Description
	options jsepOptions
}

var (
	errNoEngine = errors.New("janus: no media engine")
	errGone     = errors.New("Invalid PeerConnection")
	errCleaning = errors.New("Still cleaning a previous session")
	errNoOffer  = errors.New("There is no offer to answer")
)

// newConnection makes the handle's peer connection. h.mu is held.
func (h *Handle) newConnection(controlling, relayOnly bool) (*connection, error) {
	e := h.core.cfg.Engine
	switch {
	case e == nil:
		return nil, errNoEngine
	case h.gone.Load():
		return nil, errGone
	}
	c := &connection{
		h: h, end: make(chan struct{}), done: make(chan struct{}), trickled: make(map[string]bool),
		created: h.core.cfg.Now(),
	}
	c.origin = uint64(c.created.UnixMicro())
	peer, err := e.NewPeer(sfu.PeerConfig{
		Controlling: controlling && !h.core.cfg.Media.ICELite,
		RelayOnly:   relayOnly,
		RelayUser:   h.relayUser(),
		Owner:       h.session.id,
		Label:       strconv.FormatUint(h.session.id, 10) + "/" + strconv.FormatUint(h.id, 10),
	}, c)
	if err != nil {
		return nil, err
	}
	c.peer, c.creds = peer, peer.ICE()
	if f := h.capture.Load(); f != nil {
		peer.SetCapture(f)
	}
	h.conn = c
	h.notifyICE("gathering")
	return c, nil
}

// relayUser is what a TURN REST API gets to know a handle by.
func (h *Handle) relayUser() string {
	if h.opaqueID != "" {
		return h.opaqueID
	}
	return strconv.FormatUint(h.session.id, 10)
}

// PeerData passes a data channel message to the plugin.
func (c *connection) PeerData(label, protocol string, binary bool, payload []byte) {
	if !c.h.gone.Load() {
		c.h.ph.Data(label, protocol, binary, payload)
	}
}

// PeerEvent puts an event of the engine behind what the handle is doing.
func (c *connection) PeerEvent(e sfu.Event) {
	if c.h.gone.Load() {
		return
	}
	switch e.Kind {
	case sfu.EventICEState, sfu.EventSelectedPair, sfu.EventDTLSState:
		if !c.h.core.Notifies(NotifyWebRTC) {
			return
		}
	}
	run := func() {
		if !c.h.gone.Load() {
			c.event(e)
		}
	}
	switch e.Kind {
	case sfu.EventBitrate, sfu.EventKeyframeRequest:
		c.h.exec.Do(run) // as many as the remote likes: may get lost
	case sfu.EventClosed:
		c.close()
		c.h.exec.Must(run)
	default:
		c.h.exec.Must(run)
	}
}

// event handles an event of the engine on the executor.
func (c *connection) event(e sfu.Event) {
	h := c.h
	h.mu.Lock()
	current := h.conn == c
	mid, kind := c.section(e.Section)
	if current && e.Kind == sfu.EventUp {
		c.up = true
	}
	h.mu.Unlock()
	if !current {
		return
	}
	switch e.Kind {
	case sfu.EventUp:
		if first, ok := h.ph.(plugin.Establisher); ok {
			first.Establish()
		}
		h.send(h.event("webrtcup", ""))
		h.notifyConnection("webrtcup", "")
		h.ph.Up()
	case sfu.EventClosed:
		c.closed(string(e.Reason))
	case sfu.EventICEFailed:
		h.send(h.event("ice-failed", ""))
	case sfu.EventCandidate, sfu.EventCandidatesDone:
		h.pushing.Lock()
		c.sendCandidates()
		h.pushing.Unlock()
	case sfu.EventICEState, sfu.EventSelectedPair, sfu.EventDTLSState:
		c.notifyTransport(e)
	case sfu.EventDataReady:
		h.ph.DataReady()
	case sfu.EventMedia:
		h.sendMedia(mid, kind, e)
		h.ph.Event(e)
	case sfu.EventSlowLink:
		h.sendSlowLink(mid, kind, e)
		h.ph.Event(e)
	default:
		h.ph.Event(e)
	}
}

// close marks the connection as ending, for whoever waits.
func (c *connection) close() {
	if !c.closing.Swap(true) {
		close(c.end)
	}
}

// last is the last description that we sent, nil if there is none. h.mu is
// held.
func (c *connection) last() *sdp.Description {
	if c.offered != nil {
		return c.offered
	}
	return c.local
}

// section names a section of the connection. h.mu is held.
func (c *connection) section(i int) (mid, kind string) {
	d := c.last()
	if d == nil || i < 0 || i >= len(d.Sections) {
		return strconv.Itoa(i), ""
	}
	s := &d.Sections[i]
	return s.MID, s.Kind.String()
}

// closed ends the connection: the plugin hears of it first, then the client.
func (c *connection) closed(reason string) {
	h := c.h
	h.mu.Lock()
	if h.conn != c {
		h.mu.Unlock()
		return
	}
	h.conn, h.early, h.trickle = nil, nil, false
	h.mu.Unlock()
	close(c.done)
	h.ph.Hangup(reason)
	if !h.gone.Load() {
		h.sendHangup(reason)
	}
	c.notifyStatistics()
	h.notifyConnection("hangup", reason)
}

// source is the sources that we send in a section, the same ones for as long as
// it sends. h.mu is held.
func (c *connection) source(i int) sdp.LocalSection {
	for len(c.sources) <= i {
		c.sources = append(c.sources, sdp.LocalSection{SSRC: c.newSSRC(), RTXSSRC: c.newSSRC()})
	}
	return c.sources[i]
}

// renew takes new sources for the sections that send again in the next
// description. What was inactive is another stream now, perhaps of somebody
// else; and Chromium shows no picture if the SSRC is the one that it had before.
// h.mu is held.
func (c *connection) renew(next *sdp.Description) {
	last := c.last()
	if last == nil {
		return
	}
	for i := range min(len(last.Sections), len(next.Sections), len(c.sources)) {
		if !last.Sections[i].Direction.Sends() && next.Sections[i].Direction.Sends() {
			c.sources[i] = sdp.LocalSection{SSRC: c.newSSRC(), RTXSSRC: c.newSSRC()}
		}
	}
}

func (c *connection) newSSRC() uint32 {
	for {
		ssrc := rand.Uint32()
		used := ssrc == 0
		for _, s := range c.sources {
			used = used || s.SSRC == ssrc || s.RTXSSRC == ssrc
		}
		if !used {
			return ssrc
		}
	}
}

// role is our DTLS role in the engine's words.
func (c *connection) role() sfu.DTLSRole {
	if c.setup == sdp.SetupPassive {
		return sfu.DTLSServer
	}
	return sfu.DTLSClient
}
