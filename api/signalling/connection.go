package signalling

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"bifrons/sdp"
	"bifrons/sfu"
)

// Connection is a peer connection as the signalling sees it: who has offered
// what, and the agreed state. It is the engine's handler for it. The endpoint's
// mu guards what has no other guard.
type Connection struct {
	e    *Endpoint
	peer *sfu.Peer
	end  chan struct{} // closed when it is on the way to its end
	done chan struct{} // closed when it is gone

	closing atomic.Bool // end is closed
	up      bool

	created  time.Time
	started  time.Time // when the client's transport was first applied, or zero
	complete bool      // the client has no more candidates
	text     string    // our last description as it was sent

	local  *sdp.Description // our last description, without transport
	remote *sdp.Description // the client's last one that was applied
	unused bool             // they agree on nothing

	transport sdp.PeerTransport // the client's, as it was last applied

	// offer is the client's offer while it is not answered, and offered ours
	// while the client has not.
	offer   *offer
	offered *sdp.Description

	creds    sfu.Credentials // ours, of the last description
	setup    sdp.Setup       // our DTLS role, SetupNone until it is fixed
	origin   uint64          // session id of our o= lines
	version  uint64          // of the last o= line
	sources  []sdp.LocalSection
	encrypts bool    // media is encrypted end to end
	options  Options // of remote

	// Trickling of our candidates, guarded by the endpoint's sending lock.
	described bool
	trickled  map[string]bool
	finished  atomic.Bool
}

// offer is a client's description until it is answered.
type offer struct {
	sdp     *sdp.Description
	options Options
}

// Peer is the engine's side of it, also after its end.
func (c *Connection) Peer() *sfu.Peer { return c.peer }

// Done is closed when the connection is gone.
func (c *Connection) Done() <-chan struct{} { return c.done }

// connect makes the endpoint's peer connection. e.mu is held. The error is a
// ConnectError.
func (e *Endpoint) connect(controlling, relayOnly bool) (*Connection, error) {
	switch {
	case e.cfg.Engine == nil:
		return nil, &ConnectError{ErrNoEngine}
	case e.ended.Load():
		return nil, &ConnectError{ErrClosed}
	}
	c := &Connection{
		e: e, end: make(chan struct{}), done: make(chan struct{}), trickled: make(map[string]bool),
		created: e.cfg.Now(),
	}
	c.origin = uint64(c.created.UnixMicro())
	peer, err := e.cfg.Engine.NewPeer(sfu.PeerConfig{
		Controlling: controlling && !e.cfg.Engine.Config().Peers.Lite,
		RelayOnly:   relayOnly,
		RelayUser:   e.client.RelayUser,
		Owner:       e.client.Owner,
		Label:       e.client.Label,
	}, c)
	if err != nil {
		return nil, &ConnectError{err}
	}
	c.peer, c.creds = peer, peer.ICE()
	if o := e.client.Observer; o != nil {
		o.Created(peer)
	}
	e.conn = c
	return c, nil
}

// PeerData implements sfu.Handler.
func (c *Connection) PeerData(label, protocol string, binary bool, payload []byte) {
	if !c.e.ended.Load() {
		c.e.client.Handler.Data(label, protocol, binary, payload)
	}
}

// PeerEvent implements sfu.Handler: it queues an event on the Executor.
func (c *Connection) PeerEvent(ev sfu.Event) {
	e := c.e
	if e.ended.Load() {
		return
	}
	switch ev.Kind {
	case sfu.EventICEState, sfu.EventSelectedPair, sfu.EventDTLSState:
		if o := e.client.Observer; o == nil || !o.Transport() {
			return
		}
	}
	run := func() {
		if !e.ended.Load() {
			c.event(ev)
		}
	}
	switch ev.Kind {
	case sfu.EventBitrate, sfu.EventKeyframeRequest:
		e.client.Executor.Do(run) // as many as the remote likes: may get lost
	case sfu.EventClosed:
		c.close()
		e.client.Executor.Must(run)
	default:
		e.client.Executor.Must(run)
	}
}

// event handles an event of the engine on the Executor.
func (c *Connection) event(ev sfu.Event) {
	e := c.e
	e.mu.Lock()
	current := e.conn == c
	mid, kind := c.section(ev.Section)
	if current && ev.Kind == sfu.EventUp {
		c.up = true
	}
	e.mu.Unlock()
	if !current {
		return
	}
	switch ev.Kind {
	case sfu.EventUp:
		e.client.Handler.Up()
	case sfu.EventClosed:
		c.closed(string(ev.Reason))
	case sfu.EventCandidate, sfu.EventCandidatesDone:
		e.sending.Lock()
		defer e.sending.Unlock()
		c.sendCandidates()
	default:
		e.client.Handler.Event(ev, mid, kind)
	}
}

// close marks the connection as ending, for whoever waits.
func (c *Connection) close() {
	if !c.closing.Swap(true) {
		close(c.end)
	}
}

// last is the last description that we sent, nil if there is none. e.mu is
// held.
func (c *Connection) last() *sdp.Description {
	if c.offered != nil {
		return c.offered
	}
	return c.local
}

// section names a section of the connection. e.mu is held.
func (c *Connection) section(i int) (mid, kind string) {
	d := c.last()
	if d == nil || i < 0 || i >= len(d.Sections) {
		return strconv.Itoa(i), ""
	}
	s := &d.Sections[i]
	return s.MID, s.Kind.String()
}

// Codec is the name, in lower case, of a payload type that we described last for a
// section, "" if there is none.
func (c *Connection) Codec(section int, payloadType uint8) string {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	d := c.last()
	if section < 0 || section >= sections(d) {
		return ""
	}
	for i := range d.Sections[section].Codecs {
		if codec := &d.Sections[section].Codecs[i]; codec.PT == payloadType {
			return strings.ToLower(codec.Name)
		}
	}
	return ""
}

// closed ends the connection.
func (c *Connection) closed(reason string) {
	e := c.e
	e.mu.Lock()
	if e.conn != c {
		e.mu.Unlock()
		return
	}
	e.conn, e.early, e.trickles = nil, nil, false
	e.mu.Unlock()
	close(c.done)
	e.client.Handler.Closed(c, reason)
}

// source is the sources that we send in a section, the same ones for as long as
// it sends. e.mu is held.
func (c *Connection) source(i int) sdp.LocalSection {
	for len(c.sources) <= i {
		c.sources = append(c.sources, sdp.LocalSection{SSRC: c.newSSRC(), RTXSSRC: c.newSSRC()})
	}
	return c.sources[i]
}

// renew takes new sources for the sections that send again in the next
// description. A section that was inactive is another stream now, perhaps of somebody
// else; and Chromium shows no picture if the SSRC is the one that it had before.
// e.mu is held.
func (c *Connection) renew(next *sdp.Description) {
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

func (c *Connection) newSSRC() uint32 {
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
func (c *Connection) role() sfu.DTLSRole {
	if c.setup == sdp.SetupPassive {
		return sfu.DTLSServer
	}
	return sfu.DTLSClient
}
