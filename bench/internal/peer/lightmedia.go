package peer

import (
	"net"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// stream is a sending RTP stream.
type stream struct {
	ssrc           uint32
	packet         rtp.Packet
	step           uint32 // of the timestamp, for each frame
	packets, bytes uint32
	exts           map[int]bool
}

func newStream(pt uint8, ssrc uint32, step int) *stream {
	return &stream{ssrc: ssrc, step: uint32(step), packet: rtp.Packet{Header: rtp.Header{
		Version: 2, PayloadType: pt, SSRC: ssrc, SequenceNumber: 1000,
	}}}
}

func (s *stream) use(negotiated map[int]bool) { s.exts = negotiated }

// SendFrame implements Peer.
func (p *light) SendFrame() {
	frame := p.camera.next()
	p.video.packet.Timestamp += p.video.step
	for i, payload := range frame {
		p.send(p.video, payload, i == len(frame)-1)
	}
}

// SendAudio implements Peer.
func (p *light) SendAudio() {
	p.audio.packet.Timestamp += p.audio.step
	p.send(p.audio, p.microphone.next(), false)
}

func (p *light) send(s *stream, payload []byte, marker bool) {
	now := clock()
	putTag(payload, p.o.ID, now)
	h := &s.packet.Header
	h.SequenceNumber++
	h.Marker = marker
	p.extend(s, now)
	s.packet.Payload = payload
	n, err := s.packet.MarshalTo(p.plain[:cap(p.plain)])
	if err != nil {
		return
	}
	sealed, err := p.out.EncryptRTP(p.spare[:0], p.plain[:n], h)
	if err != nil {
		return
	}
	s.packets++
	s.bytes += uint32(len(payload))
	p.counts.send(now, len(payload))
	_, _ = p.udp.WriteToUDPAddrPort(sealed, p.server)
}

// extend sets the header extensions that the server wants.
func (p *light) extend(s *stream, now time.Duration) {
	h := &s.packet.Header
	if s.exts[extMID] {
		mid := byte('0')
		if s == p.video {
			mid = '1'
		}
		_ = h.SetExtension(extMID, []byte{mid})
	}
	if s.exts[extAbsSendTime] {
		v := uint32((now << 18) / time.Second)
		_ = h.SetExtension(extAbsSendTime, []byte{byte(v >> 16), byte(v >> 8), byte(v)})
	}
	if s.exts[extTransportSeq] {
		p.transportSeq++
		_ = h.SetExtension(extTransportSeq, []byte{byte(p.transportSeq >> 8), byte(p.transportSeq)})
	}
	if s.exts[extAudioLevel] {
		_ = h.SetExtension(extAudioLevel, []byte{0x80 | 30})
	}
}

// SendReports implements Peer: a sender report of each stream, with what was
// received of the echo.
func (p *light) SendReports() {
	blocks := p.inbound.reports()
	if p.listener {
		p.sendReceiverReport(blocks)
		return
	}
	for i, s := range []*stream{p.audio, p.video} {
		const ntpEpoch = 2208988800 // 1970 in seconds of 1900
		t := time.Now()
		sr := rtcp.SenderReport{
			SSRC:        s.ssrc,
			NTPTime:     uint64(t.Unix()+ntpEpoch)<<32 | uint64(t.Nanosecond())<<32/1e9,
			RTPTime:     s.packet.Timestamp,
			PacketCount: s.packets,
			OctetCount:  s.bytes,
		}
		if blocks[i].SSRC != 0 {
			sr.Reports = blocks[i : i+1]
		}
		b, err := rtcp.Marshal([]rtcp.Packet{&sr, rtcp.NewCNAMESourceDescription(s.ssrc, "bench")})
		if err != nil {
			continue
		}
		if sealed, err := p.out.EncryptRTCP(nil, b, nil); err == nil {
			_, _ = p.udp.WriteToUDPAddrPort(sealed, p.server)
		}
	}
}

// sendReceiverReport is for those who send nothing else.
func (p *light) sendReceiverReport(blocks [2]rtcp.ReceptionReport) {
	rr := rtcp.ReceiverReport{SSRC: p.video.ssrc}
	for _, b := range blocks {
		if b.SSRC != 0 {
			rr.Reports = append(rr.Reports, b)
		}
	}
	b, err := rtcp.Marshal([]rtcp.Packet{&rr, rtcp.NewCNAMESourceDescription(rr.SSRC, "bench")})
	if err != nil {
		return
	}
	if sealed, err := p.out.EncryptRTCP(nil, b, nil); err == nil {
		_, _ = p.udp.WriteToUDPAddrPort(sealed, p.server)
	}
}

// inbound is the receiving half of a light peer. It is fed by the goroutine
// that reads the socket.
type inbound struct {
	id     uint32
	counts *Counts

	mu      sync.Mutex
	context *srtp.Context // nil before the handshake is done
	header  rtp.Header
	plain   []byte
	last    [2]rtcp.ReceptionReport // audio, video
}

func (in *inbound) init(c *Counts, id uint32) {
	in.counts, in.id = c, id
	in.plain = make([]byte, 0, 2048)
}

func (in *inbound) open(c *srtp.Context) {
	in.mu.Lock()
	in.context = c
	in.mu.Unlock()
}

// take takes an SRTP or SRTCP packet.
func (in *inbound) take(b []byte) {
	const firstRTCP, lastRTCP = 192, 223 // RFC 5761, 4
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.context == nil || b[1] >= firstRTCP && b[1] <= lastRTCP {
		return
	}
	n, err := in.header.Unmarshal(b)
	if err != nil {
		in.counts.strange.Add(1)
		return
	}
	plain, err := in.context.DecryptRTP(in.plain[:0], b, &in.header)
	if err != nil || len(plain) < n {
		in.counts.strange.Add(1)
		return
	}
	which := 0
	if in.header.PayloadType == videoType {
		which = 1
	}
	r := &in.last[which]
	r.SSRC = in.header.SSRC
	if uint16(r.LastSequenceNumber) > in.header.SequenceNumber && uint16(r.LastSequenceNumber)-in.header.SequenceNumber > 1<<15 {
		r.LastSequenceNumber += 1 << 16
	}
	r.LastSequenceNumber = r.LastSequenceNumber&^0xffff | uint32(in.header.SequenceNumber)
	if payload := unpad(in.header.Padding, plain[n:]); len(payload) > 0 {
		in.counts.receive(in.id, payload)
	}
}

// unpad takes padding off (RFC 3550, 5.1); nothing is left of a packet that is
// padding only.
func unpad(padded bool, payload []byte) []byte {
	if !padded || len(payload) == 0 {
		return payload
	}
	return payload[:max(0, len(payload)-int(payload[len(payload)-1]))]
}

func (in *inbound) reports() [2]rtcp.ReceptionReport {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.last
}

// filter is the socket as ICE sees it: RTP and RTCP (RFC 7983) go to media,
// which is lent the datagram.
type filter struct {
	udp   *net.UDPConn
	media func([]byte)
}

func (f *filter) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := f.udp.ReadFromUDPAddrPort(b)
		if err != nil {
			return 0, nil, err
		}
		if n >= 12 && b[0] >= 128 && b[0] <= 191 {
			f.media(b[:n])
			continue
		}
		return n, net.UDPAddrFromAddrPort(from), nil
	}
}

func (f *filter) WriteTo(b []byte, to net.Addr) (int, error) { return f.udp.WriteTo(b, to) }
func (f *filter) Close() error                               { return f.udp.Close() }
func (f *filter) LocalAddr() net.Addr                        { return f.udp.LocalAddr() }
func (f *filter) SetDeadline(t time.Time) error              { return f.udp.SetDeadline(t) }
func (f *filter) SetReadDeadline(t time.Time) error          { return f.udp.SetReadDeadline(t) }
func (f *filter) SetWriteDeadline(t time.Time) error         { return f.udp.SetWriteDeadline(t) }
