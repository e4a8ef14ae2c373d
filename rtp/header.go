// Package rtp is the wire view of RTP: headers (RFC 3550), header extensions
// (RFC 8285) and their values, RTX (RFC 4588), and telling RTP from the other
// protocols on its port (RFC 7983).
//
// Everything works on the caller's bytes: nothing is copied, kept or
// allocated.
package rtp

import (
	"encoding/binary"
	"errors"
)

// Why a packet was refused.
var (
	ErrShort     = errors.New("rtp: packet too short")
	ErrVersion   = errors.New("rtp: version is not 2")
	ErrExtension = errors.New("rtp: header extension longer than packet")
	ErrPadding   = errors.New("rtp: invalid padding length")
)

// FixedHeaderLen is the length of an RTP header without CSRCs and extension.
const FixedHeaderLen = 12

// Bits of the first two header bytes (RFC 3550, 5.1).
const (
	versionBits  = 0x80
	paddingBit   = 0x20
	extensionBit = 0x10
	markerBit    = 0x80
)

// FixedHeader has the fields of a packet's first 12 bytes, except for their counts and
// bits about later parts.
type FixedHeader struct {
	Marker         bool
	PayloadType    uint8
	SequenceNumber uint16
	Timestamp      uint32
	SSRC           uint32
}

// Header holds the fields of a parsed packet and the offsets of its parts.
type Header struct {
	FixedHeader
	Version    uint8  // always 2 after Parse
	Padding    bool   // the P bit
	Extension  bool   // the X bit
	CSRCs      uint8  // how many contributing sources follow the fixed header
	ExtProfile uint16 // "defined by profile" field; 0 without extension
	ExtOff     int    // offset and length of the extension data, after its
	ExtLen     int    // 4-byte header; ExtLen is 0 without extension
	HeaderLen  int    // offset of the payload
	PaddingLen int    // bytes of padding at the end; 0 until Payload ran
}

// Parse reads the header of b. It does not look at the payload or its padding,
// so b may still be SRTP ciphertext. After an error h is undefined.
func (h *Header) Parse(b []byte) error {
	if len(b) < FixedHeaderLen {
		return ErrShort
	}
	if b[0]>>6 != 2 {
		return ErrVersion
	}
	*h = Header{
		FixedHeader: FixedHeader{
			Marker:         b[1]&markerBit != 0,
			PayloadType:    b[1] &^ markerBit,
			SequenceNumber: binary.BigEndian.Uint16(b[2:]),
			Timestamp:      binary.BigEndian.Uint32(b[4:]),
			SSRC:           binary.BigEndian.Uint32(b[8:]),
		},
		Version:   2,
		Padding:   b[0]&paddingBit != 0,
		Extension: b[0]&extensionBit != 0,
		CSRCs:     b[0] & 0x0f,
	}
	n := FixedHeaderLen + 4*int(h.CSRCs)
	if len(b) < n {
		return ErrShort
	}
	if h.Extension {
		if len(b) < n+4 {
			return ErrExtension
		}
		h.ExtProfile = binary.BigEndian.Uint16(b[n:])
		h.ExtLen = 4 * int(binary.BigEndian.Uint16(b[n+2:]))
		h.ExtOff = n + 4
		if n = h.ExtOff + h.ExtLen; len(b) < n {
			return ErrExtension
		}
	}
	h.HeaderLen = n
	return nil
}

// Payload returns the payload of b, whose header was parsed into h and which
// is in the clear now, and sets h.PaddingLen. The payload is part of b and may
// be empty, as in packets of nothing but padding.
func (h *Header) Payload(b []byte) ([]byte, error) {
	if len(b) < h.HeaderLen {
		return nil, ErrShort
	}
	h.PaddingLen = 0
	if !h.Padding {
		return b[h.HeaderLen:], nil
	}
	if len(b) == h.HeaderLen {
		return nil, ErrPadding
	}
	n := int(b[len(b)-1])
	if n == 0 || n > len(b)-h.HeaderLen {
		return nil, ErrPadding
	}
	h.PaddingLen = n
	return b[h.HeaderLen : len(b)-n], nil
}

// CSRC returns the i-th contributing source, i < h.CSRCs, of the packet b that
// was parsed into h, and 0 beyond.
func (h *Header) CSRC(b []byte, i int) uint32 {
	off := FixedHeaderLen + 4*i
	if i < 0 || i >= int(h.CSRCs) || len(b) < off+4 {
		return 0
	}
	return binary.BigEndian.Uint32(b[off:])
}

// Put writes the header, without padding, extension or CSRCs, to the start of dst,
// which must be FixedHeaderLen long.
func (h FixedHeader) Put(dst []byte) {
	_ = dst[FixedHeaderLen-1]
	dst[0] = versionBits
	dst[1] = h.PayloadType & 0x7f
	if h.Marker {
		dst[1] |= markerBit
	}
	binary.BigEndian.PutUint16(dst[2:], h.SequenceNumber)
	binary.BigEndian.PutUint32(dst[4:], h.Timestamp)
	binary.BigEndian.PutUint32(dst[8:], h.SSRC)
}

// Append appends it to dst.
func (h FixedHeader) Append(dst []byte) []byte {
	n := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	h.Put(dst[n:])
	return dst
}

// SetExtensionBit sets the X bit of the packet b, to which an extension block
// was added after the fixed header.
func SetExtensionBit(b []byte) { b[0] |= extensionBit }

// SetNumbers writes another sequence number and timestamp into the packet b.
func SetNumbers(b []byte, seq uint16, timestamp uint32) {
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], timestamp)
}

// SetSSRC changes the SSRC of the packet b.
func SetSSRC(b []byte, ssrc uint32) { binary.BigEndian.PutUint32(b[8:], ssrc) }

// SetPaddingBit sets the P bit of the packet b, to which padding was added.
func SetPaddingBit(b []byte) { b[0] |= paddingBit }

// AppendPadding appends n bytes of padding, 1..255, the last of which counts
// them (RFC 3550, 5.1). The caller sets the P bit.
func AppendPadding(dst []byte, n uint8) []byte {
	for range int(n) - 1 {
		dst = append(dst, 0)
	}
	if n > 0 {
		dst = append(dst, n)
	}
	return dst
}
