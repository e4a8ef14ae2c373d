package peer

import (
	"time"

	"bifrons/dtls/srtp"
	"bifrons/ice"
	"bifrons/rtp/mono"
)

const (
	// renewalGrace is how long after a description with a moved transport the remote may give
	// up the old one: until it has our answer.
	renewalGrace = 10 * time.Second
	// renewalTime is how long the new one may take from then on. If there is none the
	// remote has simply closed the connection.
	renewalTime = 5 * time.Second
)

// renewal is the change to another DTLS association within one connection. When the
// section that carries the transport of a bundle goes, Chromium begins a transport again in
// the next one: with the same certificate and ICE credentials, other sockets and other
// keys.
type renewal struct {
	until   mono.Time // the remote may give up its association, 0 = not now
	from    ice.Path  // of the old association
	running bool      // the association is gone, until is for the next one
}

func (r *renewal) allow(now mono.Time, from ice.Path) {
	*r = renewal{until: now.Add(renewalGrace), from: from}
}

func (r *renewal) allowed(now mono.Time) bool { return r.until != 0 && !r.running && now < r.until }

// reached reports whether a path leads to the new transport, if there is to be one.
func (r *renewal) reached(path ice.Path) bool { return !r.running || path != r.from }

// renew waits for the remote's next association in place of the one that it has ended. All that
// belongs to keys starts again: rollover counters (RFC 3711, 3.3.1) and replay windows.
func (p *Peer) renew(now mono.Time) {
	p.renewal.running, p.renewal.until = true, now.Add(renewalTime)
	p.wake(p.renewal.until)
	if p.path == p.renewal.from {
		p.agent.Leave()
	}
	p.dtls, p.up, p.proven = nil, false, false
	p.sealer, p.opener = nil, nil
	for _, c := range p.counters {
		c.srtp = srtp.StreamState{}
	}
	for _, s := range p.sections {
		s.out.rekey()
	}
	p.startDTLS(now)
}

// checkRenewal ends a connection whose remote has not come back.
func (p *Peer) checkRenewal(now mono.Time) {
	switch {
	case p.closed || !p.renewal.running:
	case now >= p.renewal.until:
		p.Fail(now, CauseNoRenewal)
	default:
		p.wake(p.renewal.until)
	}
}

// rollover is how a sender's extended sequence numbers relate to the rollover counter of
// its keys, which the receiver takes to be 0 with the first packet.
type rollover struct {
	base  uint32
	unset bool // the next packet is the first one under its keys
}

// counter is the rollover counter for an extended sequence number. ok is false if that
// belongs to earlier keys.
func (r *rollover) counter(index uint64) (n uint32, ok bool) {
	n = uint32(index >> 16)
	if r.unset {
		r.base, r.unset = n, false
	}
	return n - r.base, n >= r.base
}

// rekey prepares for other keys: nothing that was sent can be repeated.
func (o *sender) rekey() {
	o.abandon()
	o.rolled, o.rtxRolled = rollover{unset: true}, rollover{unset: true}
}
