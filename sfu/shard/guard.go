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
	s.drop(media.DropPeerPanic)
	s.log.Error("peer handler panicked, closing that peer", "panic", r, "stack", stack())
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("closing that peer panicked too", "panic", r)
			s.Remove(mb.peer)
			s.CloseLinks(mb.peer)
		}
	}()
	mb.peer.Close(s.now, "Internal error")
	s.settle(mb)
}

// forwardOne forwards what a track has got. A panic ends the track.
func (s *Shard) forwardOne(t *route.Track) {
	defer func() {
		if r := recover(); r != nil {
			s.drop(media.DropPeerPanic)
			s.log.Error("forwarding panicked, closing that track", "panic", r, "stack", stack())
			t.Close()
		}
	}()
	t.Flush(s.now)
}

func stack() string { return string(debug.Stack()) }
