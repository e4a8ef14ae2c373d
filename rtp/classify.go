package rtp

// Class is the protocol of a datagram on a multiplexed port.
type Class uint8

// The protocols that RFC 7983 distinguishes, with RTP and RTCP split by RFC 5761.
const (
	ClassUnknown Class = iota
	ClassSTUN
	ClassDTLS
	ClassTURNChannel
	ClassRTP
	ClassRTCP
)

func (c Class) String() string {
	switch c {
	case ClassSTUN:
		return "STUN"
	case ClassDTLS:
		return "DTLS"
	case ClassTURNChannel:
		return "TURN channel"
	case ClassRTP:
		return "RTP"
	case ClassRTCP:
		return "RTCP"
	}
	return "unknown"
}

// Classify says which protocol's parser a datagram is for, by its first byte
// (RFC 7983, 7), and RTP from RTCP by the payload type (RFC 5761, 4): RTCP
// packet types are 192..223, which are the RTP payload types 64..95 with the
// marker bit, so those payload types are never RTP. It looks at two bytes
// only; the packet may still be invalid.
func Classify(b []byte) Class {
	if len(b) == 0 {
		return ClassUnknown
	}
	switch c := b[0]; {
	case c <= 3:
		return ClassSTUN
	case c >= 20 && c <= 63:
		return ClassDTLS
	case c >= 64 && c <= 79:
		return ClassTURNChannel
	case c >= 128 && c <= 191 && len(b) >= 2:
		if pt := b[1] & 0x7f; pt >= 64 && pt <= 95 {
			return ClassRTCP
		}
		return ClassRTP
	}
	return ClassUnknown
}
