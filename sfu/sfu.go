// Package sfu is the door to the media engine: commands go in, events come out.
package sfu

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/netip"
	"time"

	"bifrons/dtls"
	"bifrons/ice/turn"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
)

// Config sets up an Engine. The zero value of a field means its default.
type Config struct {
	// Shards is the number of loops, over which peers are spread evenly. By default
	// there are GOMAXPROCS, and the first few peers stay together on one.
	Shards           int
	PortMin, PortMax uint16 // UDP ports of the shards, default any

	IPv6          bool
	IPv6LinkLocal bool
	Enforce       []string     // interface names or address prefixes to use, all if empty
	Ignore        []string     // interface names or address prefixes to leave out
	PublicIPs     []netip.Addr // 1:1 NAT mapping
	KeepPrivate   bool         // offer the private host address as well
	LocalIP       netip.Addr   // in descriptions, default the first host address
	STUNServer    string       // host:port, "" = none
	// TURNServer relays for peers of this server, a zero Host = none. With
	// TURNServers, which is asked for every peer connection, it is for when
	// that fails or finds none. TURNServers gets the PeerConfig's RelayUser,
	// and must return when the context is done.
	TURNServer  turn.Server
	TURNServers func(ctx context.Context, user string) ([]turn.Server, error)
	TURNRoots   *x509.CertPool // that TURN over TLS trusts, nil = the system's
	// IgnoreUnreachableServers starts even if STUN or TURN server do not answer.
	IgnoreUnreachableServers bool
	IgnoreMDNS               bool
	ICETCP                   bool // listen for ICE-TCP (RFC 6544), one TCP port a shard

	// Peers are the settings of all peer connections; Tune changes a part of it.
	// It is complete: zero means zero. nil is DefaultPeerOptions.
	Peers *PeerOptions

	Certificate *dtls.Certificate // nil: generated
	DTLSMTU     int               // bytes, default 1200
	// RejectSelfSigned asks for certificates that a known authority signed.
	RejectSelfSigned bool
	DSCP             int // 0..63

	Logger *slog.Logger
}

// PeerOptions and the part of them that can change at run time; see package peer.
type (
	PeerOptions = peer.Options
	Tuning      = peer.Tuning
)

// DefaultPeerOptions are those of a Config that says nothing else.
func DefaultPeerOptions() PeerOptions { return peer.DefaultOptions() }

// Defaults are the settings of the zero Config.
func Defaults() Config {
	var c Config
	c.setDefaults()
	return c
}

// The events of a peer connection, and the remote description that goes
// in, as package peer defines them.
type (
	Event     = peer.Event
	EventKind = peer.EventKind
	Reason    = peer.Reason
	Cause     = peer.Cause
	Remote    = peer.Remote
	Snapshot  = peer.Snapshot

	Estimation = peer.Estimation
	Weight     = peer.Weight
)

// Kinds of events, reasons and causes; see package peer.
const (
	EventUp              = peer.EventUp
	EventClosed          = peer.EventClosed
	EventMedia           = peer.EventMedia
	EventSlowLink        = peer.EventSlowLink
	EventICEFailed       = peer.EventICEFailed
	EventCandidate       = peer.EventCandidate
	EventCandidatesDone  = peer.EventCandidatesDone
	EventLayer           = peer.EventLayer
	EventBitrate         = peer.EventBitrate
	EventDataReady       = peer.EventDataReady
	EventKeyframeRequest = peer.EventKeyframeRequest
	EventAudioLevel      = peer.EventAudioLevel
	EventICEState        = peer.EventICEState
	EventSelectedPair    = peer.EventSelectedPair
	EventDTLSState       = peer.EventDTLSState
	EventDTMF            = peer.EventDTMF
	EventPaused          = peer.EventPaused
	EventReordered       = peer.EventReordered

	ReasonICEFailed   = peer.ReasonICEFailed
	ReasonDTLSAlert   = peer.ReasonDTLSAlert
	ReasonDTLSTimeout = peer.ReasonDTLSTimeout
	ReasonDTLSError   = peer.ReasonDTLSError
	ReasonUnreachable = peer.ReasonUnreachable
	ReasonInternal    = peer.ReasonInternal

	CauseNone           = peer.CauseNone
	CauseClosed         = peer.CauseClosed
	CauseNoPair         = peer.CauseNoPair
	CauseCheckingLimit  = peer.CauseCheckingLimit
	CauseSilence        = peer.CauseSilence
	CauseConsent        = peer.CauseConsent
	CauseNoLocal        = peer.CauseNoLocal
	CauseAlert          = peer.CauseAlert
	CauseFingerprint    = peer.CauseFingerprint
	CauseHandshakeLimit = peer.CauseHandshakeLimit
	CauseHandshake      = peer.CauseHandshake
	CauseNoRenewal      = peer.CauseNoRenewal
	CauseUnreachable    = peer.CauseUnreachable
	CauseInternal       = peer.CauseInternal
)

// Handler takes the events of a peer connection. PeerEvent is called in
// order from one goroutine and should not block. PeerData is called from the
// connection's SCTP goroutine, with payload lent for the call; blocking there
// slows down the sender. A panic in either closes the connection.
type Handler interface {
	PeerEvent(Event)
	PeerData(label, protocol string, binary bool, payload []byte)
}

// PeerConfig are the settings of a new peer connection.
type PeerConfig struct {
	Controlling bool   // we made the offer (ignored with ICE lite)
	Label       string // for logs
	Owner       any    // shares the look-ups of names with its other peers, see Engine.LookupHost; nil = nobody's
	Shard       int    // wanted shard + 1, 0 = the engine chooses
	RelayOnly   bool   // use and signal relayed candidates only
	RelayUser   string // for Config.TURNServers
}

// Subscription forwards one track of an origin to a section of a peer.
type Subscription struct {
	Origin   Origin
	Track    int // its index: of a Peer that of the section
	Section  int // of the receiving peer
	Paused   bool
	Target   media.Layer   // -1 = highest
	Fallback time.Duration // silence after which another encoding is taken, default 250 ms
}
