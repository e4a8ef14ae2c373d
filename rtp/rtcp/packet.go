// Package rtcp reads and writes RTCP: compound packets (RFC 3550), feedback
// (RFC 4585, RFC 5104), transport-wide congestion control and REMB.
//
// Reading is by views into the caller's bytes, writing by appending to the
// caller's slice; nothing is copied or kept, and reading never allocates.
package rtcp

import (
	"encoding/binary"
	"errors"
)

// Packet types (RFC 3550, 12.1; RFC 3611; RFC 4585, 6.1).
const (
	TypeSR    = 200
	TypeRR    = 201
	TypeSDES  = 202
	TypeBYE   = 203
	TypeAPP   = 204
	TypeRTPFB = 205
	TypePSFB  = 206
	TypeXR    = 207
)

// Feedback message types of RTPFB and PSFB packets.
const (
	FormatNACK = 1  // RTPFB, RFC 4585, 6.2.1
	FormatCCFB = 11 // RTPFB, RFC 8888, 3.1
	FormatTWCC = 15 // RTPFB, draft-holmer-rmcat-transport-wide-cc-extensions-01

	FormatPLI = 1  // PSFB, RFC 4585, 6.3.1
	FormatSLI = 2  // PSFB, RFC 4585, 6.3.2
	FormatFIR = 4  // PSFB, RFC 5104, 4.3.1
	FormatAFB = 15 // PSFB, RFC 4585, 6.4: application layer, in practice REMB
)

// Why a compound packet was refused.
var (
	ErrShort   = errors.New("rtcp: truncated packet")
	ErrVersion = errors.New("rtcp: version is not 2")
	ErrType    = errors.New("rtcp: not an RTCP packet type")
	ErrPadding = errors.New("rtcp: invalid padding")
)

// HeaderLen is the length of the header common to all packets.
const HeaderLen = 4

// maxCount is the most that the five-bit count field can say.
const maxCount = 31

// Packet is one packet of a compound. Both slices are part of the compound.
type Packet struct {
	Type  uint8
	Count uint8  // reception report count, source count, or feedback format
	Body  []byte // after the common header, without padding
	Raw   []byte // the whole packet
}

// Packets iterates over the packets of a compound:
//
//	for it := rtcp.Parse(b); it.Next(); {
//		switch it.Type { ... }
//	}
//
// It stops at the first malformed packet; Err says why.
type Packets struct {
	Packet
	rest []byte
	err  error
}

// Parse starts an iteration over the compound packet b, in the clear.
func Parse(b []byte) Packets { return Packets{rest: b} }

// Next moves to the next packet and reports whether there is one.
func (it *Packets) Next() bool {
	if it.err != nil || len(it.rest) == 0 {
		return false
	}
	it.Packet, it.rest, it.err = split(it.rest)
	return it.err == nil
}

// Err returns why the iteration ended early, nil if it did not.
func (it *Packets) Err() error { return it.err }

// Validate checks the framing of a whole compound packet: at least one packet,
// versions, types, lengths, and padding only at the end (except in transport-wide
// feedback). Reduced-size packets (RFC 5506) are valid, so the first type may be
// any.
func Validate(b []byte) error {
	if len(b) == 0 {
		return ErrShort
	}
	for len(b) > 0 {
		_, rest, err := split(b)
		if err != nil {
			return err
		}
		if b[0]&0x20 != 0 && len(rest) > 0 && !fillsWord(b) {
			return ErrPadding
		}
		b = rest
	}
	return nil
}

// split takes the first packet off b.
func split(b []byte) (p Packet, rest []byte, err error) {
	if len(b) < HeaderLen {
		return p, nil, ErrShort
	}
	if b[0]>>6 != 2 {
		return p, nil, ErrVersion
	}
	if b[1] < 192 || b[1] > 223 {
		return p, nil, ErrType
	}
	n := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
	if len(b) < n {
		return p, nil, ErrShort
	}
	end := n
	if b[0]&0x20 != 0 {
		pad := int(b[n-1])
		if pad == 0 || pad%4 != 0 && !fillsWord(b) || pad > n-HeaderLen {
			return p, nil, ErrPadding
		}
		end -= pad
	}
	p = Packet{Type: b[1], Count: b[0] & 0x1f, Body: b[HeaderLen:end:end], Raw: b[:n:n]}
	return p, b[n:], nil
}

// fillsWord reports whether padding may end the packet b at any byte, and
// anywhere in a compound: transport-wide feedback is of any length and is padded
// to 32 bits (draft-holmer-rmcat-transport-wide-cc-extensions, 3.1).
func fillsWord(b []byte) bool { return b[1] == TypeRTPFB && b[0]&0x1f == FormatTWCC }

// open appends a common header whose length shut fills in.
func open(dst []byte, typ, count uint8) []byte {
	return append(dst, 0x80|count, typ, 0, 0)
}

// shut sets the length of the packet that starts at dst[start:], which must be
// a multiple of 4 bytes.
func shut(dst []byte, start int) []byte {
	binary.BigEndian.PutUint16(dst[start+2:], uint16((len(dst)-start)/4-1))
	return dst
}

func put32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }

func get32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
