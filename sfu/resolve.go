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

// lookupTimeout bounds one lookup; an answer that takes longer is of no use.
const lookupTimeout = 3 * time.Second

// resolve looks up a candidate's name in the background and adds what it finds.
func (e *Engine) resolve(p *Peer, c ice.Candidate) {
	if !take(&p.lookups, maxOwnNames) {
		return
	}
	e.pending.Add(1)
	go func() {
		defer e.pending.Done()
		defer p.lookups.Add(-1)
		ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
		defer cancel()
		addrs, err := e.names.find(ctx, p.owner, "ip", c.Name)
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
