package peer

import (
	"bifrons/ice"
	"bifrons/rtp/mono"
)

// AddLocal adds an own candidate that was found late.
func (p *Peer) AddLocal(now mono.Time, c ice.Candidate) {
	if !p.closed {
		p.agent.AddLocal(c)
		p.afterICE(now)
	}
}

// ForceRelay gives up all own candidates but relayed ones.
func (p *Peer) ForceRelay(now mono.Time) {
	if !p.closed {
		p.agent.ForceRelay(now)
		p.pathRun = ice.Path{}
		p.afterICE(now)
	}
}

// LinkDown reports that a link has ended: nothing can be sent by it any more.
func (p *Peer) LinkDown(now mono.Time, link uint32) {
	if !p.closed {
		p.agent.LinkDown(now, link)
		p.pathRun = ice.Path{}
		p.afterICE(now)
	}
}
