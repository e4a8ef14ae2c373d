package shard

import (
	"runtime/debug"

	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/route"
)

// Do runs a command for a peer. A panic costs that peer.
func (s *Shard) Do(p *peer.Peer, f func()) {
	m := s.peers[p]
	if m == nil {
		m = &member{peer: p, gone: true}
	}
	defer s.guard(m)
	f()
	s.settle(m)
}

// guard turns a panic into the end of one peer.
func (s *Shard) guard(mb *member) {
	r := recover()
	if r == nil {
		return
	}
	s.Panicked("a peer", r)
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("closing that peer panicked too", "panic", r)
			s.Remove(mb.peer)
			s.CloseLinks(mb.peer)
		}
	}()
	mb.peer.Fail(s.now, peer.CauseInternal)
	s.settle(mb)
}

// Panicked counts and logs a panic of something on the shard, which the caller
// has recovered from and ends. It may be called from any goroutine.
func (s *Shard) Panicked(what string, r any) {
	s.drop(media.DropPanic)
	s.log.Error("panic in the engine, its object is closed", "in", what, "panic", r, "stack", string(debug.Stack()))
}

// forwardOne forwards the new packets of a track. A panic ends the track.
func (s *Shard) forwardOne(t *route.Track) {
	defer s.guardTrack(t)
	if t.Awaited() {
		s.awaited()
	}
	t.Flush(s.now)
}

func (s *Shard) guardTrack(t *route.Track) {
	if r := recover(); r != nil {
		s.Panicked("the forwarding of a track", r)
		t.Close()
	}
}
