package sfu

import (
	"net/netip"
	"sync"

	"bifrons/ice/netio"
)

// ownPorts are the UDP ports that take media, however many sockets have each.
type ownPorts struct {
	mu       sync.Mutex
	open     map[uint16]int
	sessions map[uint16]struct{} // those of them that are of RTP sessions
}

// add notes a socket and returns a function to call when it is closed.
func (o *ownPorts) add(c *netio.Conn) (remove func()) {
	port := c.Port()
	o.count(port, 1)
	return func() { o.count(port, -1) }
}

func (o *ownPorts) count(port uint16, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open == nil {
		o.open = make(map[uint16]int)
	}
	if o.open[port] += n; o.open[port] <= 0 {
		delete(o.open, port)
		delete(o.sessions, port)
	}
}

// session notes that a port that was added is of an RTP session, until it is closed.
func (o *ownPorts) session(port uint16) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open[port] == 0 {
		return
	}
	if o.sessions == nil {
		o.sessions = make(map[uint16]struct{})
	}
	o.sessions[port] = struct{}{}
}

func (o *ownPorts) has(port uint16) (open, session bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, session = o.sessions[port]
	return o.open[port] > 0, session
}

// Owns reports whether media that is sent to an address comes back to this engine:
// to a port of a Source or an RTPSession, or to one of its own.
func (e *Engine) Owns(a netip.AddrPort) bool { return e.owns(a, true) }

// OwnsOther is Owns but for ports on which RTP sessions take RTP: calls may have both ends
// here.
func (e *Engine) OwnsOther(a netip.AddrPort) bool { return e.owns(a, false) }

func (e *Engine) owns(a netip.AddrPort, sessions bool) bool {
	if open, session := e.ports.has(a.Port()); !open || session && !sessions {
		return false
	}
	ip := a.Addr().Unmap().WithZone("")
	if ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() {
		return true
	}
	for _, h := range e.hostAddrs() {
		if h.Addr.Unmap().WithZone("") == ip {
			return true
		}
	}
	for _, public := range e.PublicIPs() {
		if public.Unmap() == ip {
			return true
		}
	}
	return false
}
