package codec

import "math/bits"

// mungerWindow is how many pictures back the munger still maps late packets.
const mungerWindow = 64

// VP8Munger renumbers the VP8 descriptors that one receiver gets, so that
// picture IDs and TL0PICIDX run on over switches between encodings and over
// pictures left out by temporal selection (RFC 7741, section 4.2). A receiver
// takes a gap in the picture IDs for loss, so pictures left out leave none;
// pictures lost on the way here keep theirs. The zero value is ready for use.
//
// Within an encoding the number of a picture depends on nothing but how many
// pictures before it were left out, which is kept for the last 64 pictures:
// late packets get the number that was meant for them.
type VP8Munger struct {
	dropped uint64 // bit n: picture high-n was left out
	high    uint16 // newest picture ID of the source
	out     uint16 // number of the newest picture up to high not left out
	span    uint8  // pictures from the first of this encoding to high, capped
	bits    uint8  // width of the source's picture IDs
	tl0Off  uint8  // outgoing minus source TL0PICIDX
	tl0     uint8  // TL0PICIDX that goes with out
	based   bool   // high, out and span are those of the current encoding
	tl0On   bool   // tl0Off is that of the current encoding
}

// Switch says that the next packet to Map comes from another encoding, or
// from the same one after a break. That packet begins a new picture, which
// gets the number behind the last one.
func (m *VP8Munger) Switch() { m.based, m.tl0On = false, false }

// Adopt makes the numbers of a new munger begin with those of d: packets then
// need no change before the first switch.
func (m *VP8Munger) Adopt(d *VP8) { m.out, m.tl0 = d.PictureID-1, d.TL0PICIDX-1 }

// Map returns the outgoing picture ID, as wide as the incoming one, and
// TL0PICIDX for a packet that is forwarded. A field that d lacks comes out as
// 0. It returns false for a packet that has no place in the outgoing stream
// and must not be sent: of a picture before the switch, or left out before.
func (m *VP8Munger) Map(d *VP8) (pictureID uint16, tl0 uint8, ok bool) {
	newest := true
	if d.HasPictureID {
		if pictureID, newest, ok = m.mapPictureID(d); !ok {
			return 0, 0, false
		}
	}
	if d.HasTL0 {
		tl0 = m.mapTL0(d.TL0PICIDX, newest)
	}
	return pictureID, tl0, true
}

// Drop says that the picture of this packet is left out by choice. It does
// nothing for a picture of which packets went out, or that is older than one
// that did.
func (m *VP8Munger) Drop(d *VP8) {
	if !d.HasPictureID || !m.based || d.PictureIDBits != m.bits {
		return
	}
	if n := m.ahead(d.PictureID); n > 0 && n < mungerWindow {
		m.advance(d.PictureID, n)
		m.out--
		m.dropped |= 1
	}
}

func (m *VP8Munger) mapPictureID(d *VP8) (pid uint16, newest, ok bool) {
	mask := uint16(1)<<d.PictureIDBits - 1
	n := 0
	if m.based && d.PictureIDBits == m.bits {
		n = m.ahead(d.PictureID)
	} else {
		m.based = false
	}
	// Picture IDs that leap far are a source that started again; it does so
	// with the start of a picture, a leftover of long ago need not.
	if n <= -mungerWindow && !(d.S && d.PID == 0) {
		return 0, false, false
	}
	if !m.based || n >= mungerWindow || n <= -mungerWindow {
		m.out++
		m.high, m.bits, m.span, m.dropped, m.based = d.PictureID, d.PictureIDBits, 0, 0, true
		m.tl0On = false
		return m.out & mask, true, true
	}
	if n > 0 {
		m.advance(d.PictureID, n)
		return m.out & mask, true, true
	}
	back := uint(-n)
	if int(back) > int(m.span) || m.dropped>>back&1 != 0 {
		return 0, false, false
	}
	sent := int(back) - bits.OnesCount64(m.dropped&(1<<back-1))
	return (m.out - uint16(sent)) & mask, n == 0, true
}

// ahead returns how many pictures pid lies after high, negative when before.
func (m *VP8Munger) ahead(pid uint16) int {
	shift := 16 - m.bits
	return int(int16((pid-m.high)<<shift) >> shift)
}

// advance makes pid, n pictures on, the newest one.
func (m *VP8Munger) advance(pid uint16, n int) {
	m.high = pid
	m.out += uint16(n)
	m.dropped <<= uint(n)
	m.span = uint8(min(int(m.span)+n, mungerWindow-1))
}

func (m *VP8Munger) mapTL0(idx uint8, newest bool) uint8 {
	if !m.tl0On {
		m.tl0Off = m.tl0 + 1 - idx
		m.tl0On = true
	}
	idx += m.tl0Off
	if newest || int8(idx-m.tl0) > 0 {
		m.tl0 = idx
	}
	return idx
}
