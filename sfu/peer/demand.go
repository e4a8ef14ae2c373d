package peer

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

const (
	// demandLeast is the least that a remote is asked for, in bit/s.
	demandLeast = 100_000
	// demandInterval is the least time between two requests for another rate.
	demandInterval = 100 * time.Millisecond
)

// demand is the rate that the receivers of the remote's media can take, in bit/s, 0 = any.
func (p *Peer) demand() (sum uint64) {
	for _, s := range p.sections {
		if s.track == nil || !s.Receive || s.receivers == [media.MaxEncodings]*receiver{} {
			continue
		}
		if s.Kind != media.Video {
			if r := s.track.Rates(); len(r) > 0 {
				sum += r[0].Peak
			}
			continue
		}
		d := s.track.Demand()
		if d == 0 {
			return 0
		}
		sum += d
	}
	if sum == 0 {
		return 0
	}
	return max(sum, demandLeast)
}

// ask tells the remote soon which rate is wanted.
func (s *section) ask(now mono.Time) {
	p := s.peer
	if p.nextREMB == 0 && p.Up() {
		p.nextREMB = max(now, p.rembAt.Add(demandInterval))
		p.wake(p.nextREMB)
		p.loop.Wake(p.nextREMB)
	}
}

// tellDemand sends the REMB that is due: when demand limits the remote, or did until now.
func (p *Peer) tellDemand(now mono.Time) {
	p.nextREMB = 0
	limits := p.demand() != 0
	if limits || p.demanded {
		p.demanded = limits
		p.sendREMB(now)
	}
}
