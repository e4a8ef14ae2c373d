package sfu

import (
	"net/netip"
	"sync"

	"bifrons/ice/netio"
)

// ownPorts are the UDP ports that take media, however many sockets have each.
type ownPorts struct {
	mu   sync.Mutex
	open map[uint16]int
}

// add notes a socket and returns what to call when it is closed.
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
	}
}

func (o *ownPorts) has(port uint16) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open[port] > 0
}

// Owns tells whether media that is sent to an address comes back to this engine:
// to a port of a Source, or to one of its own.
func (e *Engine) Owns(a netip.AddrPort) bool {
	if !e.ports.has(a.Port()) {
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
