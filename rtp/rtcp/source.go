package rtcp

// ItemCNAME is the SDES item type of canonical names (RFC 3550, 6.5.1).
const ItemCNAME = 1

// maxItemLen is the highest length of an SDES item or BYE reason.
const maxItemLen = 255

// Items iterates over the items of all chunks of an SDES packet.
type Items struct {
	SSRC uint32 // of the chunk that the item belongs to
	Type uint8
	Text []byte // part of the packet; not necessarily UTF-8

	rest   []byte // from the next item or chunk on
	chunks int    // not yet begun
	inside bool   // rest starts inside a chunk
	off    int    // of rest within the packet's body, for alignment
}

// SDES returns an iterator over the items of an SDES packet; it is empty for
// others. Malformed items end the iteration.
func (p *Packet) SDES() Items {
	if p.Type != TypeSDES {
		return Items{}
	}
	return Items{rest: p.Body, chunks: int(p.Count)}
}

// Next moves to the next item and reports whether there is one.
func (it *Items) Next() bool {
	for {
		if !it.inside {
			if it.chunks == 0 || len(it.rest) < 4 {
				return false
			}
			it.SSRC = get32(it.rest)
			it.skip(4)
			it.chunks--
			it.inside = true
		}
		if len(it.rest) == 0 {
			return false
		}
		if it.rest[0] == 0 { // end of chunk, padded to 32 bits
			it.skip(min(4-it.off%4, len(it.rest)))
			it.inside = false
			continue
		}
		if len(it.rest) < 2 || len(it.rest) < 2+int(it.rest[1]) {
			it.rest = nil
			return false
		}
		n := int(it.rest[1])
		it.Type, it.Text = it.rest[0], it.rest[2:2+n:2+n]
		it.skip(2 + n)
		return true
	}
}

func (it *Items) skip(n int) {
	it.rest = it.rest[n:]
	it.off += n
}

// AppendCNAME appends an SDES packet with one chunk of one CNAME item. A name
// beyond 255 bytes is cut.
func AppendCNAME(dst []byte, ssrc uint32, cname string) []byte {
	start := len(dst)
	cname = cname[:min(len(cname), maxItemLen)]
	dst = open(dst, TypeSDES, 1)
	dst = put32(dst, ssrc)
	dst = append(dst, ItemCNAME, byte(len(cname)))
	dst = append(dst, cname...)
	dst = append(dst, 0)
	return shut(align(dst, start), start)
}

// Bye is a view of a BYE packet (RFC 3550, 6.6).
type Bye struct {
	Reason []byte // part of the packet; nil if none is given
	ssrcs  []byte
}

// Bye reads p as a BYE. ok is false if it is none or shorter than its count.
func (p *Packet) Bye() (y Bye, ok bool) {
	n := 4 * int(p.Count)
	if p.Type != TypeBYE || len(p.Body) < n {
		return y, false
	}
	y.ssrcs = p.Body[:n]
	if r := p.Body[n:]; len(r) > 0 && len(r) > int(r[0]) {
		y.Reason = r[1 : 1+int(r[0])]
	}
	return y, true
}

// Len returns the number of sources that leave.
func (y *Bye) Len() int { return len(y.ssrcs) / 4 }

// SSRC returns the i-th source that leaves, 0 <= i < Len.
func (y *Bye) SSRC(i int) uint32 { return get32(y.ssrcs[4*i:]) }

// AppendBye appends a BYE for one source. The reason may be empty; beyond 255
// bytes it is cut.
func AppendBye(dst []byte, ssrc uint32, reason string) []byte {
	start := len(dst)
	dst = open(dst, TypeBYE, 1)
	dst = put32(dst, ssrc)
	if reason != "" {
		reason = reason[:min(len(reason), maxItemLen)]
		dst = append(dst, byte(len(reason)))
		dst = append(dst, reason...)
	}
	return shut(align(dst, start), start)
}

// App is a view of an application-defined packet (RFC 3550, 6.7).
type App struct {
	Subtype uint8
	SSRC    uint32
	Name    [4]byte
	Data    []byte // part of the packet
}

// App reads p as an APP packet. ok is false if it is none or too short.
func (p *Packet) App() (a App, ok bool) {
	if p.Type != TypeAPP || len(p.Body) < 8 {
		return a, false
	}
	return App{Subtype: p.Count, SSRC: get32(p.Body), Name: [4]byte(p.Body[4:8]), Data: p.Body[8:]}, true
}

// AppendApp appends an APP packet; its data is filled up with zeros to a
// multiple of 4 bytes.
func AppendApp(dst []byte, a *App) []byte {
	start := len(dst)
	dst = open(dst, TypeAPP, a.Subtype&0x1f)
	dst = put32(dst, a.SSRC)
	dst = append(dst, a.Name[:]...)
	dst = append(dst, a.Data...)
	return shut(align(dst, start), start)
}

// align fills the packet starting at start up to a multiple of 4 bytes.
func align(dst []byte, start int) []byte {
	for (len(dst)-start)%4 != 0 {
		dst = append(dst, 0)
	}
	return dst
}
