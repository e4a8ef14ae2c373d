package peer

import (
	"bifrons/dtls"
	"bifrons/ice"
	"bifrons/rtp/mono"
)

// Reason says why a peer connection was closed, in the words of the Janus API.
type Reason string

// Reasons for the end of a peer connection that the engine itself finds.
const (
	ReasonICEFailed   Reason = "ICE failed"
	ReasonDTLSAlert   Reason = "DTLS alert"
	ReasonDTLSTimeout Reason = "DTLS timeout"
	ReasonDTLSError   Reason = "DTLS error"
	ReasonUnreachable Reason = "Far end unreachable"
	ReasonInternal    Reason = "Internal error"
)

// Cause is why a peer connection has ended, for those who run the server.
type Cause uint8

// The causes. Those of ICE are why it had failed until failGrace or failLimit were
// over; see package ice.
const (
	CauseNone           Cause = iota // has not ended
	CauseClosed                      // Close was called; the Reason is the caller's
	CauseNoPair                      // no pair of candidates works
	CauseCheckingLimit               // no path was found in time
	CauseSilence                     // nothing came from the remote any more
	CauseConsent                     // the remote's consent expired
	CauseNoLocal                     // the relay or TCP connection was lost
	CauseAlert                       // the remote has ended the DTLS association
	CauseFingerprint                 // the remote has another certificate than it described
	CauseHandshakeLimit              // no DTLS handshake in time
	CauseHandshake                   // the DTLS handshake failed
	CauseNoRenewal                   // the remote ended the association to begin another one, but did not in time
	CauseUnreachable                 // a far end outside WebRTC refuses our packets
	CauseInternal                    // a panic
	numCauses
)

// causes are the causes' names and the reasons for the client.
var causes = [numCauses]struct {
	name   string
	reason Reason
}{
	CauseNone:           {"none", ""},
	CauseClosed:         {"closed", ""},
	CauseNoPair:         {"no pair works", ReasonICEFailed},
	CauseCheckingLimit:  {"no path in time", ReasonICEFailed},
	CauseSilence:        {"silence", ReasonICEFailed},
	CauseConsent:        {"consent expired", ReasonICEFailed},
	CauseNoLocal:        {"relay or connection lost", ReasonICEFailed},
	CauseAlert:          {"DTLS alert", ReasonDTLSAlert},
	CauseFingerprint:    {"DTLS fingerprint", ReasonDTLSAlert},
	CauseHandshakeLimit: {"no DTLS handshake in time", ReasonDTLSTimeout},
	CauseHandshake:      {"DTLS handshake failed", ReasonDTLSError},
	CauseNoRenewal:      {"no DTLS association after the first", ReasonDTLSAlert},
	CauseUnreachable:    {"unreachable", ReasonUnreachable},
	CauseInternal:       {"panic", ReasonInternal},
}

// String is a short English name.
func (c Cause) String() string { return causes[min(c, numCauses-1)].name }

// Reason is the text for the client.
func (c Cause) Reason() Reason { return causes[min(c, numCauses-1)].reason }

// ICECause is the Cause of a connection that ends since its agent has failed.
func ICECause(c ice.Cause) Cause {
	return [...]Cause{
		ice.NoPair: CauseNoPair, ice.CheckingLimit: CauseCheckingLimit, ice.Silence: CauseSilence,
		ice.ConsentExpired: CauseConsent, ice.NoLocal: CauseNoLocal,
	}[c]
}

// DTLSCause is the Cause of a connection that ends since its association has.
func DTLSCause(k dtls.ReasonKind) Cause {
	return [...]Cause{
		dtls.LocalClose: CauseClosed, dtls.PeerAlert: CauseAlert, dtls.Timeout: CauseHandshakeLimit,
		dtls.BadFingerprint: CauseFingerprint, dtls.Failed: CauseHandshake,
	}[k]
}

// Close ends the connection and informs the remote by a DTLS alert.
func (p *Peer) Close(_ mono.Time, r Reason) { p.end(CauseClosed, r) }

// Fail is Close for causes found by the engine.
func (p *Peer) Fail(_ mono.Time, c Cause) { p.end(c, c.Reason()) }

func (p *Peer) end(c Cause, r Reason) {
	if p.closed {
		return
	}
	p.closed, p.cause = true, c
	p.deadline = mono.Never
	for _, s := range p.sections {
		s.close()
	}
	if p.dtls != nil {
		p.dtls.Close()
	}
	p.loop.Emit(Event{Kind: EventClosed, Reason: r, Cause: c})
}
