package shard

import (
	"net/netip"
	"time"

	"bifrons/ice"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
	"bifrons/sfu/plain"
	"bifrons/sfu/route"
)

// A Leg is media outside of WebRTC that lives on the shard.
type Leg interface {
	// Tick is called every tickInterval.
	Tick(now mono.Time)
}

// tickInterval is how often legs are looked after.
const tickInterval = mono.Time(100 * time.Millisecond)

// loop is the shard as legs see it.
type loop struct{ *Shard }

var _ plain.Loop = loop{}

func (l loop) Flush(t *route.Track)            { l.dirty = append(l.dirty, t) }
func (l loop) Drop(d media.Drop)               { l.drop(d) }
func (l loop) Buffer() *pktbuf.Buf             { return l.buffer() }
func (l loop) Reserve() []byte                 { return l.plain.reserve() }
func (l loop) Commit(to netip.AddrPort, n int) { l.plain.commit(ice.Path{Remote: to}, n) }

// Loop is what legs need of the shard. They belong to the shard's goroutine.
func (s *Shard) Loop() plain.Loop { return loop{s} }

// OpenPlain gives legs a socket to send by. It has to be called on the loop,
// once and before Loop's Reserve. The caller closes the socket after the shard.
func (s *Shard) OpenPlain(sock Socket) {
	s.plain = newEgress(sock.SendBatch, s.drop)
}

// AddLeg looks after a leg until RemoveLeg.
func (s *Shard) AddLeg(l Leg) { s.legs = append(s.legs, l) }

// RemoveLeg ends that.
func (s *Shard) RemoveLeg(l Leg) {
	for i := range s.legs {
		if s.legs[i] == l {
			s.legs = append(s.legs[:i], s.legs[i+1:]...)
			return
		}
	}
}

// tick looks after the legs.
func (s *Shard) tick() {
	if s.now < s.nextTick {
		return
	}
	s.nextTick = s.now + tickInterval
	for _, l := range s.legs {
		l.Tick(s.now)
	}
}
