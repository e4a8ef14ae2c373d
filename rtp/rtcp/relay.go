package rtcp

import "encoding/binary"

// RewriteSSRC sets the SSRCs of a feedback packet that is passed on from one
// stream to another, in place: the sender, the media source, and the streams
// named inside FIR and REMB. The media source of FIR and REMB is 0 as their
// definitions want. Other packets are left alone, and false is returned.
func (p *Packet) RewriteSSRC(e Ends) bool {
	f, ok := p.Feedback()
	if !ok {
		return false
	}
	target := e.Media
	if remb, ok := f.REMB(); ok {
		target = 0
		for i := range remb.Len() {
			binary.BigEndian.PutUint32(remb.ssrcs[4*i:], e.Media)
		}
	}
	if f.IsFIR() {
		target = 0
		for i := range f.FIRLen() {
			binary.BigEndian.PutUint32(f.FCI[i*firEntryLen:], e.Media)
		}
	}
	binary.BigEndian.PutUint32(p.Body, e.Sender)
	binary.BigEndian.PutUint32(p.Body[4:], target)
	return true
}

// AppendRelayed appends those packets of the compound b that may be passed on
// to another peer, with their SSRCs rewritten: PSFB and RTPFB other than NACK
// and TWCC as in RewriteSSRC, BYE and APP with the sender as their source. Reports,
// SDES, XR, NACK and TWCC belong to one hop and are left out, as is everything
// from the first malformed packet on. b is not changed.
func AppendRelayed(dst, b []byte, e Ends) []byte {
	for it := Parse(b); it.Next(); {
		if !relayed(&it.Packet) {
			continue
		}
		start := len(dst)
		dst = open(dst, it.Type, it.Count)
		dst = append(dst, it.Body...) // without padding, which only a last packet may have
		shut(dst, start)
		p, _, _ := split(dst[start:])
		if !p.setSource(e.Sender) && !p.RewriteSSRC(e) {
			dst = dst[:start]
		}
	}
	return dst
}

// setSource overwrites the sources of a BYE or APP packet.
func (p *Packet) setSource(ssrc uint32) bool {
	n := 1
	switch p.Type {
	case TypeBYE:
		n = int(p.Count)
	case TypeAPP:
	default:
		return false
	}
	if len(p.Body) < 4*n {
		return false
	}
	for i := range n {
		binary.BigEndian.PutUint32(p.Body[4*i:], ssrc)
	}
	return true
}

// relayed reports whether packets like p concern more than one hop.
func relayed(p *Packet) bool {
	switch p.Type {
	case TypeBYE, TypeAPP, TypePSFB:
		return true
	case TypeRTPFB:
		return p.Count != FormatNACK && p.Count != FormatTWCC
	}
	return false
}
