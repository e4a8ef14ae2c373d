package capture

import "encoding/binary"

const (
	ethernetLen = 14
	ipv4Len     = 20
	udpLen      = 8
	headersLen  = ethernetLen + ipv4Len + udpLen
)

// fileHeader begins a libpcap file: microseconds, snapshot length 65535,
// Ethernet.
func fileHeader() []byte {
	b := binary.NativeEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = binary.NativeEndian.AppendUint16(b, 2)
	b = binary.NativeEndian.AppendUint16(b, 4)
	b = binary.NativeEndian.AppendUint64(b, 0) // time zone, accuracy
	b = binary.NativeEndian.AppendUint32(b, 65535)
	return binary.NativeEndian.AppendUint32(b, 1)
}

// appendRecord writes a packet as UDP between two made-up hosts: 10.1.1.1:1000
// is the remote peer, 10.2.2.2:2000 is us.
func appendRecord(b []byte, p *packet) []byte {
	at := p.at.Wall()
	b = binary.NativeEndian.AppendUint32(b, uint32(at.Unix()))
	b = binary.NativeEndian.AppendUint32(b, uint32(at.Nanosecond()/1000))
	b = binary.NativeEndian.AppendUint32(b, uint32(headersLen+len(p.data)))
	b = binary.NativeEndian.AppendUint32(b, uint32(headersLen+p.size))

	b = append(b, make([]byte, 12)...)           // MAC addresses
	b = binary.BigEndian.AppendUint16(b, 0x0800) // IPv4

	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(ipv4Len+udpLen+p.size))
	b = append(b, 0, 0, 0x40, 0, 64, 17, 0, 0) // DF, time to live, UDP, no checksum
	remote, us := [4]byte{10, 1, 1, 1}, [4]byte{10, 2, 2, 2}
	from, to := uint16(1000), uint16(2000)
	if p.outgoing {
		remote, us = us, remote
		from, to = to, from
	}
	b = append(append(b, remote[:]...), us[:]...)

	b = binary.BigEndian.AppendUint16(b, from)
	b = binary.BigEndian.AppendUint16(b, to)
	b = binary.BigEndian.AppendUint16(b, uint16(udpLen+p.size))
	b = binary.BigEndian.AppendUint16(b, 0)
	return append(b, p.data...)
}

const hexDigits = "0123456789abcdef"

// appendLine writes a packet as text2pcap reads it.
func appendLine(b []byte, p *packet, label string) []byte {
	direction, kind := byte('I'), "RTP"
	if p.outgoing {
		direction = 'O'
	}
	if p.rtcp {
		kind = "RTCP"
	}
	b = append(b, direction, ' ')
	b = p.at.Wall().AppendFormat(b, "15:04:05.000000")
	b = append(b, " 000000 "...)
	for _, c := range p.data {
		b = append(b, ' ', hexDigits[c>>4], hexDigits[c&15])
	}
	b = append(b, " JANUS_TEXT2PCAP_"...)
	b = append(b, kind...)
	b = append(b, ' ')
	b = append(b, label...)
	return append(b, '\r', '\n')
}
