package rtcp

import "encoding/binary"

// ReportBlock is one reception report (RFC 3550, 6.4.1).
type ReportBlock struct {
	SSRC         uint32 // the stream reported on
	FractionLost uint8  // since the previous report, in 1/256
	Lost         int32  // cumulative, 24 bits, negative with duplicates
	HighestSeq   uint32 // extended highest sequence number
	Jitter       uint32 // in timestamp units
	LSR          uint32 // middle 32 bits of the last SR's NTP time; 0 if none
	DLSR         uint32 // delay since then in 1/65536 s
}

const (
	blockLen      = 24
	senderInfoLen = 24 // with the SSRC
)

// Limits of the cumulative loss's 24 bits.
const (
	maxLost = 1<<23 - 1
	minLost = -1 << 23
)

// SenderReport is a view of an SR.
type SenderReport struct {
	SenderInfo
	Blocks Blocks
}

// SenderInfo is the part of an SR about the sender's own stream.
type SenderInfo struct {
	SSRC    uint32
	NTP     uint64 // when the report was sent; see NTP
	RTPTime uint32 // the same moment in timestamp units
	Packets uint32 // RTP packets sent, modulo 2^32
	Octets  uint32 // payload bytes sent, modulo 2^32
}

// SenderReport reads p as an SR. ok is false if it is none or too short for
// its number of blocks.
func (p *Packet) SenderReport() (r SenderReport, ok bool) {
	if p.Type != TypeSR || len(p.Body) < senderInfoLen {
		return r, false
	}
	r.Blocks, ok = blocks(p.Body[senderInfoLen:], p.Count)
	r.SenderInfo = SenderInfo{
		SSRC:    get32(p.Body),
		NTP:     binary.BigEndian.Uint64(p.Body[4:]),
		RTPTime: get32(p.Body[12:]),
		Packets: get32(p.Body[16:]),
		Octets:  get32(p.Body[20:]),
	}
	return r, ok
}

// ReceiverReport is a view of an RR.
type ReceiverReport struct {
	SSRC   uint32
	Blocks Blocks
}

// ReceiverReport reads p as an RR. ok is false if it is none or too short for
// its number of blocks.
func (p *Packet) ReceiverReport() (r ReceiverReport, ok bool) {
	if p.Type != TypeRR || len(p.Body) < 4 {
		return r, false
	}
	r.SSRC = get32(p.Body)
	r.Blocks, ok = blocks(p.Body[4:], p.Count)
	return r, ok
}

// Blocks is a list of report blocks inside a packet.
type Blocks struct{ b []byte }

func blocks(b []byte, count uint8) (Blocks, bool) {
	n := int(count) * blockLen
	if len(b) < n {
		return Blocks{}, false
	}
	return Blocks{b[:n]}, true
}

// Len returns the number of blocks.
func (l Blocks) Len() int { return len(l.b) / blockLen }

// At returns the i-th block, 0 <= i < Len.
func (l Blocks) At(i int) ReportBlock {
	b := l.b[i*blockLen : (i+1)*blockLen]
	return ReportBlock{
		SSRC:         get32(b),
		FractionLost: b[4],
		Lost:         int32(get32(b[4:])<<8) >> 8,
		HighestSeq:   get32(b[8:]),
		Jitter:       get32(b[12:]),
		LSR:          get32(b[16:]),
		DLSR:         get32(b[20:]),
	}
}

// AppendSR appends a sender report. Blocks beyond the 31st go into receiver
// reports behind it (RFC 3550, 6.4.1).
func AppendSR(dst []byte, s *SenderInfo, blocks []ReportBlock) []byte {
	start := len(dst)
	n := min(len(blocks), maxCount)
	dst = open(dst, TypeSR, uint8(n))
	dst = put32(dst, s.SSRC)
	dst = binary.BigEndian.AppendUint64(dst, s.NTP)
	dst = put32(dst, s.RTPTime)
	dst = put32(dst, s.Packets)
	dst = put32(dst, s.Octets)
	dst = shut(appendBlocks(dst, blocks[:n]), start)
	if n < len(blocks) {
		dst = AppendRR(dst, s.SSRC, blocks[n:])
	}
	return dst
}

// AppendRR appends a receiver report, empty if there are no blocks, and
// another one for each 31 blocks more.
func AppendRR(dst []byte, senderSSRC uint32, blocks []ReportBlock) []byte {
	for {
		start := len(dst)
		n := min(len(blocks), maxCount)
		dst = open(dst, TypeRR, uint8(n))
		dst = put32(dst, senderSSRC)
		dst = shut(appendBlocks(dst, blocks[:n]), start)
		if blocks = blocks[n:]; len(blocks) == 0 {
			return dst
		}
	}
}

func appendBlocks(dst []byte, blocks []ReportBlock) []byte {
	for i := range blocks {
		b := &blocks[i]
		lost := min(max(b.Lost, minLost), maxLost)
		dst = put32(dst, b.SSRC)
		dst = put32(dst, uint32(b.FractionLost)<<24|uint32(lost)&0xffffff)
		dst = put32(dst, b.HighestSeq)
		dst = put32(dst, b.Jitter)
		dst = put32(dst, b.LSR)
		dst = put32(dst, b.DLSR)
	}
	return dst
}
