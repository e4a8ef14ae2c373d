package shard

import (
	"net/netip"

	"bifrons/ice"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
)

// A Link is a way to one peer besides the UDP socket: a TCP connection, or an
// allocation on a TURN server. Its methods are called on the loop and must not
// block.
type Link interface {
	// Send queues a copy of the datagram b for remote. It reports false if
	// there is no room.
	Send(remote netip.AddrPort, b []byte) bool
	// Close ends the link; nothing more is asked of it.
	Close()
}

// maxLinks bounds the links of one peer.
const maxLinks = 16

// linkEnd is a link with the peer that it belongs to.
type linkEnd struct {
	link Link
	mb   *member
}

// AddLink makes l a link of the peer, for paths with the id that it returns. It
// returns 0 if the peer is gone or has too many; l is not closed then.
func (s *Shard) AddLink(p *peer.Peer, l Link) (id uint32) {
	if mb := s.peers[p]; mb != nil {
		return s.addLink(mb, l)
	}
	return 0
}

func (s *Shard) addLink(mb *member, l Link) (id uint32) {
	if len(mb.links) >= maxLinks {
		return 0
	}
	for s.lastLink++; s.lastLink == 0 || s.links[s.lastLink].mb != nil; {
		s.lastLink++
	}
	s.links[s.lastLink] = linkEnd{l, mb}
	mb.links = append(mb.links, s.lastLink)
	return s.lastLink
}

// Accept makes l a link of the peer that b, a connectivity check that came by
// it, names and is authentic for. It returns 0 if there is none, or if it has
// too many; l is not closed then.
func (s *Shard) Accept(local netip.Addr, remote netip.AddrPort, b []byte, l Link) (id uint32) {
	ufrag, _, ok := ice.STUNUsername(b)
	mb := s.byUfrag[string(ufrag)]
	switch {
	case !ok:
		s.drop(media.DropSTUNMalformed)
		return 0
	case mb == nil:
		s.drop(media.DropSTUNUsername)
		return 0
	}
	if id = s.addLink(mb, l); id == 0 {
		s.drop(media.DropLinkLimit)
		return 0
	}
	defer s.guard(mb)
	ok = mb.peer.HandleSTUN(s.now, ice.Path{Local: local, Remote: remote, Link: id}, b)
	s.settle(mb)
	if !ok && !mb.gone {
		s.forgetLink(id)
		id = 0
	}
	return id
}

// FromLink takes a datagram that arrived over a link; it reports whether it kept the
// buffer.
func (s *Shard) FromLink(now mono.Time, path ice.Path, b *pktbuf.Buf) (kept bool) {
	mb := s.links[path.Link].mb
	if mb == nil {
		s.drop(media.DropLinkGone)
		return false
	}
	s.packets.Add(1)
	defer s.guard(mb)
	kept = mb.peer.HandleDatagram(now, path, b)
	s.settle(mb)
	return kept
}

// RemoveLink reports that a link has ended by itself. It is not closed.
func (s *Shard) RemoveLink(id uint32) {
	mb := s.forgetLink(id)
	if mb == nil {
		return
	}
	defer s.guard(mb)
	mb.peer.LinkDown(s.now, id)
	s.settle(mb)
}

// HasLinks reports whether the peer has links.
func (s *Shard) HasLinks(p *peer.Peer) bool {
	mb := s.peers[p]
	return mb != nil && len(mb.links) > 0
}

// CountDrop counts a packet that went no further, from any goroutine.
func (s *Shard) CountDrop(d media.Drop) { s.drop(d) }

// CloseLinks closes all links of a peer that has ended. Until then they carry
// its last DTLS alert.
func (s *Shard) CloseLinks(p *peer.Peer) {
	mb := s.parting[p]
	if mb == nil {
		return
	}
	delete(s.parting, p)
	for _, id := range mb.links {
		s.links[id].link.Close()
		delete(s.links, id)
	}
	mb.links = nil
}

func (s *Shard) forgetLink(id uint32) *member {
	mb := s.links[id].mb
	if mb == nil {
		return nil
	}
	delete(s.links, id)
	for i := range mb.links {
		if mb.links[i] == id {
			mb.links = append(mb.links[:i], mb.links[i+1:]...)
			break
		}
	}
	return mb
}

// divert sends a datagram whose path is not the socket's.
func (s *Shard) divert(path ice.Path, b []byte) {
	switch l := s.links[path.Link].link; {
	case l == nil:
		s.drop(media.DropLinkGone)
	case !l.Send(path.Remote, b):
		s.drop(media.DropLinkQueue)
	}
}
