package pcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// read returns the payloads of the UDP datagrams in a capture.
func read(t *testing.T, b []byte) (payloads []string, micros []int64) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := r.Next()
		if err == io.EOF {
			return payloads, micros
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := p.UDP(); ok && !p.Cut {
			payloads, micros = append(payloads, string(text)), append(micros, p.Micros)
		}
	}
}

// What is written can be read by others, and by the Reader.
func TestWrite(t *testing.T) {
	b := AppendHeader(nil)
	b = AppendUDP(b, 1714550000120001, []byte("hello"))
	b = AppendUDP(b, 5, nil)
	r, err := pcapgo.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	data, info, err := r.ReadPacketData()
	if err != nil || info.Timestamp.UnixMicro() != 1714550000120001 {
		t.Fatal(info, err)
	}
	p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)
	udp, _ := p.TransportLayer().(*layers.UDP)
	flow := p.NetworkLayer().NetworkFlow().String()
	if udp == nil || string(udp.Payload) != "hello" || flow != "10.1.1.1->10.2.2.2" || udp.SrcPort != 1000 || udp.DstPort != 2000 {
		t.Error(p)
	}
	if payloads, micros := read(t, b); strings.Join(payloads, "|") != "hello|" || micros[0] != 1714550000120001 || micros[1] != 5 {
		t.Error(payloads, micros)
	}
}

// udpPacket is an IP packet with a datagram, made by others.
func udpPacket(t *testing.T, six bool, payload string) []byte {
	t.Helper()
	var ip gopacket.SerializableLayer = &layers.IPv4{Version: 4, TTL: 3, Protocol: layers.IPProtocolUDP,
		SrcIP: []byte{1, 2, 3, 4}, DstIP: []byte{4, 3, 2, 1}, Options: []layers.IPv4Option{{OptionType: 1}}}
	if six {
		ip = &layers.IPv6{Version: 6, HopLimit: 3, NextHeader: layers.IPProtocolUDP,
			SrcIP: make([]byte, 16), DstIP: make([]byte, 16)}
	}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, ip,
		&layers.UDP{SrcPort: 9, DstPort: 10}, gopacket.Payload(payload))
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestLinkTypes(t *testing.T) {
	four, six := udpPacket(t, false, "four"), udpPacket(t, true, "six")
	fragment := udpPacket(t, false, "fragment")
	fragment[6] = 0x20
	type frame struct {
		link uint32
		data []byte
		want string
	}
	mac := make([]byte, 12)
	for _, f := range []frame{
		{Ethernet, join(mac, []byte{8, 0}, four), "four"},
		{Ethernet, join(mac, []byte{0x86, 0xdd}, six, []byte("trailer")), "six"},
		{Ethernet, join(mac, []byte{0x81, 0, 0, 5, 8, 0}, four), "four"},
		{Ethernet, join(mac, []byte{8, 0}, fragment), ""},
		{Ethernet, join(mac, []byte{8, 6}, four), ""},
		{Ethernet, mac, ""},
		{Cooked, join(make([]byte, 14), []byte{8, 0}, four), "four"},
		{Cooked2, join([]byte{0x86, 0xdd}, make([]byte, 18), six), "six"},
		{101, four, ""},
	} {
		p := Packet{Link: f.link, Data: f.data}
		if got, ok := p.UDP(); string(got) != f.want || ok != (f.want != "") {
			t.Errorf("link %d: %q, %v, not %q", f.link, got, ok, f.want)
		}
		for n := range f.data { // cut anywhere
			p.Data = f.data[:n]
			if got, ok := p.UDP(); ok && string(got) != f.want {
				t.Errorf("link %d cut at %d: %q", f.link, n, got)
			}
		}
	}
}

// The forms of files that libpcap reads.
func TestFormats(t *testing.T) {
	packet := join(make([]byte, 12), []byte{8, 0}, udpPacket(t, false, "hello"))
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		u16, u32 := order.AppendUint16, order.AppendUint32
		classic := func(magic uint32, fraction uint32, more int) []byte {
			b := u32(nil, magic)
			b = append(b, make([]byte, 12)...)
			b = u32(u32(b, 65535), Ethernet)
			b = u32(u32(b, 7), fraction)
			b = u32(u32(b, uint32(len(packet))), uint32(len(packet)))
			b = append(b, make([]byte, more)...)
			return append(b, packet...)
		}
		block := func(kind uint32, body []byte) []byte {
			for len(body)%4 != 0 {
				body = append(body, 0)
			}
			n := uint32(len(body) + 12)
			return u32(append(u32(u32(nil, kind), n), body...), n)
		}
		section := block(blockSection, join(u32(nil, 0x1a2b3c4d), u16(u16(nil, 1), 0), bytes.Repeat([]byte{255}, 8)))
		port := func(options ...byte) []byte {
			return block(blockInterface, join(u16(nil, Ethernet), u16(nil, 0), u32(nil, 0), options))
		}
		n := uint32(len(packet))
		nanos := port(append(u16(u16(nil, 9), 1), 9, 0, 0, 0)...)
		ticks := uint64(7000005000)
		for name, b := range map[string][]byte{
			"microseconds": classic(0xa1b2c3d4, 5, 0),
			"nanoseconds":  classic(0xa1b23c4d, 5999, 0),
			"Kuznetzov":    classic(0xa1b2cd34, 5, 8),
			"pcapng": join(section, port(), block(99, []byte("unknown block")), nanos,
				block(blockPacket, join(u32(u32(u32(nil, 1), uint32(ticks>>32)), uint32(ticks)), u32(u32(nil, n), n), packet))),
			"pcapng of old": join(section, port(), section, port(),
				block(blockOldPacket, join(u16(u16(nil, 0), 3), u32(u32(nil, 0), 7000005), u32(u32(nil, n), n), packet))),
			"pcapng, simple": join(section, port(), block(blockSimple, join(u32(nil, n), packet))),
		} {
			got, micros := read(t, b)
			want := int64(7000005)
			if strings.HasSuffix(name, "simple") {
				want = 0
			}
			if len(got) != 1 || got[0] != "hello" || micros[0] != want {
				t.Errorf("%s, %v: %q at %d", name, order, got, micros)
			}
			// Cut anywhere it ends with an error that tells where.
			for n := range b {
				r, err := NewReader(bytes.NewReader(b[:n]))
				for err == nil {
					_, err = r.Next()
				}
				var e *Error
				if err != io.EOF && !errors.Is(err, ErrFormat) && (!errors.As(err, &e) || e.Offset > int64(n)) {
					t.Errorf("%s cut at %d: %v", name, n, err)
				}
			}
		}
	}
}

func TestNoCapture(t *testing.T) {
	for _, text := range []string{"", "abc", "MJR00002", "\n\r\r\n" + strings.Repeat("x", 100)} {
		r, err := NewReader(strings.NewReader(text))
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrDamaged) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(AppendUDP(AppendHeader(nil), 5, []byte("hello")))
	f.Add([]byte("\n\r\r\n\x1c\x00\x00\x00\x4d\x3c\x2b\x1a\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x1c\x00\x00\x00" +
		"\x01\x00\x00\x00\x14\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x14\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		at := int64(-1)
		for {
			p, err := r.Next()
			if err != nil {
				var e *Error
				if err != io.EOF && (!errors.As(err, &e) || e.Offset <= at || e.Offset > int64(len(b))) {
					t.Fatal(err)
				}
				return
			}
			if p.Offset <= at {
				t.Fatalf("a record at %d after %d", p.Offset, at)
			}
			at = p.Offset
			if got, ok := p.UDP(); ok && (!Known(p.Link) || !bytes.Contains(b, got)) {
				t.Fatal("a datagram of nowhere")
			}
		}
	})
}
