package transport

import (
	"container/list"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
)

// crowd is the connections of one listener, or of all.
type crowd struct {
	limit, share int // of all, and of one address; 0 = any number
	waiting      int // of one address, that wait for a request

	mu    sync.Mutex
	n     int
	hosts map[netip.Addr]*host
	room  chan struct{} // closed when somebody leaves, nil if nobody waits for that
}

// host counts the connections of one address.
type host struct {
	n       int
	waiting list.List // of *Visitor, the one that has waited longest first
}

// crowd makes a crowd of at most limit connections, 0 = any number.
func (g *Gate) crowd(limit int) *crowd {
	c := &crowd{limit: limit, share: g.cfg.PerAddress, waiting: maxWaiting, hosts: map[netip.Addr]*host{}}
	if c.share <= 0 {
		c.share = (limit + 1) / 2
	}
	if c.share > 0 {
		c.waiting = min(c.waiting, max(1, c.share/4))
	}
	return c
}

func (c *crowd) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// hasShare reports whether an address has all that it may have.
func (c *crowd) hasShare(a netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[a]
	return c.share > 0 && h != nil && h.n >= c.share
}

// full reports whether there is no place. Whoever wants to have one waits for room,
// or makes out leave, if not nil: the connection that has waited longest of the
// address with most of those.
func (c *crowd) full() (room <-chan struct{}, out *Visitor, full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limit <= 0 || c.n < c.limit {
		return nil, nil, false
	}
	if c.room == nil {
		c.room = make(chan struct{})
	}
	var most *host
	for _, h := range c.hosts {
		if h.waiting.Len() > 0 && (most == nil || h.waiting.Len() > most.waiting.Len()) {
			most = h
		}
	}
	if most != nil {
		out = most.waiting.Front().Value.(*Visitor)
	}
	return c.room, out, true
}

// enter counts a connection, which waits. It returns another one of its address
// that has to leave for that, or nil.
func (c *crowd) enter(v *Visitor, p *place) (out *Visitor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[v.addr]
	if h == nil {
		h = &host{}
		c.hosts[v.addr] = h
	}
	c.n++
	h.n++
	p.host = h
	return c.wait(v, p)
}

// wait puts a connection behind those that wait. mu is held.
func (c *crowd) wait(v *Visitor, p *place) (out *Visitor) {
	w := &p.host.waiting
	p.waiting = w.PushBack(v)
	if !v.trusted && w.Len() > c.waiting {
		out = w.Front().Value.(*Visitor)
	}
	return out
}

// change notes that a connection waits, or that it does not.
func (c *crowd) change(v *Visitor, p *place, waits bool) (out *Visitor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.host == nil {
		return nil // has left
	}
	p.stopWaiting()
	if waits {
		return c.wait(v, p)
	}
	return nil
}

// leave ends the count of a connection.
func (c *crowd) leave(v *Visitor, p *place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.stopWaiting()
	c.n--
	if p.host.n--; p.host.n == 0 {
		delete(c.hosts, v.addr)
	}
	p.host = nil
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// place is a connection's place in a crowd, guarded by the crowd's mu.
type place struct {
	host    *host         // nil when it has left
	waiting *list.Element // nil while something is done for it
}

func (p *place) stopWaiting() {
	if p.waiting != nil {
		p.host.waiting.Remove(p.waiting)
		p.waiting = nil
	}
}

// Visitor is a connection as a Gate counts it. It waits until Active.
type Visitor struct {
	net.Conn
	gate    *Gate
	addr    netip.Addr // invalid for a Unix socket
	trusted bool
	crowds  [2]*crowd // of its listener, of all
	places  [2]place
	closed  sync.Once
}

// enter makes the connection count.
func (v *Visitor) enter() {
	for i, c := range v.crowds {
		v.evict(c.enter(v, &v.places[i]))
	}
}

// Active marks the connection as in use: it is not ended for
// others to get a place.
func (v *Visitor) Active() { v.change(false) }

// Idle marks the connection as waiting for a request again.
func (v *Visitor) Idle() { v.change(true) }

func (v *Visitor) change(waits bool) {
	if v == nil {
		return
	}
	for i, c := range v.crowds {
		v.evict(c.change(v, &v.places[i], waits))
	}
}

// evict ends a connection that waits, if there is one.
func (v *Visitor) evict(out *Visitor) {
	if out != nil {
		v.gate.note(Waiting, out.addr, "too many connections ask for nothing: some are ended")
		out.Close()
	}
}

// Close ends the connection.
func (v *Visitor) Close() error {
	err := v.Conn.Close()
	v.closed.Do(func() {
		for i, c := range v.crowds {
			c.leave(v, &v.places[i])
		}
	})
	return err
}

// CloseWrite ends sending, so that the last response is still read.
func (v *Visitor) CloseWrite() error {
	if c, ok := v.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

type visitorKey struct{}

// WithVisitor is for http.Server.ConnContext: VisitorOf finds the connection
// again, under TLS as well.
func WithVisitor(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	v, _ := c.(*Visitor)
	return context.WithValue(ctx, visitorKey{}, v)
}

// VisitorOf is the connection of a request; nil, whose Active and Idle do
// nothing, if it is not counted.
func VisitorOf(ctx context.Context) *Visitor {
	v, _ := ctx.Value(visitorKey{}).(*Visitor)
	return v
}
