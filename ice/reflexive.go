package ice

import (
	"net/netip"
	"time"

	"bifrons/rtp/mono"
)

const (
	reflexiveTimeout = 5 * time.Second
	reflexiveRefresh = 25 * time.Second
)

// Reflexive asks a STUN server how the other side of a NAT sees a socket
// (RFC 8489, 12), once for all that share the socket, and keeps the binding
// alive if there was an answer. It is for one goroutine.
type Reflexive struct {
	server netip.AddrPort
	rand   func([]byte)
	send   func(Path, []byte)

	id       transactionID
	waiting  bool // a request is outstanding
	rto      time.Duration
	nextSend mono.Time
	giveUp   mono.Time
	refresh  mono.Time

	address netip.AddrPort
	done    bool
	out     builder
}

// NewReflexive returns a client of server. The bytes given to send are lent for
// the call; the Path has no local address.
func NewReflexive(server netip.AddrPort, rand func([]byte), send func(Path, []byte)) *Reflexive {
	return &Reflexive{server: unmapPort(server), rand: rand, send: send}
}

// Start sends the first request.
func (r *Reflexive) Start(now mono.Time) {
	r.rand(r.id[:])
	r.waiting, r.rto, r.giveUp = true, firstRTO, now.Add(reflexiveTimeout)
	r.transmit(now)
}

func (r *Reflexive) transmit(now mono.Time) {
	r.nextSend = min(now.Add(r.rto), r.giveUp)
	r.rto *= 2
	r.out = r.out.begin(bindingRequest, &r.id).fingerprint()
	r.send(Path{Remote: r.server}, r.out)
}

// Handle takes a datagram from an address and reports whether it was the answer
// to an outstanding request.
func (r *Reflexive) Handle(now mono.Time, from netip.AddrPort, b []byte) bool {
	var m message
	if !r.waiting || unmapPort(from) != r.server || !m.parse(b) || m.id != r.id {
		return false
	}
	switch {
	case m.typ == bindingSuccess && sendable(m.mapped):
		r.address = m.mapped
	case m.typ != bindingError:
		return false
	}
	r.finish(now)
	return true
}

// finish ends a transaction, answered or not.
func (r *Reflexive) finish(now mono.Time) {
	r.waiting, r.done = false, true
	if r.address.IsValid() {
		r.refresh = now.Add(reflexiveRefresh)
	}
}

// Advance does everything that is due.
func (r *Reflexive) Advance(now mono.Time) {
	switch {
	case r.waiting && now >= r.giveUp:
		r.finish(now)
	case r.waiting && now >= r.nextSend:
		r.transmit(now)
	case !r.waiting && r.refresh != 0 && now >= r.refresh:
		r.Start(now)
	}
}

// Deadline returns when Advance is due, mono.Never if nothing is to be done.
func (r *Reflexive) Deadline() mono.Time {
	switch {
	case r.waiting:
		return r.nextSend
	case r.refresh != 0:
		return r.refresh
	}
	return mono.Never
}

// Address returns the address that the server saw last.
func (r *Reflexive) Address() (netip.AddrPort, bool) { return r.address, r.address.IsValid() }

// Done reports whether the first request was answered, or given up after 5 s.
func (r *Reflexive) Done() bool { return r.done }
