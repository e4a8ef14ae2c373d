package pcap

import "encoding/binary"

// MaxUDP is the length of the longest payload that AppendUDP can write.
const MaxUDP = 65535 - 20 - 8

// AppendHeader appends the header of a capture of Ethernet, in this machine's order of
// bytes.
func AppendHeader(dst []byte) []byte {
	o := binary.NativeEndian
	dst = o.AppendUint32(dst, 0xa1b2c3d4)
	dst = o.AppendUint16(dst, 2)
	dst = o.AppendUint16(dst, 4)
	dst = o.AppendUint64(dst, 0)
	dst = o.AppendUint32(dst, 65535)
	return o.AppendUint32(dst, Ethernet)
}

// AppendUDP appends a packet with a datagram from 10.1.1.1:1000 to 10.2.2.2:2000,
// captured so many microseconds after 1970. Checksums are left 0.
func AppendUDP(dst []byte, micros int64, payload []byte) []byte {
	const eth, ip, udp = 14, 20, 8
	n := eth + ip + udp + len(payload)
	o := binary.NativeEndian
	dst = o.AppendUint32(dst, uint32(micros/1e6))
	dst = o.AppendUint32(dst, uint32(micros%1e6))
	dst = o.AppendUint32(dst, uint32(n))
	dst = o.AppendUint32(dst, uint32(n))

	dst = append(dst, make([]byte, 12)...)
	dst = binary.BigEndian.AppendUint16(dst, typeIPv4)
	dst = append(dst, 0x45, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(n-eth))
	dst = append(dst, 0, 0, 0x40, 0, 64, protoUDP, 0, 0, 10, 1, 1, 1, 10, 2, 2, 2)
	dst = append(dst, 1000>>8, 1000&0xff, 2000>>8, 2000&0xff)
	dst = binary.BigEndian.AppendUint16(dst, uint16(n-eth-ip))
	dst = append(dst, 0, 0)
	return append(dst, payload...)
}
