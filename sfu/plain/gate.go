package plain

import (
	"net/netip"

	"bifrons/dtls/srtp"
	"bifrons/rtp"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
)

// gate is one of the two addresses of a far end: where packets go to, and the only
// one that they are taken from.
type gate struct {
	signalled netip.AddrPort
	to        netip.AddrPort // signalled, or where it latched on
	latch     bool           // it may still do so
	net       netip.Prefix   // that it may do so in, without SRTP
	taken     bool           // something of the far end was taken
}

// signal takes the signalled address. Only another address opens a gate again.
func (g *gate) signal(a netip.AddrPort, r *Remote) {
	g.net = r.LatchNet
	if a == g.signalled {
		g.latch = r.Latch && !g.taken
		return
	}
	*g = gate{signalled: a, to: a, latch: r.Latch, net: r.LatchNet}
}

// admits reports whether packets from an address are the far end's.
func (g *gate) admits(from netip.AddrPort) bool { return from == g.to && from.IsValid() }

// open reports whether the gate may latch on an address, if the packet is authentic.
func (g *gate) open(from netip.AddrPort, authentic bool) bool {
	return g.latch && !g.taken && g.to.IsValid() && (authentic || g.net.IsValid() && g.net.Contains(from.Addr()))
}

// take takes note of a packet of the far end, whose address that is from now on.
func (g *gate) take(from netip.AddrPort) { g.to, g.taken, g.latch = from, true, false }

// latched is where the gate latched on, invalid if it did not.
func (g *gate) latched() netip.AddrPort {
	if g.to == g.signalled {
		return netip.AddrPort{}
	}
	return g.to
}

// strangers are packets that did not come from the far end's address.
type strangers struct {
	packets uint64
	latest  netip.AddrPort
}

func (s *Session) refuse(from netip.AddrPort) {
	s.strange.packets++
	s.strange.latest = from
	s.drop(media.DropUnknownPeer)
}

// latchRTP decides on a packet from an address that was not signalled. One that
// opens the gate has a payload type that was negotiated and, with SRTP, is authentic.
func (s *Session) latchRTP(from netip.AddrPort, b *pktbuf.Buf) bool {
	secure := s.remote.Opener != nil
	if !s.rtp.open(from, secure) {
		return false
	}
	var h rtp.Header
	if rtp.Classify(b.Bytes()) != rtp.ClassRTP || h.Parse(b.Bytes()) != nil || s.in.tracks[0].payloads[h.PayloadType] == 0 {
		return false
	}
	if secure && !s.authentic(&h, b) {
		return false
	}
	s.rtp.take(from)
	return true
}

// authentic reports whether an SRTP packet is, and changes neither it nor the state
// of its SSRC.
func (s *Session) authentic(h *rtp.Header, b *pktbuf.Buf) bool {
	try := s.loop.Buffer()
	if try == nil {
		return false
	}
	defer try.Release()
	try.N = copy(try.B, b.Bytes())
	s.in.fresh = srtp.StreamState{}
	if c := s.in.tracks[0].lanes[0].srtp.find(h.SSRC); c != nil && !c.renewed {
		s.in.fresh = c.state
	}
	_, err := s.remote.Opener.OpenRTP(&s.in.fresh, try.Bytes(), h.HeaderLen)
	return err == nil
}
