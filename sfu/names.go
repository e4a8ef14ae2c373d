package sfu

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
)

// How many names are looked up at the same time, in all and for one owner, how
// many one may have under way, waiting ones included, and how
// many wait at all.
const (
	maxLookups      = 64
	maxOwnLookups   = 4
	maxOwnNames     = 8
	maxWaitingNames = 4096
)

// ErrTooManyNames means that an owner has too many names looked up.
var ErrTooManyNames = errors.New("sfu: too many names are looked up")

// names looks up names of hosts from clients. A look-up takes seconds where a name server
// does not answer, so there are few at a time, and the owners take turns.
type names struct {
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

	mu      sync.Mutex
	running int
	waiting int
	owners  map[any]*claimant
	line    []*claimant // those with something that waits; the first one's turn is next
}

// claimant is an owner with look-ups under way.
type claimant struct {
	running int
	waiting []chan struct{} // closed when it is their turn
}

// find looks up a host's addresses. It waits for the owner's turn, as long as ctx
// lets it. Owners are compared by ==.
func (n *names) find(ctx context.Context, owner any, network, host string) ([]netip.Addr, error) {
	if _, err := netip.ParseAddr(host); err == nil { // nobody has to be asked
		return n.lookup(ctx, network, host)
	}
	if err := n.enter(ctx, owner); err != nil {
		return nil, err
	}
	defer n.leave(owner)
	return n.lookup(ctx, network, host)
}

func (n *names) enter(ctx context.Context, owner any) error {
	n.mu.Lock()
	c := n.owners[owner]
	if c == nil {
		if n.owners == nil {
			n.owners = make(map[any]*claimant)
		}
		c = new(claimant)
		n.owners[owner] = c
	}
	switch {
	case c.running+len(c.waiting) >= maxOwnNames || n.waiting >= maxWaitingNames:
		n.tidy(owner, c)
		n.mu.Unlock()
		return ErrTooManyNames
	case n.running < maxLookups && c.running < maxOwnLookups:
		n.running++
		c.running++
		n.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	if len(c.waiting) == 0 {
		n.line = append(n.line, c)
	}
	c.waiting = append(c.waiting, turn)
	n.waiting++
	n.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.Index(c.waiting, turn)
	if i < 0 { // its turn came at this moment
		n.end(owner, c)
		return ctx.Err()
	}
	c.waiting = slices.Delete(c.waiting, i, i+1)
	n.waiting--
	if len(c.waiting) == 0 {
		n.line = slices.DeleteFunc(n.line, func(x *claimant) bool { return x == c })
	}
	n.tidy(owner, c)
	return ctx.Err()
}

func (n *names) leave(owner any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.end(owner, n.owners[owner])
}

// end ends one that runs, and lets the next ones begin. n.mu is held.
func (n *names) end(owner any, c *claimant) {
	n.running--
	c.running--
	n.tidy(owner, c)
	for i := 0; i < len(n.line) && n.running < maxLookups; {
		c := n.line[i]
		if c.running >= maxOwnLookups {
			i++
			continue
		}
		n.running++
		c.running++
		n.waiting--
		close(c.waiting[0])
		c.waiting = c.waiting[1:]
		n.line = slices.Delete(n.line, i, i+1)
		if len(c.waiting) > 0 {
			n.line = append(n.line, c)
		}
	}
}

// tidy forgets an owner who has nothing under way. n.mu is held.
func (n *names) tidy(owner any, c *claimant) {
	if c.running == 0 && len(c.waiting) == 0 {
		delete(n.owners, owner)
	}
}

// LookupHost finds the addresses of a host that a client names; network is "ip",
// "ip4" or "ip6". Clients take turns: owner identifies them, such as the id of a
// session, and may have only few look-ups at a time. ctx bounds the waiting too.
func (e *Engine) LookupHost(ctx context.Context, owner any, network, host string) ([]netip.Addr, error) {
	return e.names.find(ctx, owner, network, host)
}
