package shard

import (
	"net/netip"
	"slices"
	"time"

	"bifrons/ice"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
	"bifrons/sfu/plain"
	"bifrons/sfu/route"
)

// A Leg is media outside WebRTC that lives on a shard.
type Leg interface {
	// Tick is called every tickInterval.
	Tick(now mono.Time)
	// Close gives up everything. It is called when the leg has panicked.
	Close()
}

// Stay is a Leg's life on its shard. It belongs to the shard's goroutine.
type Stay struct {
	shard  *Shard
	leg    Leg // nil before Begin
	failed func()
	over   bool
}

// tickInterval is how often legs are looked after.
const tickInterval = mono.Time(100 * time.Millisecond)

// legLoop is the shard as legs see it.
type legLoop struct{ *Shard }

var _ plain.Loop = legLoop{}

func (l legLoop) Flush(t *route.Track)            { l.dirty = append(l.dirty, t) }
func (l legLoop) Forward(t *route.Track)          { l.forwardOne(t) }
func (l legLoop) Drop(d media.Drop)               { l.drop(d) }
func (l legLoop) Buffer() *pktbuf.Buf             { return l.buffer() }
func (l legLoop) Reserve() []byte                 { return l.plain.reserve() }
func (l legLoop) Commit(to netip.AddrPort, n int) { l.plain.commit(ice.Path{Remote: to}, n) }

// Loop is the shard as legs use it. They belong to the shard's goroutine.
func (s *Shard) Loop() plain.Loop { return legLoop{s} }

// OpenPlain gives legs a socket to send by. It has to be called on the loop,
// once and before Loop's Reserve. The caller closes the socket after the shard.
func (s *Shard) OpenPlain(sock Socket) { s.legs().send = sock.SendBatch }

// legs is the egress of the legs.
func (s *Shard) legs() *egress {
	if s.plain == nil {
		s.plain = newEgress(nil, s.drop)
	}
	return s.plain
}

// FlushLegs sends the packets that legs have committed in this pass.
func (s *Shard) FlushLegs() {
	if s.plain != nil {
		s.plain.flush()
	}
}

// NewStay makes the Stay of a leg that Begin will make. It may be called from any
// goroutine. When the leg panics it is closed, and failed is called, on the loop.
func (s *Shard) NewStay(failed func()) *Stay { return &Stay{shard: s, failed: failed} }

// AddLeg looks after a leg until its Stay ends.
func (s *Shard) AddLeg(l Leg, failed func()) *Stay {
	st := s.NewStay(failed)
	st.Begin(func() Leg { return l })
	return st
}

// Begin makes the leg and looks after it until the stay ends.
func (st *Stay) Begin(leg func() Leg) {
	st.Do(func() {
		st.leg = leg()
		st.shard.stays = append(st.shard.stays, st)
	})
}

// Do runs a command for the leg while it stays. A panic costs that leg.
func (st *Stay) Do(f func()) {
	if st.over {
		return
	}
	defer st.guard()
	f()
}

// End ends the stay; the leg is not closed by it.
func (st *Stay) End() {
	st.over = true
	s := st.shard
	s.stays = slices.DeleteFunc(s.stays, func(other *Stay) bool { return other == st })
}

// guard turns a panic into the end of one leg.
func (st *Stay) guard() {
	if r := recover(); r != nil {
		st.fail(r)
	}
}

func (st *Stay) fail(r any) {
	st.shard.Panicked("media outside of WebRTC", r)
	st.Fail()
}

// Fail ends the stay of a leg that has panicked, closes the leg and reports that.
func (st *Stay) Fail() {
	if st.over {
		return
	}
	st.End()
	defer func() {
		if r := recover(); r != nil {
			st.shard.log.Error("closing the panicked leg panicked too", "panic", r)
		}
		st.failed()
	}()
	if st.leg != nil {
		st.leg.Close()
	}
}

func (st *Stay) tick() {
	defer st.guard()
	st.leg.Tick(st.shard.now)
}

// tick looks after the legs.
func (s *Shard) tick() {
	if s.now < s.nextTick {
		return
	}
	s.nextTick = s.now + tickInterval
	for i := len(s.stays) - 1; i >= 0; i-- { // one that fails goes
		s.stays[i].tick()
	}
}
