package peer

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// handleRTCP takes one compound.
func (p *Peer) handleRTCP(now mono.Time, b []byte) {
	if !p.up {
		p.loop.Drop(media.DropRTPBeforeKeys)
		return
	}
	if p.opener != nil {
		n, err := p.opener.OpenRTCP(b)
		if err != nil {
			p.dropSealed(err)
			return
		}
		b = b[:n]
	}
	if rtcp.Validate(b) != nil {
		p.loop.Drop(media.DropRTCPMalformed)
		return
	}
	if p.capture != nil {
		p.capture.Take(media.Captured{At: now, RTCP: true, Head: b})
	}
	if p.reports != nil {
		p.reports(p.about(b), b)
	}
	p.received(now)
	for it := rtcp.Parse(b); it.Next(); {
		switch it.Packet.Type {
		case rtcp.TypeSR:
			if r, ok := it.Packet.SenderReport(); ok {
				p.senderReport(now, &r)
				p.reportBlocks(now, r.Blocks)
			}
		case rtcp.TypeRR:
			if r, ok := it.Packet.ReceiverReport(); ok {
				p.reportBlocks(now, r.Blocks)
			}
		case rtcp.TypeRTPFB, rtcp.TypePSFB:
			if f, ok := it.Packet.Feedback(); ok {
				p.feedback(now, &f)
			}
		}
	}
}

// about is the section that a compound is about, -1 if that does not show.
func (p *Peer) about(b []byte) int {
	for it := rtcp.Parse(b); it.Next(); {
		if r, ok := it.Packet.SenderReport(); ok {
			if st := p.streams[r.SSRC]; st != nil {
				return st.receiver.section.Index
			}
		}
		if r, ok := it.Packet.ReceiverReport(); ok && r.Blocks.Len() > 0 {
			if s := p.sending(r.Blocks.At(0).SSRC); s != nil {
				return s.Index
			}
		}
		if f, ok := it.Packet.Feedback(); ok {
			if s := p.sending(f.Media); s != nil {
				return s.Index
			}
		}
	}
	return -1
}

func (p *Peer) senderReport(now mono.Time, r *rtcp.SenderReport) {
	st := p.streams[r.SSRC]
	if st == nil || st.rtx {
		return
	}
	st.receiver.stats.SenderReport(now, r.NTP)
	st.receiver.section.track.Reported(st.receiver.encoding, route.Report{SSRC: r.SSRC, Timestamp: r.RTPTime, NTP: r.NTP, At: now})
}

// sending returns the section that sends with an SSRC.
func (p *Peer) sending(ssrc uint32) *section {
	for _, s := range p.sections {
		if s.Send && (s.SSRC == ssrc || s.RTXSSRC == ssrc && ssrc != 0) {
			return s
		}
	}
	return nil
}

// reportBlocks takes the remote's reports on the media from us.
func (p *Peer) reportBlocks(now mono.Time, l rtcp.Blocks) {
	for i := range l.Len() {
		blk := l.At(i)
		s := p.sending(blk.SSRC)
		if s == nil || s.SSRC != blk.SSRC {
			continue
		}
		o := s.out
		o.stats.RemoteReport(now, &blk)
		p.rtt = o.stats.SmoothedRTT
		if p.line != nil {
			p.line.report(now, o, &blk)
		}
		p.observe(&blk, o.stats.RTT)
		p.slowLink(s, uplink, o.stats.LossGrowth())
		if s.onLoss != nil {
			s.onLoss(now, float64(blk.FractionLost)/256)
		}
	}
}

// observe takes note of a report's round-trip time and loss.
func (p *Peer) observe(b *rtcp.ReportBlock, rtt time.Duration) {
	if b.LSR != 0 && rtt > 0 {
		p.opt.Observations.RTT.Observe(rtt.Seconds())
	}
	p.opt.Observations.Loss.Observe(float64(b.FractionLost) / 256)
}

func (p *Peer) feedback(now mono.Time, f *rtcp.Feedback) {
	switch {
	case f.IsNACK():
		if s := p.sending(f.Media); s != nil && s.SSRC == f.Media && s.NACK {
			for it := f.Lost(); it.Next(); {
				p.count.NACKsIn++
				s.out.stats.NACKs++
				s.out.retransmit(now, it.Seq)
			}
			if p.line != nil {
				p.line.repay(now)
			}
		}
	case f.IsPLI():
		p.keyframeRequested(now, f.Media)
	case f.IsFIR():
		for i := range f.FIRLen() {
			p.keyframeRequested(now, f.FIR(i).SSRC)
		}
	case f.IsTWCC():
		p.transportFeedback(now, f)
	default:
		if r, ok := f.REMB(); ok {
			p.remb = r.Bitrate
			if p.line != nil {
				p.line.estimated(now, r.Bitrate)
			}
			p.loop.Emit(Event{Kind: EventBitrate, Bitrate: r.Bitrate})
		}
	}
}

// transportFeedback takes the remote's feedback on our numbered packets.
func (p *Peer) transportFeedback(now mono.Time, f *rtcp.Feedback) {
	if p.line == nil {
		return
	}
	t, ok := f.TWCC()
	if !ok {
		p.loop.Drop(media.DropRTCPMalformed)
		return
	}
	p.line.feedback(now, &t)
}

// keyframeRequested passes the remote's wish on to the track.
func (p *Peer) keyframeRequested(now mono.Time, ssrc uint32) {
	s := p.sending(ssrc)
	if s == nil {
		return
	}
	p.count.PLIsIn++
	if t := s.out.sub.Track(); t != nil && !s.out.large.waitsForKey() && s.out.owed.held == 0 { // else one is under way, or will be
		t.RequestKeyframe(now)
	}
	p.loop.Emit(Event{Kind: EventKeyframeRequest, Section: s.Index})
}
