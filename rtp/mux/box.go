package mux

import "encoding/binary"

// boxes lays out boxes of ISO 14496-12.
type boxes struct{ b []byte }

// box appends a box around the bytes that body appends.
func (w *boxes) box(kind string, body func()) {
	at := len(w.b)
	w.u32(0)
	w.text(kind)
	body()
	binary.BigEndian.PutUint32(w.b[at:], uint32(len(w.b)-at))
}

// full appends a box with version and flags.
func (w *boxes) full(kind string, version uint8, flags uint32, body func()) {
	w.box(kind, func() {
		w.u32(uint32(version)<<24 | flags)
		body()
	})
}

func (w *boxes) u8(v ...byte)    { w.b = append(w.b, v...) }
func (w *boxes) u16(v uint16)    { w.b = binary.BigEndian.AppendUint16(w.b, v) }
func (w *boxes) u32(v uint32)    { w.b = binary.BigEndian.AppendUint32(w.b, v) }
func (w *boxes) u64(v uint64)    { w.b = binary.BigEndian.AppendUint64(w.b, v) }
func (w *boxes) text(s string)   { w.b = append(w.b, s...) }
func (w *boxes) zeros(n int)     { w.b = append(w.b, make([]byte, n)...) }
func (w *boxes) u32s(v []uint32) { w.u32(uint32(len(v))); w.each(v) }

func (w *boxes) each(v []uint32) {
	for _, n := range v {
		w.u32(n)
	}
}

// matrix is that of no transformation.
func (w *boxes) matrix() {
	for _, v := range [9]uint32{0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000} {
		w.u32(v)
	}
}
