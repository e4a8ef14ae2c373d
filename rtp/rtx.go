package rtp

import "encoding/binary"

// OSNLen is the length of the original sequence number that starts an RTX
// payload (RFC 4588, 4).
const OSNLen = 2

// OriginalSequence splits an RTX payload into the sequence number of the
// packet that is repeated and that packet's payload. ok is false if the payload
// is too short, as in RTX packets that are only padding.
func OriginalSequence(payload []byte) (seq uint16, rest []byte, ok bool) {
	if len(payload) < OSNLen {
		return 0, nil, false
	}
	return binary.BigEndian.Uint16(payload), payload[OSNLen:], true
}

// AppendOriginalSequence starts an RTX payload. The original payload follows.
func AppendOriginalSequence(dst []byte, seq uint16) []byte {
	return binary.BigEndian.AppendUint16(dst, seq)
}

// UnwrapRTX turns the RTX packet b, in the clear and parsed into h, in place
// into the packet it repeats: payload type and SSRC are set to those given, the
// sequence number to the original one, and padding is removed. It returns the
// packet's new length and updates h. The packet is unchanged after an error.
func UnwrapRTX(b []byte, h *Header, pt uint8, ssrc uint32) (n int, err error) {
	payload, err := h.Payload(b)
	if err != nil {
		return 0, err
	}
	seq, rest, ok := OriginalSequence(payload)
	if !ok {
		return 0, ErrShort
	}
	n = h.HeaderLen + copy(b[h.HeaderLen:], rest)
	b[0] &^= paddingBit
	b[1] = b[1]&markerBit | pt&0x7f
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	h.Padding, h.PaddingLen = false, 0
	h.PayloadType, h.SequenceNumber, h.SSRC = pt&0x7f, seq, ssrc
	return n, nil
}
