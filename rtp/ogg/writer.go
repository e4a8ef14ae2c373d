package ogg

import "encoding/binary"

// Writer lays out the pages of one logical bitstream. It holds back a page until it is
// full.
type Writer struct {
	serial    uint32
	number    uint32
	segments  []byte
	body      []byte
	granule   uint64 // of the last packet that ends on the page
	end       uint64 // of the latest packet
	continued bool   // the page begins within a packet
}

const (
	flagLast  = 1 << 2
	noGranule = ^uint64(0) // no packet ends on the page
	// pageSize is the size of a page, unless a packet continues on the next.
	pageSize = 4096
)

// NewWriter returns a Writer of the bitstream with a serial number.
func NewWriter(serial uint32) *Writer { return &Writer{serial: serial, granule: noGranule} }

// Packet adds a packet that ends at a granule position, and appends the pages that are
// full.
func (w *Writer) Packet(dst, packet []byte, granule uint64) []byte {
	for {
		n := min(len(packet), 255)
		w.segments = append(w.segments, byte(n))
		w.body = append(w.body, packet[:n]...)
		packet = packet[n:]
		if n < 255 {
			break
		}
		if len(w.segments) == 255 {
			dst = w.page(dst, 0)
			w.continued = true
		}
	}
	w.granule, w.end = granule, granule
	if len(w.segments) == 255 || len(w.body) >= pageSize {
		dst = w.page(dst, 0)
	}
	return dst
}

// Flush appends the page that is not full. The last page of the stream may be empty.
func (w *Writer) Flush(dst []byte, last bool) []byte {
	switch {
	case last:
		w.granule = w.end
		return w.page(dst, flagLast)
	case len(w.segments) > 0:
		return w.page(dst, 0)
	}
	return dst
}

// page appends the page and begins the next.
func (w *Writer) page(dst []byte, flags byte) []byte {
	if w.number == 0 {
		flags |= flagFirst
	}
	if w.continued {
		flags |= flagContinued
	}
	le, at := binary.LittleEndian, len(dst)
	dst = append(dst, "OggS\x00"...)
	dst = append(dst, flags)
	dst = le.AppendUint64(dst, w.granule)
	dst = le.AppendUint32(dst, w.serial)
	dst = le.AppendUint32(dst, w.number)
	dst = append(dst, 0, 0, 0, 0, byte(len(w.segments)))
	dst = append(append(dst, w.segments...), w.body...)
	le.PutUint32(dst[at+22:], crc(0, dst[at:]))
	w.number++
	w.segments, w.body, w.continued = w.segments[:0], w.body[:0], false
	if flags&flagLast == 0 {
		w.granule = noGranule
	}
	return dst
}
