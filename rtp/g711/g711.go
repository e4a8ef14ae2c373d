// Package g711 encodes and decodes PCMU and PCMA, the mu-law and the A-law of ITU-T
// G.711 (RFC 3551, section 4.5.14). They have a sampling rate of 8 kHz and one
// byte for each sample.
//
// Samples are float32, 1.0 is full scale, or 16 bits wide.
package g711

import (
	"cmp"
	"slices"
)

// Law is one of the two.
type Law uint8

// The laws, by the names of RFC 3551.
const (
	PCMU Law = iota
	PCMA
)

// Rate is the sampling rate in Hz.
const Rate = 8000

// Silence is the code of a sample of 0, or of the one next to it.
func (l Law) Silence() byte { return laws[l].encode[0] }

// Encode appends the code of each sample to dst. Samples beyond full scale become
// the largest ones, NaNs become silence.
func (l Law) Encode(dst []byte, pcm []float32) []byte {
	t := laws[l]
	for _, v := range pcm {
		v *= 32768
		switch {
		case v >= 32767:
			v = 32767
		case v <= -32768:
			v = -32768
		case v != v:
			v = 0
		}
		dst = append(dst, t.code(int16(floor(v+0.5))))
	}
	return dst
}

// floor is that of small numbers.
func floor(v float32) int32 { return int32(v+32769) - 32769 }

// EncodeInt16 is Encode for samples of 16 bits.
func (l Law) EncodeInt16(dst []byte, pcm []int16) []byte {
	t := laws[l]
	for _, v := range pcm {
		dst = append(dst, t.code(v))
	}
	return dst
}

// Decode decodes a payload to the front of pcm and returns the number of samples,
// which is the length of the shorter one.
func (l Law) Decode(payload []byte, pcm []float32) int {
	t, n := laws[l], min(len(payload), len(pcm))
	for i, code := range payload[:n] {
		pcm[i] = float32(t.decode[code]) / 32768
	}
	return n
}

// DecodeInt16 is Decode for samples of 16 bits.
func (l Law) DecodeInt16(payload []byte, pcm []int16) int {
	t, n := laws[l], min(len(payload), len(pcm))
	for i, code := range payload[:n] {
		pcm[i] = t.decode[code]
	}
	return n
}

// tables are those of one law.
type tables struct {
	decode [256]int16
	encode [1 << 14]byte // by the upper bits of a sample: no law distinguishes more
}

func (t *tables) code(sample int16) byte { return t.encode[uint16(sample)>>2] }

var laws = [...]*tables{PCMU: newTables(decodeU), PCMA: newTables(decodeA)}

// newTables encodes each sample as the code that decodes nearest to it: the decision
// values of G.711 lie between two codes.
func newTables(decode func(code byte) int16) *tables {
	t := new(tables)
	var codes [256]byte
	for i := range codes {
		codes[i] = byte(i)
		t.decode[i] = decode(byte(i))
	}
	// The sign is the first bit of both: the negative one of two zeros comes first.
	slices.SortFunc(codes[:], func(a, b byte) int {
		return cmp.Or(cmp.Compare(t.decode[a], t.decode[b]), cmp.Compare(a, b))
	})
	at := 0
	for sample := -1 << 15; sample < 1<<15; sample += 4 {
		middle := sample + 2
		for at < 255 && 2*middle > int(t.decode[codes[at]])+int(t.decode[codes[at+1]]) {
			at++
		}
		t.encode[uint16(sample)>>2] = codes[at]
	}
	return t
}

// decodeU is table 2 of G.711, with 16 bits instead of 14.
func decodeU(code byte) int16 {
	const bias = 33 << 2
	code = ^code
	v := (int16(code&0xf)<<3+bias)<<(code>>4&7) - bias
	if code&0x80 != 0 {
		return -v
	}
	return v
}

// decodeA is table 1 of G.711, with 16 bits instead of 13.
func decodeA(code byte) int16 {
	code ^= 0x55
	v := int16(code&0xf)<<4 + 8
	if segment := code >> 4 & 7; segment > 0 {
		v = (v + 0x100) << (segment - 1)
	}
	if code&0x80 == 0 {
		return -v
	}
	return v
}
