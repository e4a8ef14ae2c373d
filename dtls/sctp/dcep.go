package sctp

import (
	"encoding/binary"
	"unicode/utf8"

	pion "github.com/pion/sctp"
)

// Messages of the Data Channel Establishment Protocol (RFC 8832, 5 and 8.2.1).
const (
	messageAck  = 2
	messageOpen = 3

	openHeader = 12 // bytes before the label

	maxLabel    = 127 // bytes kept of a peer's label
	maxProtocol = 63  // bytes kept of a peer's protocol
)

// Channel types (RFC 8832, 5.1). The upper bit means unordered.
const (
	typeReliable  = 0x00
	typeRexmit    = 0x01
	typeTimed     = 0x02
	typeUnordered = 0x80
)

// open is a DATA_CHANNEL_OPEN message.
type open struct {
	kind            byte
	priority        uint16
	reliability     uint32 // retransmissions or milliseconds, as kind says
	label, protocol string
}

// parseOpen reads a DATA_CHANNEL_OPEN; ok is false for any other message. A
// message that is shorter than it announces opens a channel all the same:
// missing fields are zero or empty.
func parseOpen(b []byte) (o open, ok bool) {
	if len(b) == 0 || b[0] != messageOpen {
		return open{}, false
	}
	var header [openHeader]byte
	copy(header[:], b)
	o.kind = header[1]
	o.priority = binary.BigEndian.Uint16(header[2:])
	o.reliability = binary.BigEndian.Uint32(header[4:])
	if len(b) < openHeader {
		return o, true
	}
	label, rest, ok := take(b[openHeader:], int(binary.BigEndian.Uint16(header[8:])))
	if !ok {
		return o, true
	}
	o.label = cut(label, maxLabel)
	if protocol, _, ok := take(rest, int(binary.BigEndian.Uint16(header[10:]))); ok {
		o.protocol = cut(protocol, maxProtocol)
	}
	return o, true
}

func take(b []byte, n int) (taken, rest []byte, ok bool) {
	if n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// cut keeps at most limit bytes, and no part of a UTF-8 sequence.
func cut(b []byte, limit int) string {
	if len(b) <= limit {
		return string(b)
	}
	end := limit
	for end > 0 && end > limit-utf8.UTFMax && !utf8.RuneStart(b[end]) {
		end--
	}
	return string(b[:end])
}

// marshal builds the message. Label and protocol have been checked to fit.
func (o open) marshal() []byte {
	b := make([]byte, openHeader, openHeader+len(o.label)+len(o.protocol))
	b[0], b[1] = messageOpen, o.kind
	binary.BigEndian.PutUint16(b[2:], o.priority)
	binary.BigEndian.PutUint32(b[4:], o.reliability)
	binary.BigEndian.PutUint16(b[8:], uint16(len(o.label)))
	binary.BigEndian.PutUint16(b[10:], uint16(len(o.protocol)))
	return append(append(b, o.label...), o.protocol...)
}

// policy is the channel type's demand on the return direction, in the terms of
// pion/sctp. An unknown type is reliable and ordered.
func (o open) policy() (unordered bool, kind byte, value uint32) {
	switch o.kind {
	case typeReliable, typeReliable | typeUnordered:
		kind = pion.ReliabilityTypeReliable
	case typeRexmit, typeRexmit | typeUnordered:
		kind, value = pion.ReliabilityTypeRexmit, o.reliability
	case typeTimed, typeTimed | typeUnordered:
		kind, value = pion.ReliabilityTypeTimed, o.reliability
	default:
		return false, pion.ReliabilityTypeReliable, 0
	}
	return o.kind&typeUnordered != 0, kind, value
}
