package rtcp

import (
	"encoding/binary"
	"time"
)

// Units of TWCC feedback.
const (
	TWCCTick      = 250 * time.Microsecond // of deltas
	TWCCReference = 64 * time.Millisecond  // of the reference time
)

const twccFixedLen = 8 // FCI before the chunks

// Packet status symbols.
const (
	symbolLost = iota
	symbolSmall
	symbolLarge
	symbolReserved
)

// TWCC is a view of transport-wide congestion control feedback
// (draft-holmer-rmcat-transport-wide-cc-extensions-01, 3.1).
type TWCC struct {
	Base      uint16 // first sequence number reported
	Count     uint16 // how many are reported
	Reference uint32 // 24-bit reference time in units of TWCCReference
	Feedback  uint8  // number of this feedback packet
	body      []byte // chunks and deltas
}

// TWCC reads f as TWCC feedback. ok is false if it is none, or its chunks and
// deltas do not cover its count of packets.
func (f *Feedback) TWCC() (t TWCC, ok bool) {
	if !f.IsTWCC() || len(f.FCI) < twccFixedLen {
		return t, false
	}
	t = TWCC{
		Base:      binary.BigEndian.Uint16(f.FCI),
		Count:     binary.BigEndian.Uint16(f.FCI[2:]),
		Reference: get32(f.FCI[4:]) >> 8,
		Feedback:  f.FCI[7],
		body:      f.FCI[twccFixedLen:],
	}
	chunks, deltas, ok := t.measure()
	return t, ok && 2*chunks+deltas <= len(t.body)
}

// measure returns the number of chunks and the bytes of deltas that the count
// of packets needs.
func (t *TWCC) measure() (chunks, deltas int, ok bool) {
	for left := int(t.Count); left > 0; chunks++ {
		if 2*chunks+2 > len(t.body) {
			return 0, 0, false
		}
		c := binary.BigEndian.Uint16(t.body[2*chunks:])
		if c&0x8000 == 0 {
			n := min(int(c&0x1fff), left)
			deltas += n * deltaLen(c>>13&3)
			if left -= n; n == 0 {
				return 0, 0, false // would not end
			}
			continue
		}
		for i := range min(vectorLen(c), left) {
			deltas += deltaLen(vectorSymbol(c, i))
			left--
		}
	}
	return chunks, deltas, true
}

// deltaLen returns how many bytes the delta of a symbol takes.
func deltaLen(symbol uint16) int {
	switch symbol {
	case symbolSmall:
		return 1
	case symbolLarge:
		return 2
	}
	return 0
}

// vectorLen returns how many symbols a status vector chunk holds.
func vectorLen(c uint16) int {
	if c&0x4000 == 0 {
		return 14
	}
	return 7
}

// vectorSymbol returns the i-th symbol of a status vector chunk.
func vectorSymbol(c uint16, i int) uint16 {
	if c&0x4000 == 0 {
		return c >> (13 - i) & 1
	}
	return c >> (12 - 2*i) & 3
}

// Statuses iterates over the packets that TWCC feedback reports.
type Statuses struct {
	Seq      uint16
	Received bool
	Delta    int16 // if Received: ticks since the packet reported received before, or the reference time
	Ticks    int64 // if Received: arrival in ticks since the reference time's epoch

	chunks []byte
	deltas []byte
	left   int
	chunk  uint16
	pos    int // symbols taken from chunk
	size   int // symbols in chunk
	next   uint16
	ticks  int64
}

// Statuses returns an iterator over the packets reported, in order of their
// sequence numbers.
func (t *TWCC) Statuses() Statuses {
	chunks, deltas, ok := t.measure()
	if !ok || 2*chunks+deltas > len(t.body) {
		return Statuses{}
	}
	return Statuses{
		chunks: t.body[:2*chunks],
		deltas: t.body[2*chunks : 2*chunks+deltas],
		left:   int(t.Count),
		next:   t.Base,
		ticks:  int64(t.Reference) * int64(TWCCReference/TWCCTick),
	}
}

// Next moves to the next packet and reports whether there is one.
func (it *Statuses) Next() bool {
	if it.left == 0 {
		return false
	}
	if it.pos == it.size {
		it.chunk = binary.BigEndian.Uint16(it.chunks)
		it.chunks = it.chunks[2:]
		it.pos = 0
		if it.chunk&0x8000 == 0 {
			it.size = int(it.chunk & 0x1fff)
		} else {
			it.size = vectorLen(it.chunk)
		}
	}
	symbol := it.chunk >> 13 & 3
	if it.chunk&0x8000 != 0 {
		symbol = vectorSymbol(it.chunk, it.pos)
	}
	it.pos++
	it.left--
	it.Seq = it.next
	it.next++
	it.Received = false
	it.Delta = 0
	switch symbol {
	case symbolSmall:
		it.Delta, it.Received = int16(it.deltas[0]), true
		it.deltas = it.deltas[1:]
	case symbolLarge:
		it.Delta, it.Received = int16(binary.BigEndian.Uint16(it.deltas)), true
		it.deltas = it.deltas[2:]
	}
	it.ticks += int64(it.Delta)
	it.Ticks = it.ticks
	return true
}

// NotReceived marks a packet as not received among AppendTWCC's deltas.
const NotReceived = -1 << 31

// AppendTWCC appends TWCC feedback about len(deltas) packets, at most 65535,
// with sequence numbers from t.Base on. An element is NotReceived or the ticks
// since the packet received before it (for the first since t.Reference), which
// saturate to 16 bits. t.Count is ignored.
func AppendTWCC(dst []byte, e Ends, t *TWCC, deltas []int32) []byte {
	start := len(dst)
	deltas = deltas[:min(len(deltas), 1<<16-1)]
	dst = openFeedback(dst, TypeRTPFB, FormatTWCC, e)
	dst = binary.BigEndian.AppendUint16(dst, t.Base)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(deltas)))
	dst = put32(dst, t.Reference<<8|uint32(t.Feedback))
	for rest := deltas; len(rest) > 0; {
		c, n := nextChunk(rest)
		dst = binary.BigEndian.AppendUint16(dst, c)
		rest = rest[n:]
	}
	for _, d := range deltas {
		switch symbolOf(d) {
		case symbolSmall:
			dst = append(dst, byte(d))
		case symbolLarge:
			dst = binary.BigEndian.AppendUint16(dst, uint16(int16(min(max(d, -1<<15), 1<<15-1))))
		}
	}
	return shut(align(dst, start), start)
}

func symbolOf(delta int32) uint16 {
	switch {
	case delta == NotReceived:
		return symbolLost
	case delta >= 0 && delta <= 255:
		return symbolSmall
	}
	return symbolLarge
}

// nextChunk encodes as many packets as one chunk can hold and returns how many
// those are: a run of equal symbols where that covers at least as many as a vector
// would, else 14 one-bit symbols, else 7 two-bit ones.
func nextChunk(deltas []int32) (chunk uint16, n int) {
	first := symbolOf(deltas[0])
	run := 1
	for run < len(deltas) && run < 1<<13-1 && symbolOf(deltas[run]) == first {
		run++
	}
	small := run // how many from the start on fit one-bit symbols
	if first == symbolLarge {
		small = 0
	}
	for small > 0 && small < len(deltas) && small < 14 && symbolOf(deltas[small]) != symbolLarge {
		small++
	}
	oneBit := small >= min(14, len(deltas))
	if n = min(7, len(deltas)); oneBit {
		n = min(14, len(deltas))
	}
	if run >= n {
		return first<<13 | uint16(run), run
	}
	if oneBit {
		chunk = 0x8000
		for i := range n {
			chunk |= symbolOf(deltas[i]) << (13 - i)
		}
		return chunk, n
	}
	chunk = 0xc000
	for i := range n {
		chunk |= symbolOf(deltas[i]) << (12 - 2*i)
	}
	return chunk, n
}
