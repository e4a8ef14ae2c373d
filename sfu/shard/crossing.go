package shard

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/ring"
	"bifrons/sfu/route"
)

// crossing carries packets from one shard to another: a ring with one producer
// and one consumer. A packet crosses once, however many subscriptions wait for
// it on the other side.
type crossing struct {
	from, to *Shard
	ring     ring.Ring[transfer]
	fresh    bool // put in since the last wake-up
}

const (
	crossingSize = 4096
	// maxTransfers bounds the packets that one pass takes from one crossing.
	maxTransfers = 512
	// sweepInterval is how often replicas without subscriptions are looked for.
	sweepInterval = mono.Time(time.Second)
	// crossKeyframe is the least time between two requests for a key frame that
	// one replica sends to its original.
	crossKeyframe = mono.Time(100 * time.Millisecond)
)

// transfer is a packet on its way; it holds a reference to the buffer, unless
// it only tells of a number that carries nothing.
type transfer struct {
	replica *replica
	packet  route.Packet
	skip    bool
}

// replica is a track of another shard as this one sees it: with its own cache,
// so that answering a NACK never leaves the shard. The original's side is a tap.
type replica struct {
	track    *route.Track // on the shard that it is for
	original *route.Track // on the shard that it is of
	cross    *crossing

	// The original's shard counts how often it handed the replica out, this one
	// how often it came, so that none is given up while a subscription for it
	// is on its way.
	handed, came int
	gone         bool // this side has given it up
	keyframeAt   mono.Time
	demand       uint64 // of the subscriptions, as the original's shard knows
	told         uint64 // the same, as last reported
}

// Take implements route.Tap, on the original's shard.
func (r *replica) Take(p *route.Packet) { r.cross.put(&transfer{replica: r, packet: *p}) }

// Skip implements route.Tap.
func (r *replica) Skip(p *route.Packet) {
	t := transfer{replica: r, packet: *p, skip: true}
	t.packet.Buf = nil
	r.cross.put(&t)
}

// Demand is the rate that the subscriptions can take, in bit/s.
func (r *replica) Demand() uint64 { return r.demand }

// Changed implements route.Tap.
func (r *replica) Changed(t *route.Track) {
	kind, rate, sim, svc, enc, keep := t.Kind, t.ClockRate, t.Simulcast, t.SVC, t.Encrypted, t.Keep
	r.cross.to.Post(func(mono.Time) {
		r.track.Kind, r.track.ClockRate = kind, rate
		r.track.Simulcast, r.track.SVC, r.track.Encrypted, r.track.Keep = sim, svc, enc, keep
	})
}

// Ended implements route.Tap. Packets that crossed before it are forwarded first.
func (r *replica) Ended() {
	r.cross.from.withdraw(r)
	to := r.cross.to
	to.Post(func(mono.Time) {
		to.receiveFrom(r.cross, r.cross.ring.Waiting())
		to.forwardOne(r.track)
		to.giveUp(r)
	})
}

func (c *crossing) put(t *transfer) {
	if c.ring.Full() {
		c.from.drop(media.DropCrossing)
		return
	}
	if t.packet.Buf != nil {
		t.packet.Buf.Retain()
	}
	c.ring.Put(t)
	c.fresh = true
}

// crossingTo returns the crossing to another shard, which is made with its first
// use.
func (s *Shard) crossingTo(to *Shard) *crossing {
	for _, c := range s.outbound {
		if c.to == to {
			return c
		}
	}
	c := &crossing{from: s, to: to}
	c.ring.Make(crossingSize)
	s.outbound = append(s.outbound, c)
	to.Post(func(mono.Time) { to.inbound = append(to.inbound, c) })
	return c
}

// wakeOthers wakes the other shards for which packets wait.
func (s *Shard) wakeOthers() {
	for _, c := range s.outbound {
		if c.fresh {
			c.fresh = false
			c.to.sock.Wake()
		}
	}
}

// receive takes the packets from other shards.
func (s *Shard) receive() {
	for _, c := range s.inbound {
		s.receiveFrom(c, min(c.ring.Waiting(), maxTransfers))
	}
}

// receiveFrom takes the first n of one crossing.
func (s *Shard) receiveFrom(c *crossing, n uint64) {
	for range n {
		s.arrive(c.ring.Front())
		c.ring.Shift()
	}
}

func (s *Shard) arrive(t *transfer) {
	r := t.replica
	defer s.guardTrack(r.track)
	switch {
	case r.gone:
		if t.packet.Buf != nil {
			t.packet.Buf.Release()
		}
	case t.skip:
		r.track.Skip(s.now, &t.packet)
	case r.track.Push(t.packet):
		s.dirty = append(s.dirty, r.track)
	}
}

// Subscribe makes a track of this shard, on which it runs, available on another
// one; found gets the track to attach to, on that shard.
func (s *Shard) Subscribe(t *route.Track, to *Shard, found func(now mono.Time, t *route.Track)) {
	r := s.replicaFor(t, to)
	r.handed++
	kept := t.Start()
	ok := to.Post(func(now mono.Time) {
		if r.came++; r.came == 1 || r.gone {
			r.gone = false
			to.replicas = append(to.replicas, r)
			r.track.Seed(kept)
		} else {
			kept.Release()
		}
		found(now, r.track)
	})
	if !ok {
		kept.Release()
	}
}

// replicaFor returns the replica of a track on another shard.
func (s *Shard) replicaFor(t *route.Track, to *Shard) *replica {
	for _, r := range s.exports {
		if r.original == t && r.cross.to == to {
			return r
		}
	}
	r := &replica{original: t, cross: s.crossingTo(to)}
	r.track = &route.Track{
		Kind: t.Kind, ClockRate: t.ClockRate, Simulcast: t.Simulcast, SVC: t.SVC, Encrypted: t.Encrypted,
		Keep: t.Keep, Replica: true,
		Keyframe: func(now mono.Time) {
			if r.keyframeAt != 0 && now-r.keyframeAt < crossKeyframe {
				return
			}
			r.keyframeAt = now
			s.Post(func(now mono.Time) { t.RequestKeyframe(now) })
		},
	}
	if t.Ask != nil {
		r.track.Ask = func(mono.Time) {
			d := r.track.Demand()
			if d == r.told {
				return
			}
			r.told = d
			s.Post(func(now mono.Time) {
				r.demand = d
				t.Demanded(now)
			})
		}
	}
	r.track.Await()
	t.AddTap(r)
	s.exports = append(s.exports, r)
	return r
}

// sweep gives up replicas that nobody is subscribed to, and lets the others
// forget old packets.
func (s *Shard) sweep() {
	if s.now < s.nextSweep {
		return
	}
	s.nextSweep = s.now + sweepInterval
	for _, r := range append([]*replica(nil), s.replicas...) {
		if r.track.Subscriptions() > 0 {
			r.track.Expire(s.now)
			r.track.Demanded(s.now)
			continue
		}
		s.giveUp(r)
		seen := r.came
		r.cross.from.Post(func(mono.Time) {
			if r.handed == seen { // else a subscription is on its way
				r.cross.from.withdraw(r)
			}
		})
	}
}

// giveUp forgets a replica on the shard that it is for.
func (s *Shard) giveUp(r *replica) {
	r.gone = true
	r.track.Close()
	for i := range s.replicas {
		if s.replicas[i] == r {
			s.replicas = append(s.replicas[:i], s.replicas[i+1:]...)
			break
		}
	}
}

// withdraw forgets a replica on the shard that it is of.
func (s *Shard) withdraw(r *replica) {
	r.original.RemoveTap(r)
	for i := range s.exports {
		if s.exports[i] == r {
			s.exports = append(s.exports[:i], s.exports[i+1:]...)
			return
		}
	}
}

// releaseCrossings gives back the packets in the rings to this shard. The
// producers have ended by then, or will find nobody to wake.
func (s *Shard) releaseCrossings() {
	for _, c := range s.inbound {
		for c.ring.Waiting() > 0 {
			if b := c.ring.Front().packet.Buf; b != nil {
				b.Release()
			}
			c.ring.Shift()
		}
	}
	for _, r := range s.replicas {
		r.gone = true
		r.track.Close()
	}
	s.replicas = nil
}
