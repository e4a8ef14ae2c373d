// Package signalling is offer and answer with one client (JSEP, RFC 9429) and
// trickling of candidates (RFC 8838), on top of an engine's peer connection and
// below any protocol that carries descriptions: it knows typed descriptions and
// candidates, no JSON and no requests.
package signalling

import (
	"time"

	"bifrons/sdp"
	"bifrons/sfu"
)

// Config are the common settings of all endpoints of a server. It must not change.
type Config struct {
	// Engine makes the peer connections. Without one, there are none.
	Engine *sfu.Engine

	// FullTrickle sends candidates by Handler.Candidate, not in descriptions.
	FullTrickle bool

	// RelayWait is how long the search for a relay may take besides gathering.
	RelayWait time.Duration

	// CandidatesTimeout is how long candidates that came before their
	// description are kept.
	CandidatesTimeout time.Duration

	// Now is the clock of that, and of the times in a State.
	Now func() time.Time
}

// Client is whom an Endpoint negotiates with.
type Client struct {
	Owner     any    // see sfu.PeerConfig
	Label     string // for logs
	RelayUser string // for sfu.Config.TURNServers

	// Executor runs the handling of events of the engine.
	Executor Executor

	// Handler is told of it there.
	Handler Handler

	// Observer watches, nil = nobody.
	Observer Observer
}

// Executor runs functions one after another, in the order in which they were
// given. Do may lose some if too many wait, which it reports by false.
type Executor interface {
	Do(f func()) bool
	Must(f func())
}

// Handler takes the events of an endpoint's peer connections. But for Data, and
// for Candidate where it says so, the calls come from the Executor, without a lock
// of the Endpoint, all of whose methods may be called.
type Handler interface {
	// Up reports that media may flow.
	Up()

	// Closed reports that a connection is gone. The endpoint has none any more,
	// and can get a new one.
	Closed(c *Connection, reason string)

	// Event passes on all other events of the engine but those about local
	// candidates; mid and kind ("audio", "video", "data") are of the section that
	// it is about, if it is about one.
	Event(e sfu.Event, mid, kind string)

	// Data is a data channel message; payload is lent for the call. It comes from
	// the connection's SCTP goroutine.
	Data(label, protocol string, binary bool, payload []byte)

	// Candidate trickles a local candidate, as in a=candidate without the name,
	// for a section, or "" for the end of all. It comes from the Executor or from
	// within SetLocal, always in order and behind the description, and must not
	// call SetLocal.
	Candidate(mid string, section int, text string)
}

// Observer gets the events, for whoever watches. It is called under locks
// of the Endpoint: it must neither block nor call the Endpoint.
type Observer interface {
	// Created reports a new peer connection before anybody else can see it.
	Created(p *sfu.Peer)

	// Described reports a local candidate that goes into a description for the
	// first time, and Taken of a remote one that the engine gets.
	Described(candidate string)
	Taken(candidate string)

	// Transport reports whether the events EventICEState, EventSelectedPair and
	// EventDTLSState are of use. Without an Observer they are not. No lock is held.
	Transport() bool
}

// Options go with a remote description.
type Options struct {
	Trickle  bool   // the client trickles its candidates
	Relay    bool   // only relayed candidates of ours are to be used
	RIDOrder string // of simulcast, see sdp.Description.Simulcast
	E2EE     bool   // media is encrypted end to end
	Scalable []int  // indexes of sections with layers within one encoding
	Text     string // the description as it came, for State
}

// LocalOptions go with a description of ours.
type LocalOptions struct {
	E2EE    bool // media is encrypted end to end
	Restart bool // ICE, by an offer
}

// Remote is a remote description as an application sees it.
type Remote struct {
	// SDP has no transport. It is the caller's.
	SDP *sdp.Description

	// Update is set if something had been agreed on before.
	Update bool

	Simulcast []Simulcast
}

// Simulcast describes a section with several encodings, by RID or by SSRC.
type Simulcast struct {
	Index int // of the section
	MID   string
	RIDs  []string // highest quality first
	RIDID uint8    // id of the RID header extension
	SSRCs []uint32 // lowest quality first
}
