package shard

import (
	"net/netip"

	"bifrons/ice"
	"bifrons/ice/netio"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
	"bifrons/sfu/plain"
)

// A Way is a socket that one leg has for itself, as the leg sends by it. Two of one
// shard whose sockets send to each other may be joined: then their datagrams do not go
// through the kernel. It belongs to the loop.
type Way struct {
	legLoop
	sock   Socket
	stay   *Stay
	handle func(now mono.Time, m *netio.Message, b *pktbuf.Buf) bool

	other   *Way           // nil: not joined
	address netip.AddrPort // that the leg sends to other at
	origin  netip.AddrPort // that other's leg knows this socket by
	room    *pktbuf.Buf    // that Reserve lent while joined
}

var _ plain.Loop = (*Way)(nil)

// maxNear bounds the datagrams that wait to be handed from one leg to another.
const maxNear = 4096

// near is a datagram from one leg to another of this shard.
type near struct {
	to   *Way
	from netip.AddrPort
	buf  *pktbuf.Buf
}

// NewWay makes a Way of the leg with that Stay. handle takes datagrams from another leg,
// as that of NewInbox does. FlushLegs has to come before the socket is closed, and Part.
func (s *Shard) NewWay(sock Socket, stay *Stay, handle func(now mono.Time, m *netio.Message, b *pktbuf.Buf) bool) *Way {
	return &Way{legLoop: legLoop{s}, sock: sock, stay: stay, handle: handle}
}

// Join joins two ways: a's leg sends to b at toB, and b's to a at toA.
func Join(a, b *Way, toB, toA netip.AddrPort) {
	a.Part()
	b.Part()
	a.other, a.address, a.origin = b, toB, toA
	b.other, b.address, b.origin = a, toA, toB
}

// Part ends that. Datagrams that are under way still arrive.
func (w *Way) Part() {
	if o := w.other; o != nil {
		w.other, o.other = nil, nil
		w.giveBack()
		o.giveBack()
	}
}

func (w *Way) giveBack() {
	if w.room != nil {
		w.room.Release()
		w.room = nil
	}
}

// Joined reports whether it is joined.
func (w *Way) Joined() bool { return w.other != nil }

// Reserve implements plain.Loop. Packets for the other way are written in place.
func (w *Way) Reserve() []byte {
	if w.other != nil && w.room == nil {
		w.room = w.buffer()
	}
	if w.room != nil {
		return w.room.B
	}
	return w.legs().reserve()
}

// Commit implements plain.Loop.
func (w *Way) Commit(to netip.AddrPort, n int) {
	s, b := w.Shard, w.room
	switch {
	case b == nil: // there was none, or nobody to give it to
		w.plain.commitBy(w, ice.Path{Remote: to}, n)
	case to != w.address:
		copy(w.legs().reserve(), b.B[:n])
		w.plain.commitBy(w, ice.Path{Remote: to}, n)
	case len(s.nearby) >= maxNear:
		s.drop(media.DropSendQueue)
	default:
		b.N = n
		s.nearby = append(s.nearby, near{w.other, w.origin, b})
		w.room = nil
	}
}

// exchange hands the datagrams from one leg to another over. Packets they send then wait
// for the next time.
func (s *Shard) exchange() {
	if len(s.nearby) == 0 {
		return
	}
	list := s.nearby
	s.nearby = s.spareNearby[:0]
	for i := range list {
		s.hand(&list[i])
	}
	clear(list)
	s.spareNearby = list[:0]
}

func (s *Shard) hand(d *near) {
	defer d.to.stay.guard()
	if d.to.stay.over {
		s.drop(media.DropPeerClosed)
		d.buf.Release()
		return
	}
	s.nearMessage = netio.Message{Remote: d.from, N: d.buf.N}
	if !d.to.handle(s.now, &s.nearMessage, d.buf) {
		d.buf.Release()
	}
}

// releaseNearby gives up datagrams that were not handed over.
func (s *Shard) releaseNearby() {
	for i := range s.nearby {
		s.nearby[i].buf.Release()
	}
	s.nearby = nil
}
