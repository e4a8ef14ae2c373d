package sfu

import (
	"context"
	"net"
	"net/netip"
	"time"

	"bifrons/ice"
	"bifrons/rtp/mono"
	"bifrons/sfu/peer"
)

// resolve looks up a candidate's name in the background and adds what it finds.
func (e *Engine) resolve(p *Peer, c ice.Candidate) {
	e.pending.Add(1)
	go func() {
		defer e.pending.Done()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", c.Name)
		if err != nil {
			e.log.Debug("candidate's name does not resolve, left out", "name", c.Name, "error", err)
			return
		}
		for _, a := range addrs {
			c.Addr, c.Name = netip.AddrPortFrom(a.Unmap(), c.Port), ""
			p.do(func(now mono.Time, core *peer.Peer) { core.AddCandidate(now, c) })
		}
	}()
}
