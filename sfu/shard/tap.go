package shard

import (
	"context"
	"sync/atomic"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// tapSize is how many packets wait for a tap's consumer at most: a second of
// video at 6 Mbit/s.
const tapSize = 512

// Tap hands the packets of a track to a goroutine outside of the shard, such as
// that of a recorder or mixer. The shard never waits for it: what it is behind
// with is lost and counted. Next and Close are for one goroutine, the consumer.
type Tap struct {
	shard    *Shard
	encoding int
	ring     ring[route.Packet]
	wake     chan struct{}
	lost     atomic.Uint64
	over     atomic.Bool // nothing will be put in any more

	track *route.Track // touched by the shard only
}

// NewTap makes a Tap for one encoding of a track, -1 = all; Attach connects it.
func (s *Shard) NewTap(encoding int) *Tap {
	return &Tap{
		shard: s, encoding: encoding, wake: make(chan struct{}, 1),
		ring: ring[route.Packet]{slots: make([]route.Packet, tapSize)},
	}
}

// Attach makes it take all further packets of a track; with nil it ends. It
// belongs to the loop.
func (t *Tap) Attach(track *route.Track) {
	switch {
	case track == nil:
		t.Ended()
	case !t.over.Load():
		t.track = track
		track.AddTap(t)
	}
}

// Take implements route.Tap.
func (t *Tap) Take(p *route.Packet) {
	if t.encoding >= 0 && int(p.Encoding) != t.encoding {
		return
	}
	if t.ring.full() {
		t.lost.Add(1)
		t.shard.drop(media.DropTap)
		return
	}
	p.Buf.Retain()
	t.ring.put(p)
	t.rouse()
}

// rouse wakes the consumer, which may be awake.
func (t *Tap) rouse() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Skip implements route.Tap: a number that carries nothing is a gap.
func (t *Tap) Skip(*route.Packet) {}

// Changed implements route.Tap.
func (t *Tap) Changed(*route.Track) {}

// Ended implements route.Tap.
func (t *Tap) Ended() {
	t.track = nil
	t.over.Store(true)
	t.rouse()
}

// Next waits for the next packet, in order of arrival. The caller takes it, with
// one reference to its buffer to release; others read the same buffer. ok is false
// when the track has ended and all of it was taken, or when ctx is done.
func (t *Tap) Next(ctx context.Context) (p route.Packet, ok bool) {
	for {
		over := t.over.Load() // before the look at the ring: what is in it comes first
		if t.ring.waiting() > 0 {
			p = *t.ring.front()
			t.ring.shift()
			return p, true
		}
		if over {
			return p, false
		}
		select {
		case <-t.wake:
		case <-ctx.Done():
			return p, false
		}
	}
}

// Lost is how many packets there was no room for, from any goroutine.
func (t *Tap) Lost() uint64 { return t.lost.Load() }

// Close ends it and gives back what was not taken. It waits for the shard.
func (t *Tap) Close() {
	t.shard.Call(func(mono.Time) {
		if t.track != nil {
			t.track.RemoveTap(t)
		}
		t.Ended()
	})
	for t.ring.waiting() > 0 {
		t.ring.front().Buf.Release()
		t.ring.shift()
	}
}
