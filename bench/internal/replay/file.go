// Package replay plays captured RTP through the engine with virtual time, and
// checks and writes down what its receivers get. The same capture gives the same
// bytes in every run.
package replay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Datagram is one captured UDP datagram.
type Datagram struct {
	At       time.Duration // since the first datagram of the file
	From, To netip.AddrPort
	Data     []byte
}

// maxDatagrams bounds the datagrams read of one file.
const maxDatagrams = 1 << 20

// ReadFile reads the UDP datagrams of a file in pcap or pcapng format.
func ReadFile(path string) ([]Datagram, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// Read reads the UDP datagrams of a capture in pcap or pcapng format, in the order
// in which they were captured. Anything but UDP, fragments, and packets cut short by the
// capture are left out. A file that ends within a record gives what came before.
func Read(r io.Reader) ([]Datagram, error) {
	b := bufio.NewReader(r)
	next, link, err := open(b)
	if err != nil {
		return nil, err
	}
	var list []Datagram
	var begin time.Time
	for len(list) < maxDatagrams {
		data, info, err := next()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || len(list) > 0 {
				return list, nil
			}
			return nil, err
		}
		d, ok := decode(data, link())
		if !ok || info.CaptureLength < info.Length {
			continue
		}
		if begin.IsZero() {
			begin = info.Timestamp
		}
		d.At = max(info.Timestamp.Sub(begin), 0)
		list = append(list, d)
	}
	return list, nil
}

// pcapngMagic begins a pcapng file: the type of its section header block.
var pcapngMagic = []byte{0x0a, 0x0d, 0x0d, 0x0a}

type readFunc func() ([]byte, gopacket.CaptureInfo, error)

// open finds out the format.
func open(b *bufio.Reader) (next readFunc, link func() layers.LinkType, err error) {
	magic, err := b.Peek(len(pcapngMagic))
	if err != nil {
		return nil, nil, errors.New("this is no capture: it is empty")
	}
	if bytes.Equal(magic, pcapngMagic) {
		r, err := pcapgo.NewNgReader(b, pcapgo.DefaultNgReaderOptions)
		if err != nil {
			return nil, nil, fmt.Errorf("this is no pcapng file: %w", err)
		}
		return r.ReadPacketData, r.LinkType, nil
	}
	r, err := pcapgo.NewReader(b)
	if err != nil {
		return nil, nil, fmt.Errorf("this is neither a pcap nor a pcapng file: %w", err)
	}
	return r.ReadPacketData, r.LinkType, nil
}

// decode finds the UDP datagram in a frame.
func decode(frame []byte, link layers.LinkType) (d Datagram, ok bool) {
	p := gopacket.NewPacket(frame, link, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
	if !ok || len(udp.Payload) == 0 || len(udp.Payload) != int(udp.Length)-8 {
		return d, false
	}
	network := p.NetworkLayer()
	if network == nil {
		return d, false
	}
	from, ok1 := netip.AddrFromSlice(network.NetworkFlow().Src().Raw())
	to, ok2 := netip.AddrFromSlice(network.NetworkFlow().Dst().Raw())
	if !ok1 || !ok2 {
		return d, false
	}
	return Datagram{
		From: netip.AddrPortFrom(from, uint16(udp.SrcPort)), To: netip.AddrPortFrom(to, uint16(udp.DstPort)),
		Data: append([]byte(nil), udp.Payload...),
	}, true
}

// Write writes datagrams as a pcap or pcapng file, within IP packets without a
// link layer.
func Write(w io.Writer, pcapng bool, begin time.Time, list []Datagram) error {
	const snapLen = 65535
	var write func(gopacket.CaptureInfo, []byte) error
	finish := func() error { return nil }
	if pcapng {
		ng, err := pcapgo.NewNgWriter(w, layers.LinkTypeRaw)
		if err != nil {
			return err
		}
		write, finish = ng.WritePacket, ng.Flush
	} else {
		p := pcapgo.NewWriter(w)
		if err := p.WriteFileHeader(snapLen, layers.LinkTypeRaw); err != nil {
			return err
		}
		write = p.WritePacket
	}
	for _, d := range list {
		ip := &layers.IPv4{
			Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP,
			SrcIP: d.From.Addr().AsSlice(), DstIP: d.To.Addr().AsSlice(),
		}
		udp := &layers.UDP{SrcPort: layers.UDPPort(d.From.Port()), DstPort: layers.UDPPort(d.To.Port())}
		if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
			return err
		}
		b := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
			ip, udp, gopacket.Payload(d.Data)); err != nil {
			return err
		}
		n := len(b.Bytes())
		info := gopacket.CaptureInfo{Timestamp: begin.Add(d.At), CaptureLength: n, Length: n}
		if err := write(info, b.Bytes()); err != nil {
			return err
		}
	}
	return finish()
}
