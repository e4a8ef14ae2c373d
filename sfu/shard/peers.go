package shard

import (
	"time"

	"bifrons/dtls"
	"bifrons/ice"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/route"
)

// Host is a peer's connection to the world outside the loop. Its methods are called on
// the loop and must not block.
type Host interface {
	// StartDTLS starts an association; its callbacks come back by Post.
	StartDTLS(role dtls.Role, remote dtls.Fingerprints) peer.DTLS
	// Emit passes an event on.
	Emit(ev peer.Event)
}

// peerLoop is the shard as one peer sees it.
type peerLoop struct {
	*Shard
	host   Host
	member *member
}

var _ peer.Loop = peerLoop{}

func (p peerLoop) Reserve() []byte             { return p.out.reserve() }
func (p peerLoop) Commit(path ice.Path, n int) { p.out.commit(path, n) }
func (p peerLoop) Flush(t *route.Track)        { p.dirty = append(p.dirty, t) }
func (p peerLoop) Forward(t *route.Track)      { p.forwardOne(t) }
func (p peerLoop) Drop(d media.Drop)           { p.drop(d) }
func (p peerLoop) Emit(ev peer.Event)          { p.host.Emit(ev) }
func (p peerLoop) Wake(at mono.Time) {
	if !p.member.gone && at < p.member.timer.At() {
		p.timers.Set(&p.member.timer, at)
	}
}
func (p peerLoop) Random(b []byte) { p.cfg.Random(b) }
func (p peerLoop) StartDTLS(role dtls.Role, remote dtls.Fingerprints) peer.DTLS {
	return p.host.StartDTLS(role, remote)
}

// Add makes a peer that lives on this shard. It returns nil if the user
// fragment is taken.
func (s *Shard) Add(cfg peer.Config, host Host) *peer.Peer {
	if s.byUfrag[cfg.ICE.Ufrag] != nil {
		return nil
	}
	m := &member{ufrag: cfg.ICE.Ufrag}
	cfg.Options, cfg.Loop = s.cfg.Options, peerLoop{s, host, m}
	for s.lastKey++; s.lastKey == 0 || s.byKey[s.lastKey] != nil; {
		s.lastKey++
	}
	cfg.Key = s.lastKey
	cfg.Scratch = &s.scratch
	p := peer.New(cfg)
	m.peer, m.key, m.timer.Of = p, cfg.Key, m
	s.byKey[m.key] = m
	s.peers[p] = m
	s.byUfrag[m.ufrag] = m
	s.load.Store(int64(len(s.peers)))
	s.timers.Set(&m.timer, p.Deadline())
	return p
}

// Rename routes checks for a new user fragment to the peer, after an ICE
// restart. The one before stays valid: the remote continues with it until it has
// a path with the new one (RFC 8445, 2.4).
func (s *Shard) Rename(p *peer.Peer, ufrag string) {
	m := s.peers[p]
	if m == nil || s.byUfrag[ufrag] != nil {
		return
	}
	if m.oldUfrag != "" {
		delete(s.byUfrag, m.oldUfrag)
	}
	m.oldUfrag, m.ufrag = m.ufrag, ufrag
	s.byUfrag[ufrag] = m
}

// Touch has to follow every command that was given to a peer.
func (s *Shard) Touch(p *peer.Peer) {
	if m := s.peers[p]; m != nil {
		s.settle(m)
	}
}

// Remove forgets a peer. It is closed by then.
func (s *Shard) Remove(p *peer.Peer) {
	m := s.peers[p]
	if m == nil {
		return
	}
	m.gone = true
	n := p.Counters()
	s.ended.Add(&n)
	s.timers.Remove(&m.timer)
	delete(s.peers, p)
	delete(s.byUfrag, m.ufrag)
	delete(s.byUfrag, m.oldUfrag)
	delete(s.byKey, m.key)
	for _, a := range m.addrs {
		delete(s.byAddr, a)
	}
	if len(m.links) > 0 {
		s.parting[p] = m
	}
	s.load.Store(int64(len(s.peers)))
}

// Post runs c on the loop, after earlier posts. It may be called from
// any goroutine and reports false when the shard has ended.
func (s *Shard) Post(c func(now mono.Time)) bool {
	wake, ok := s.box.post(c)
	if wake {
		s.sock.Wake()
	}
	return ok
}

// Call is Post and waits for the end of c.
func (s *Shard) Call(c func(now mono.Time)) bool {
	done := make(chan struct{})
	if !s.Post(func(now mono.Time) { defer close(done); c(now) }) {
		return false
	}
	<-done
	return true
}

// Close ends the loop and all its peers, and waits for that.
func (s *Shard) Close() {
	s.Post(func(mono.Time) { s.closing = true })
	<-s.done
}

// Load is the number of peers on the shard.
func (s *Shard) Load() int { return int(s.load.Load()) }

// Stats are the shard's counts since its start.
type Stats struct {
	Peers, Passes, Packets uint64
	Busy                   time.Duration // of passes; receiving is not in it
	Drops                  [media.NumDrops]uint64
}

// Stats returns the counts; from any goroutine.
func (s *Shard) Stats() Stats {
	st := Stats{Peers: uint64(s.load.Load()), Passes: s.passes.Load(), Packets: s.packets.Load(), Busy: time.Duration(s.busy.Load())}
	for i := range s.drops {
		st.Drops[i] = s.drops[i].Load()
	}
	return st
}

// Outstanding is the number of buffers in use, the receive slots not counted.
// It belongs to the loop, or to whoever waited for its end.
func (s *Shard) Outstanding() int {
	n := s.pool.Outstanding()
	for _, b := range s.bufs {
		if b != nil {
			n--
		}
	}
	return n
}
