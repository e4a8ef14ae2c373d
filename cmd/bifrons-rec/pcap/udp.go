package pcap

import "encoding/binary"

const (
	typeIPv4 = 0x0800
	typeIPv6 = 0x86dd
	typeVLAN = 0x8100
	typeQinQ = 0x88a8
	protoUDP = 17
)

// Known reports whether UDP looks into packets of a link type.
func Known(link uint32) bool { return link == Ethernet || link == Cooked || link == Cooked2 }

// UDP returns the payload of the UDP datagram in a packet, if it is there as a whole.
// IPv6 has to be without extension headers.
func (p *Packet) UDP() (payload []byte, ok bool) {
	b := p.Data
	var kind uint16
	switch p.Link {
	case Ethernet:
		if len(b) < 14 {
			return nil, false
		}
		kind, b = binary.BigEndian.Uint16(b[12:]), b[14:]
	case Cooked:
		if len(b) < 16 {
			return nil, false
		}
		kind, b = binary.BigEndian.Uint16(b[14:]), b[16:]
	case Cooked2:
		if len(b) < 20 {
			return nil, false
		}
		kind, b = binary.BigEndian.Uint16(b), b[20:]
	}
	for (kind == typeVLAN || kind == typeQinQ) && len(b) >= 4 {
		kind, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	switch kind {
	case typeIPv4:
		b, ok = ipv4(b)
	case typeIPv6:
		b, ok = ipv6(b)
	}
	if !ok || len(b) < 8 {
		return nil, false
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n < 8 || n > len(b) {
		return nil, false
	}
	return b[8:n], true
}

// ipv4 returns the UDP datagram in a packet that is no fragment.
func ipv4(b []byte) ([]byte, bool) {
	if len(b) < 20 || b[0]>>4 != 4 || b[9] != protoUDP {
		return nil, false
	}
	head, n := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	fragment := binary.BigEndian.Uint16(b[6:]) & 0x3fff // more fragments, offset
	if head < 20 || n < head || n > len(b) || fragment != 0 {
		return nil, false
	}
	return b[head:n], true
}

func ipv6(b []byte) ([]byte, bool) {
	if len(b) < 40 || b[0]>>4 != 6 || b[6] != protoUDP {
		return nil, false
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if 40+n > len(b) {
		return nil, false
	}
	return b[40 : 40+n], true
}
