package codec

// bitReader reads big-endian bit fields. Reading beyond the end gives zeros
// and sets over; callers check it once, after the last field.
type bitReader struct {
	data []byte
	pos  int // in bits
	over bool
}

// bits returns the next n (at most 32) bits as an unsigned number.
func (r *bitReader) bits(n int) uint32 {
	if r.pos+n > len(r.data)*8 {
		r.pos, r.over = len(r.data)*8, true
		return 0
	}
	var v uint64
	first, last := r.pos>>3, (r.pos+n+7)>>3
	for _, b := range r.data[first:last] {
		v = v<<8 | uint64(b)
	}
	r.pos += n
	v >>= uint(last*8 - r.pos)
	return uint32(v & (1<<uint(n) - 1))
}

func (r *bitReader) flag() bool { return r.bits(1) != 0 }

// skip passes over n bits.
func (r *bitReader) skip(n int) {
	if n > len(r.data)*8-r.pos {
		r.pos, r.over = len(r.data)*8, true
		return
	}
	r.pos += n
}

// ns reads a non-symmetric unsigned number below n, which is at least 1 (AV1
// RTP specification, A.8.2; AV1 4.10.7).
func (r *bitReader) ns(n uint32) uint32 {
	w := 0
	for x := n; x != 0; x >>= 1 {
		w++
	}
	m := uint32(1)<<w - n
	v := r.bits(w - 1)
	if v < m {
		return v
	}
	return v<<1 - m + r.bits(1)
}

// ue reads an unsigned Exp-Golomb number of up to 32 bits (H.264, 9.1).
func (r *bitReader) ue() uint32 {
	zeros := 0
	for !r.flag() {
		zeros++
		if zeros > 31 || r.over {
			r.over = true
			return 0
		}
	}
	return 1<<zeros - 1 + r.bits(zeros)
}

// se reads a signed Exp-Golomb number (H.264, 9.1.1).
func (r *bitReader) se() int32 {
	k := r.ue()
	if k&1 != 0 {
		return int32(k/2 + 1)
	}
	return -int32(k / 2)
}

// maxParameterSet is how much of a parameter set is looked at; the picture
// size lies well before.
const maxParameterSet = 256

// unescape copies an H.264 or H.265 NAL unit's bytes into buf without the
// emulation prevention bytes (H.264, 7.4.1) and returns the filled part.
func unescape(buf *[maxParameterSet]byte, nal []byte) []byte {
	n, zeros := 0, 0
	for _, b := range nal {
		if zeros >= 2 && b == 3 {
			zeros = 0
			continue
		}
		if n == len(buf) {
			break
		}
		buf[n] = b
		n++
		if b == 0 {
			zeros++
		} else {
			zeros = 0
		}
	}
	return buf[:n]
}
