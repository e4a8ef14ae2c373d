package sfu

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"bifrons/ice"
	"bifrons/rtp/mono"
	"bifrons/sfu/peer"
)

// How many names of candidates are looked up at the same time, for one peer and
// in all. What a client names beyond that is left out.
const (
	maxNames   = 8
	maxLookups = 64
)

// lookupTimeout bounds one lookup; an answer that takes longer is of no use.
const lookupTimeout = 3 * time.Second

// resolve looks up a candidate's name in the background and adds what it finds.
func (e *Engine) resolve(p *Peer, c ice.Candidate) {
	if !take(&p.lookups, maxNames) {
		return
	}
	if !take(&e.lookups, maxLookups) {
		p.lookups.Add(-1)
		return
	}
	e.pending.Add(1)
	go func() {
		defer e.pending.Done()
		defer e.lookups.Add(-1)
		defer p.lookups.Add(-1)
		ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
		defer cancel()
		addrs, err := e.lookup(ctx, "ip", c.Name)
		if err != nil {
			e.log.Debug("candidate's name does not resolve, left out", "name", c.Name, "error", err)
			return
		}
		for _, a := range addrs {
			found := c
			found.Addr, found.Name = netip.AddrPortFrom(a.Unmap(), c.Port), ""
			p.do(func(now mono.Time, core *peer.Peer) { core.AddCandidate(now, found) })
		}
	}()
}

// take counts one more, unless that would be more than limit.
func take(n *atomic.Int32, limit int32) bool {
	if n.Add(1) <= limit {
		return true
	}
	n.Add(-1)
	return false
}
