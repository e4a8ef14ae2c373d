package plain

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/route"
)

// reportInterval is the mean time between two reports (RFC 3550, 6.2).
const reportInterval = mono.Time(5 * time.Second)

// reports says when RTCP is due, and has memory to write it.
type reports struct {
	next   mono.Time
	before [2]mono.Time // the latest two, newest first
	sent   mono.Time    // the last packet of RTP
	any    bool         // RTCP was sent
	heard  uint64       // compounds of the far end
	seed   uint64
	blocks [1]rtcp.ReportBlock
	buf    [512]byte
}

func (r *reports) begin(now mono.Time, seed uint64) {
	r.seed = seed
	r.next = now + r.interval()/2
}

// random is the next number of SplitMix64.
func (r *reports) random() uint64 {
	r.seed += 0x9e3779b97f4a7c15
	x := r.seed
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// interval is half to one and a half times the mean (RFC 3550, 6.3.1), so that many
// sessions do not report together.
func (r *reports) interval() mono.Time {
	return reportInterval/2 + mono.Time(r.random()%uint64(reportInterval))
}

func (r *reports) due(now mono.Time) bool {
	if now < r.next {
		return false
	}
	r.next = now + r.interval()
	return true
}

// report sends a report: one of a sender, if it has sent lately (RFC 3550, 6.4).
func (s *Session) report(now mono.Time) {
	if !s.rtcp.to.IsValid() {
		return
	}
	r := &s.reports
	b, blocks := r.buf[:0], r.blocks[:0]
	if blk, ok := s.rx.Report(now, s.rxSSRC); ok {
		blocks = append(blocks, blk)
	}
	if info, ok := s.tx.Report(now, s.SSRC); ok && r.sent >= r.before[1] {
		b = rtcp.AppendSR(b, &info, blocks)
	} else {
		b = rtcp.AppendRR(b, s.SSRC, blocks)
	}
	s.transmit(rtcp.AppendCNAME(b, s.SSRC, s.CNAME))
	r.before[0], r.before[1] = now, r.before[0]
}

// compound begins one for something else than a report, which has to have an empty one
// at its start (RFC 3550, 6.1).
func (s *Session) compound() []byte {
	return rtcp.AppendCNAME(rtcp.AppendRR(s.reports.buf[:0], s.SSRC, nil), s.SSRC, s.CNAME)
}

// transmit seals and sends a compound.
func (s *Session) transmit(b []byte) bool {
	if !s.rtcp.to.IsValid() || len(b) == 0 {
		return false
	}
	room := s.control.Reserve()
	n := copy(room, b)
	if s.remote.Sealer != nil {
		var err error
		if n, err = s.remote.Sealer.SealRTCP(room, b); err != nil {
			return false
		}
	}
	s.control.Commit(s.rtcp.to, n)
	s.reports.any = true
	return true
}

// feedback sends a request to the far end, in a compound (RFC 4585, 3.1); b is lent.
func (s *Session) feedback(b []byte) bool {
	if !s.remote.PLI {
		if s.Keyframe == nil || !isPLI(b) {
			return false
		}
		s.Keyframe()
		return true
	}
	if !s.rtcp.to.IsValid() {
		return false
	}
	return s.transmit(append(s.compound(), b...))
}

func isPLI(b []byte) bool {
	it := rtcp.Parse(b)
	if !it.Next() {
		return false
	}
	f, ok := it.Packet.Feedback()
	return ok && f.IsPLI()
}

// bye says that we leave, if anybody has heard of us (RFC 3550, 6.3.7).
func (s *Session) bye() {
	if s.reports.any || s.tx.Packets > 0 {
		s.transmit(rtcp.AppendBye(s.compound(), s.SSRC, ""))
	}
}

// handleReports takes a compound of the far end.
func (s *Session) handleReports(now mono.Time, b []byte) {
	s.reports.heard++
	s.seen = now
	for it := rtcp.Parse(b); it.Next(); {
		switch it.Packet.Type {
		case rtcp.TypeSR:
			if r, ok := it.Packet.SenderReport(); ok {
				if r.SSRC == s.rxSSRC {
					s.rx.SenderReport(now, r.NTP)
				}
				s.in.Report(0, route.Report{SSRC: r.SSRC, Timestamp: r.RTPTime, NTP: r.NTP, At: now})
				s.handleBlocks(now, r.Blocks)
			}
		case rtcp.TypeRR:
			if r, ok := it.Packet.ReceiverReport(); ok {
				s.handleBlocks(now, r.Blocks)
			}
		case rtcp.TypePSFB:
			if f, ok := it.Packet.Feedback(); ok && (f.IsPLI() || f.FIRLen() > 0) {
				if t := s.sub.Track(); t != nil {
					t.RequestKeyframe(now)
				}
			}
		}
	}
}

func (s *Session) handleBlocks(now mono.Time, l rtcp.Blocks) {
	for i := range l.Len() {
		if blk := l.At(i); blk.SSRC == s.SSRC {
			s.tx.RemoteReport(now, &blk)
		}
	}
}
