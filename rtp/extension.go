package rtp

import "encoding/binary"

// The "defined by profile" values of RFC 8285. The low four bits of the
// two-byte one are free for applications.
const (
	ProfileOneByte = 0xBEDE
	ProfileTwoByte = 0x1000
)

// Limits of the two forms (RFC 8285, 4.2 and 4.3).
const (
	oneByteMaxID  = 14
	oneByteMaxLen = 16
	maxElementLen = 255
)

// Extension is one header extension element.
type Extension struct {
	ID   uint8
	Data []byte
}

// Extensions iterates over the elements of a header extension:
//
//	for it := h.Extensions(b); it.Next(); {
//		use(it.ID, it.Data)
//	}
//
// Data is part of the packet. Malformed elements end the iteration.
type Extensions struct {
	ID   uint8
	Data []byte

	rest []byte
	two  bool
}

// Extensions returns an iterator over the extension elements of the packet b
// that was parsed into h; it is empty for profiles other than RFC 8285's.
func (h *Header) Extensions(b []byte) Extensions {
	var it Extensions
	end := h.ExtOff + h.ExtLen
	if h.ExtLen <= 0 || h.ExtOff < 0 || len(b) < end {
		return it
	}
	switch {
	case h.ExtProfile == ProfileOneByte:
		it.rest = b[h.ExtOff:end]
	case h.ExtProfile&0xfff0 == ProfileTwoByte:
		it.rest, it.two = b[h.ExtOff:end], true
	}
	return it
}

// Next moves to the next element and reports whether there is one.
func (it *Extensions) Next() bool {
	r := it.rest
	for len(r) > 0 && r[0] == 0 {
		r = r[1:] // padding
	}
	it.rest = nil
	id, start, n := uint8(0), 0, 0
	switch {
	case len(r) == 0:
		return false
	case it.two:
		if len(r) < 2 {
			return false
		}
		id, start, n = r[0], 2, int(r[1])
	default:
		id, start, n = r[0]>>4, 1, int(r[0]&0x0f)+1
		if id == 0 || id == 15 {
			return false // 15 ends processing; 0 with a length is malformed
		}
	}
	if len(r) < start+n {
		return false
	}
	it.ID, it.Data, it.rest = id, r[start:start+n:start+n], r[start+n:]
	return true
}

// FindExtension returns the data of the first element with this id, as part
// of b, and whether there is one.
func (h *Header) FindExtension(b []byte, id uint8) ([]byte, bool) {
	for it := h.Extensions(b); it.Next(); {
		if it.ID == id {
			return it.Data, true
		}
	}
	return nil, false
}

// RenameExtension changes the id of the elements called from to to, in place
// in packet b, as when a repaired-rid becomes a rid after RTX is undone. An id
// that the packet's form cannot express is not set. It reports whether
// anything was changed.
func (h *Header) RenameExtension(b []byte, from, to uint8) bool {
	done := false
	for it := h.Extensions(b); it.Next(); {
		if it.ID != from || to == 0 || (!it.two && to > oneByteMaxID) {
			continue
		}
		at := h.ExtOff + h.ExtLen - len(it.rest) - len(it.Data)
		if it.two {
			b[at-2] = to
		} else {
			b[at-1] = to<<4 | b[at-1]&0x0f
		}
		done = true
	}
	return done
}

// ExtensionWriter appends a header extension block element by element. It
// starts in the one-byte form and moves over to the two-byte form when an
// element needs it: data empty or longer than 16 bytes, or an id above 14.
//
//	w.Reset(packet) // ends after the fixed header
//	w.Add(id, data)
//	packet = w.Finish()
//
// It allocates only if the slice given to Reset lacks capacity.
type ExtensionWriter struct {
	buf   []byte
	start int // offset of the block's 4-byte header
	n     int // elements so far
	two   bool
}

// Reset starts a block at the end of dst. The writer borrows dst until Finish.
func (w *ExtensionWriter) Reset(dst []byte) {
	*w = ExtensionWriter{buf: dst, start: len(dst)}
}

// Add appends one element. It reports false, and adds nothing, if the id is 0
// or data is longer than 255 bytes.
func (w *ExtensionWriter) Add(id uint8, data []byte) bool {
	if !w.open(id, len(data)) {
		return false
	}
	w.buf = append(w.buf, data...)
	return true
}

// AddUint8 appends an element of one byte, as Add.
func (w *ExtensionWriter) AddUint8(id, v uint8) bool {
	if !w.open(id, 1) {
		return false
	}
	w.buf = append(w.buf, v)
	return true
}

// AddUint16 appends a big-endian element of two bytes, as Add.
func (w *ExtensionWriter) AddUint16(id uint8, v uint16) bool {
	if !w.open(id, 2) {
		return false
	}
	w.buf = binary.BigEndian.AppendUint16(w.buf, v)
	return true
}

// AddUint24 appends the low three bytes of v, big-endian, as Add.
func (w *ExtensionWriter) AddUint24(id uint8, v uint32) bool {
	if !w.open(id, 3) {
		return false
	}
	w.buf = append(w.buf, byte(v>>16), byte(v>>8), byte(v))
	return true
}

// AddString appends a text element such as a mid, as Add.
func (w *ExtensionWriter) AddString(id uint8, s string) bool {
	if !w.open(id, len(s)) {
		return false
	}
	w.buf = append(w.buf, s...)
	return true
}

// Finish pads the block to 32 bits, writes its header, and returns the slice
// given to Reset with the block appended, or as it was if there are no
// elements. If it grew, the caller sets the packet's X bit.
func (w *ExtensionWriter) Finish() []byte {
	if w.n == 0 {
		return w.buf
	}
	for (len(w.buf)-w.start)%4 != 0 {
		w.buf = append(w.buf, 0)
	}
	profile := uint16(ProfileOneByte)
	if w.two {
		profile = ProfileTwoByte
	}
	head := w.buf[w.start:]
	binary.BigEndian.PutUint16(head, profile)
	binary.BigEndian.PutUint16(head[2:], uint16(len(head)/4-1))
	return w.buf
}

// open writes the block header before the first element, and the element's own
// header.
func (w *ExtensionWriter) open(id uint8, n int) bool {
	if id == 0 || n > maxElementLen {
		return false
	}
	if w.n == 0 {
		w.buf = append(w.buf, 0, 0, 0, 0)
	}
	if !w.two && (id > oneByteMaxID || n == 0 || n > oneByteMaxLen) {
		w.widen()
	}
	w.n++
	if w.two {
		w.buf = append(w.buf, id, byte(n))
	} else {
		w.buf = append(w.buf, id<<4|byte(n-1))
	}
	return true
}

// widen rewrites the elements so far in the two-byte form. The body is first
// moved up by the growth of one byte an element, then copied back down, so the
// writing end never overtakes the reading end.
func (w *ExtensionWriter) widen() {
	w.two = true
	body := w.start + 4
	end := len(w.buf)
	for range w.n {
		w.buf = append(w.buf, 0)
	}
	copy(w.buf[body+w.n:], w.buf[body:end])
	from, to := body+w.n, body
	for range w.n {
		id, n := w.buf[from]>>4, int(w.buf[from]&0x0f)+1
		w.buf[to], w.buf[to+1] = id, byte(n)
		copy(w.buf[to+2:], w.buf[from+1:from+1+n])
		from, to = from+1+n, to+2+n
	}
}

// AppendExtensions appends a whole block with these elements to dst, in the
// one-byte form if that can hold all of them; see ExtensionWriter. Elements
// with id 0 or more than 255 bytes are left out.
func AppendExtensions(dst []byte, exts []Extension) []byte {
	var w ExtensionWriter
	w.Reset(dst)
	for i := range exts {
		w.Add(exts[i].ID, exts[i].Data)
	}
	return w.Finish()
}
