package rtcp

import (
	"encoding/binary"
	"math/bits"
)

// Ends are the SSRCs of feedback (RFC 4585, 6.1).
type Ends struct {
	Sender uint32 // who says it
	Media  uint32 // the media source that it is about
}

// Feedback is a view of an RTPFB or PSFB packet (RFC 4585, 6.1).
type Feedback struct {
	Type   uint8 // TypeRTPFB or TypePSFB
	Format uint8
	Ends
	FCI []byte // feedback control information, part of the packet
}

const feedbackLen = 8 // both SSRCs

// Feedback reads p as a feedback packet. ok is false if it is none or too short.
func (p *Packet) Feedback() (f Feedback, ok bool) {
	if p.Type != TypeRTPFB && p.Type != TypePSFB || len(p.Body) < feedbackLen {
		return f, false
	}
	return Feedback{
		Type:   p.Type,
		Format: p.Count,
		Ends:   Ends{Sender: get32(p.Body), Media: get32(p.Body[4:])},
		FCI:    p.Body[feedbackLen:],
	}, true
}

// IsNACK reports whether f is a generic NACK.
func (f *Feedback) IsNACK() bool { return f.Type == TypeRTPFB && f.Format == FormatNACK }

// IsPLI reports whether f is a picture loss indication.
func (f *Feedback) IsPLI() bool { return f.Type == TypePSFB && f.Format == FormatPLI }

// IsFIR reports whether f is a full intra request.
func (f *Feedback) IsFIR() bool { return f.Type == TypePSFB && f.Format == FormatFIR }

// IsTWCC reports whether f is transport-wide congestion control feedback.
func (f *Feedback) IsTWCC() bool { return f.Type == TypeRTPFB && f.Format == FormatTWCC }

func openFeedback(dst []byte, typ, format uint8, e Ends) []byte {
	dst = open(dst, typ, format)
	dst = put32(dst, e.Sender)
	return put32(dst, e.Media)
}

// LostSeqs iterates over the sequence numbers of a generic NACK.
type LostSeqs struct {
	Seq uint16

	rest []byte
	pid  uint16
	blp  uint16 // bits of pid+1.. not yet returned, at their original place
}

// Lost returns an iterator over the sequence numbers that a generic NACK asks
// for, in the order of the packet; it is empty for other feedback.
func (f *Feedback) Lost() LostSeqs {
	if !f.IsNACK() {
		return LostSeqs{}
	}
	return LostSeqs{rest: f.FCI}
}

// Next moves to the next number and reports whether there is one.
func (it *LostSeqs) Next() bool {
	if it.blp != 0 {
		i := bits.TrailingZeros16(it.blp)
		it.blp &= it.blp - 1
		it.Seq = it.pid + uint16(i) + 1
		return true
	}
	if len(it.rest) < 4 {
		return false
	}
	it.pid = binary.BigEndian.Uint16(it.rest)
	it.blp = binary.BigEndian.Uint16(it.rest[2:])
	it.rest = it.rest[4:]
	it.Seq = it.pid
	return true
}

// maxNACKLen is the longest NACK packet written, in bytes.
const maxNACKLen = 120

// AppendNACK appends generic NACKs for these sequence numbers, which must be in
// ascending order around the circle, to get them packed: each PID with a bit
// mask of the 16 that follow (RFC 4585, 6.2.1). A packet is at most 120 bytes
// long; more numbers make more packets, none make none.
func AppendNACK(dst []byte, e Ends, seqs []uint16) []byte {
	start := 0
	for i := 0; i < len(seqs); {
		if i == 0 || len(dst)-start+4 > maxNACKLen {
			start = len(dst)
			dst = openFeedback(dst, TypeRTPFB, FormatNACK, e)
		}
		pid, blp := seqs[i], uint16(0)
		for i++; i < len(seqs) && seqs[i]-pid <= 16; i++ {
			if d := seqs[i] - pid; d > 0 {
				blp |= 1 << (d - 1)
			}
		}
		dst = binary.BigEndian.AppendUint16(dst, pid)
		dst = binary.BigEndian.AppendUint16(dst, blp)
		shut(dst, start)
	}
	return dst
}

// AppendPLI appends a picture loss indication.
func AppendPLI(dst []byte, e Ends) []byte {
	start := len(dst)
	return shut(openFeedback(dst, TypePSFB, FormatPLI, e), start)
}

const firEntryLen = 8

// FIREntry is one request of a full intra request.
type FIREntry struct {
	SSRC uint32 // the stream that shall send a keyframe
	Seq  uint8  // command number; a repetition carries the same
}

// FIRLen returns the number of entries of a full intra request, 0 for other
// feedback.
func (f *Feedback) FIRLen() int {
	if !f.IsFIR() {
		return 0
	}
	return len(f.FCI) / firEntryLen
}

// FIR returns the i-th entry, 0 <= i < FIRLen.
func (f *Feedback) FIR(i int) FIREntry {
	b := f.FCI[i*firEntryLen:]
	return FIREntry{SSRC: get32(b), Seq: b[4]}
}

// AppendFIR appends a full intra request for one stream, whose SSRC is in the
// entry; the media source field is 0 (RFC 5104, 4.3.1.2).
func AppendFIR(dst []byte, e Ends, seq uint8) []byte {
	start := len(dst)
	dst = openFeedback(dst, TypePSFB, FormatFIR, Ends{Sender: e.Sender})
	dst = put32(dst, e.Media)
	return shut(append(dst, seq, 0, 0, 0), start)
}

const (
	rembMagic    = 0x52454d42 // "REMB"
	rembFixedLen = 8          // FCI before the SSRCs
	mantissaBits = 18
)

// REMB is a view of a receiver estimated maximum bitrate
// (draft-alvestrand-rmcat-remb-03).
type REMB struct {
	Bitrate uint64 // bit/s; saturates if the packet says more than 64 bits hold
	ssrcs   []byte
}

// REMB reads f as a REMB. ok is false if it is none or shorter than its count.
func (f *Feedback) REMB() (r REMB, ok bool) {
	if f.Type != TypePSFB || f.Format != FormatAFB || len(f.FCI) < rembFixedLen || get32(f.FCI) != rembMagic {
		return r, false
	}
	n := 4 * int(f.FCI[4])
	if len(f.FCI) < rembFixedLen+n {
		return r, false
	}
	exp := f.FCI[5] >> 2
	mantissa := uint64(get32(f.FCI[4:]) & (1<<mantissaBits - 1))
	r.Bitrate = mantissa << exp
	if r.Bitrate>>exp != mantissa {
		r.Bitrate = 1<<64 - 1
	}
	r.ssrcs = f.FCI[rembFixedLen : rembFixedLen+n]
	return r, true
}

// Len returns the number of streams that the bitrate is shared by.
func (r *REMB) Len() int { return len(r.ssrcs) / 4 }

// SSRC returns the i-th stream, 0 <= i < Len.
func (r *REMB) SSRC(i int) uint32 { return get32(r.ssrcs[4*i:]) }

// AppendREMB appends a receiver estimated maximum bitrate in bit/s for at most
// 255 streams. The bitrate is rounded down to 18 significant bits.
func AppendREMB(dst []byte, sender uint32, bitrate uint64, ssrcs ...uint32) []byte {
	start := len(dst)
	ssrcs = ssrcs[:min(len(ssrcs), 255)]
	exp := max(bits.Len64(bitrate)-mantissaBits, 0)
	dst = openFeedback(dst, TypePSFB, FormatAFB, Ends{Sender: sender})
	dst = put32(dst, rembMagic)
	dst = put32(dst, uint32(len(ssrcs))<<24|uint32(exp)<<mantissaBits|uint32(bitrate>>exp))
	for _, s := range ssrcs {
		dst = put32(dst, s)
	}
	return shut(dst, start)
}
