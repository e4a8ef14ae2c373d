package peer

import (
	"encoding/binary"
	"slices"
	"time"

	"bifrons/ice/netio"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// misses finds a packet among those that were lost, -1 = it is not.
func (st *stream) misses(seq uint16) int { return slices.Index(st.missing, seq) }

func (st *stream) found(i int) { st.missing = slices.Delete(st.missing, i, i+1) }

// mostMissing bounds the missing packets that are waited for: two seconds of heavy loss.
const mostMissing = 128

// missed asks for a packet again (RFC 4585, 6.2.1), at once and once.
func (p *Light) missed(st *stream, seq uint16) {
	if len(st.missing) == mostMissing {
		st.found(0)
	}
	st.missing = append(st.missing, seq)
	p.sendRTCP(&rtcp.TransportLayerNack{
		SenderSSRC: p.o.ID<<8 | 1, MediaSSRC: st.ssrc, Nacks: []rtcp.NackPair{{PacketID: seq}},
	})
}

// repaired takes a packet of RTX (RFC 4588).
func (p *Light) repaired(primary byte, open bool, b []byte) {
	n, err := p.header.Unmarshal(b)
	if err != nil {
		return
	}
	plain, err := p.in.DecryptRTP(p.plain[:0], b, &p.header)
	if err != nil || len(plain) < n+2 {
		return // padding, with which servers probe
	}
	seq := binary.BigEndian.Uint16(plain[n:])
	for i := range p.streams {
		st := &p.streams[i]
		if at := st.misses(seq); st.kind == primary && at >= 0 {
			st.found(at)
			if open {
				p.hub.totals.Recovered++
				p.hub.totals.Received++
				p.got++
			}
			return
		}
	}
}

// sendRTCP queues feedback. The hub's lock is held.
func (p *Light) sendRTCP(list ...rtcp.Packet) {
	b, err := rtcp.Marshal(list)
	if err != nil {
		return
	}
	if sealed, err := p.out.EncryptRTCP(nil, b, nil); err == nil {
		p.hub.reply(p, p.server, sealed)
	}
}

// rtcp takes feedback. Only who sends has a use for it.
func (p *Light) rtcp(b []byte) {
	if p.in == nil || p.sender == nil {
		return
	}
	plain, err := p.in.DecryptRTCP(nil, b, nil)
	if err != nil {
		p.hub.totals.Strange++
		return
	}
	list, err := rtcp.Unmarshal(plain)
	if err != nil {
		return
	}
	for _, m := range list {
		switch m := m.(type) {
		case *rtcp.PictureLossIndication:
			p.sender.askKey(m.MediaSSRC)
		case *rtcp.FullIntraRequest:
			for _, e := range m.FIR {
				p.sender.askKey(e.SSRC)
			}
		case *rtcp.TransportLayerNack:
			for _, pair := range m.Nacks {
				for _, seq := range pair.PacketList() {
					if again := p.sender.repeat(m.MediaSSRC, seq); again != nil {
						p.hub.reply(p, p.server, again)
					}
				}
			}
		}
	}
}

// SendReports implements Reporter: receiver reports, and sender reports of
// sent media.
func (p *Light) SendReports() {
	now := time.Now()
	h := p.hub
	h.mu.Lock()
	var blocks []rtcp.ReceptionReport
	for i := range p.streams {
		st := &p.streams[i]
		blocks = append(blocks, rtcp.ReceptionReport{SSRC: st.ssrc, LastSequenceNumber: st.highest})
	}
	var list []rtcp.Packet
	own := p.o.ID<<8 | 1
	if p.sender != nil {
		list = p.sender.reports(now)
	}
	if len(blocks) > 0 || len(list) == 0 {
		list = append(list, &rtcp.ReceiverReport{SSRC: own, Reports: blocks[:min(len(blocks), 31)]})
	}
	list = append(list, rtcp.NewCNAMESourceDescription(own, "bench"))
	b, err := rtcp.Marshal(list)
	var sealed []byte
	if err == nil {
		sealed, err = p.out.EncryptRTCP(nil, b, nil)
	}
	h.mu.Unlock()
	if err == nil {
		h.send(p, sealed)
	}
}

// outgoing is a stream that is sent.
type outgoing struct {
	ssrc           uint32
	packet         rtp.Packet
	step           uint32 // of the timestamp, for each frame
	packets, bytes uint32
	rid            string
	tag            uint32
	camera         *camera
	// sealed are the latest packets, by sequence number.
	sealed [512]struct {
		seq uint16
		b   []byte
	}
}

func ntp(t time.Time) uint64 {
	const ntpEpoch = 2208988800 // 1970 in seconds of 1900
	return uint64(t.Unix()+ntpEpoch)<<32 | uint64(t.Nanosecond())<<32/1e9
}

func (s *sender) reports(now time.Time) (list []rtcp.Packet) {
	for _, o := range s.streams {
		if o.packets > 0 {
			list = append(list, &rtcp.SenderReport{
				SSRC: o.ssrc, NTPTime: ntp(now), RTPTime: o.packet.Timestamp,
				PacketCount: o.packets, OctetCount: o.bytes,
			})
		}
	}
	return list
}

// askKey makes the next frame of a stream a key frame.
func (s *sender) askKey(ssrc uint32) {
	for _, o := range s.streams {
		if o.camera != nil && (o.ssrc == ssrc || o.rid != "") {
			o.camera.wantKey = true
		}
	}
}

// repeat returns a packet that was sent before, or nil.
func (s *sender) repeat(ssrc uint32, seq uint16) []byte {
	for _, o := range s.streams {
		if e := &o.sealed[int(seq)%len(o.sealed)]; o.ssrc == ssrc && e.seq == seq && len(e.b) > 0 {
			return append([]byte(nil), e.b...)
		}
	}
	return nil
}

// flush sends the sealed packets. The hub's lock must not be held.
func (s *sender) flush() {
	s.p.hub.sendAll(s.batch)
	clear(s.batch)
	s.batch = s.batch[:0]
}

func (s *sender) queue(b []byte) {
	s.batch = append(s.batch, netio.Message{Buf: b, Remote: s.p.server, Local: s.p.addr})
}
