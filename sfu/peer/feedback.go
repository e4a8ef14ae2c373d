package peer

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
)

const (
	reportInterval = time.Second
	// reportsApart is the time between the moments for reports, which all peers share.
	reportsApart = 100 * time.Millisecond
	// keyframeInterval is the least time between two requests for a key frame.
	keyframeInterval = 300 * time.Millisecond
	// keyframeRepeat is when a request is repeated that had no effect; the time
	// doubles with each of keyframeRepeats. Browsers ask only every 3 s.
	keyframeRepeat  = 500 * time.Millisecond
	keyframeRepeats = 3
	// silence is after how long without a packet an encoding is not waited for.
	silence = time.Second
	// defaultBitrate is the rate in REMB without a limit, in bit/s.
	defaultBitrate = 10_000_000
	cname          = "janus"
	// maxCompound keeps reports below any path MTU, in bytes.
	maxCompound = 1200
)

// advanceFeedback sends the feedback that is due.
func (p *Peer) advanceFeedback(now mono.Time) {
	if p.nextNACK != 0 && p.nextNACK <= now {
		p.sendNACKs(now)
	}
	if p.nextPLI != 0 && p.nextPLI <= now {
		p.nextPLI = 0
		for _, s := range p.sections {
			s.keyframeTurn(now)
		}
	}
	if p.nextTWCC != 0 && p.nextTWCC <= now {
		p.sendTransportFeedback(now)
		p.nextTWCC = now.Add(p.opt.TWCCPeriod).Floor(p.opt.TWCCPeriod)
	}
	if p.nextReport <= now {
		p.report(now)
		p.nextReport = now.Add(reportInterval).Floor(reportsApart)
	}
	if p.nextREMB != 0 && p.nextREMB <= now {
		p.tellDemand(now)
	}
	p.wake(p.nextREMB)
	p.wake(p.nextNACK)
	p.wake(p.nextPLI)
	p.wake(p.nextTWCC)
	p.wake(p.nextReport)
}

// sendRTCP seals and sends the packets built in the slice that rtcpBuffer lent.
func (p *Peer) sendRTCP(now mono.Time, b []byte) {
	if len(b) == 0 || !p.havePath {
		return
	}
	if p.capture != nil {
		p.capture.Take(media.Captured{At: now, Outgoing: true, RTCP: true, Head: b})
	}
	room := p.loop.Reserve()
	n := copy(room, b)
	if p.sealer != nil {
		var err error
		if n, err = p.sealer.SealRTCP(room, b); err != nil {
			return
		}
	}
	p.loop.Commit(p.path, n)
	p.agent.Sent(now)
}

// rtcpBuffer lends scratch memory for one compound.
func (p *Peer) rtcpBuffer() []byte {
	if p.scratch.rtcp == nil {
		p.scratch.rtcp = make([]byte, 0, 1500)
	}
	return p.scratch.rtcp[:0]
}

func (p *Peer) sendNACKs(now mono.Time) {
	p.nextNACK = mono.Never
	for _, s := range p.sections {
		for _, rx := range s.receivers {
			if rx == nil || !s.NACK || !s.Receive {
				continue
			}
			lost := rx.nack.Due(now, p.roundTrip(), p.scratch.lost[:0])
			if n := uint64(len(lost)); n > 0 {
				p.count.NACKsOut += n
				rx.stats.NACKs += n
				p.sendRTCP(now, rtcp.AppendNACK(p.rtcpBuffer(), rtcp.Ends{Sender: s.SSRC, Media: rx.ssrc}, lost))
			}
			if rx.nack.GaveUp != rx.gaveUp {
				rx.gaveUp = rx.nack.GaveUp
				if s.track.Follows(rx.encoding) {
					s.requestKeyframe(now) // those who watch cannot go on without it
				}
			}
			p.nextNACK = min(p.nextNACK, rx.nack.Deadline())
		}
	}
	if p.nextNACK == mono.Never {
		p.nextNACK = 0
	}
}

// roundTrip is the best estimate of the round-trip time, 0 if there is none.
func (p *Peer) roundTrip() time.Duration {
	if p.rtt > 0 {
		return p.rtt
	}
	return p.agent.RTT()
}

func (p *Peer) sendTransportFeedback(now mono.Time) {
	if p.twccOut == nil || p.twcc == nil {
		return
	}
	s, ssrc := p.twccMedia()
	if s == nil {
		return
	}
	b := p.twcc.Append(p.rtcpBuffer(), rtcp.Ends{Sender: s.SSRC, Media: ssrc})
	p.scratch.rtcp = b[:0]
	for it := rtcp.Parse(b); it.Next(); {
		p.sendRTCP(now, it.Packet.Raw)
	}
}

// twccMedia returns the first section of video that something comes in, with
// the SSRC of that: the subject of transport feedback.
func (p *Peer) twccMedia() (*section, uint32) {
	for _, s := range p.sections {
		if s.Kind != media.Video || !s.Receive || !s.TransportCC {
			continue
		}
		for _, rx := range s.receivers {
			if rx != nil {
				return s, rx.ssrc
			}
		}
	}
	return nil, 0
}

// requestKeyframe asks the remote for a key frame of all encodings (RFC 4585,
// 6.3.1), and again if none comes; early requests wait. It all lapses
// when key frames arrive.
func (s *section) requestKeyframe(now mono.Time) {
	if s.Encrypted { // key frames cannot be recognised
		s.wantKeyframe(now, 0)
		return
	}
	s.wantKeyframe(now, keyframeRepeats)
}

func (s *section) wantKeyframe(now mono.Time, repeats int) {
	p := s.peer
	if s.Kind != media.Video || !s.Receive || !p.Up() {
		return
	}
	s.keyframeWanted, s.keyframeRepeats = now, repeats
	if s.keyframeAt == 0 || now.Sub(s.keyframeAt) >= keyframeInterval {
		s.sendPLI(now)
		return
	}
	s.keyframeDue = mono.Earliest(s.keyframeDue, s.keyframeAt.Add(keyframeInterval))
	p.nextPLI = mono.Earliest(p.nextPLI, s.keyframeDue)
	p.wake(p.nextPLI)
}

// keyframeTurn sends the request that is due, unless it is still too early.
func (s *section) keyframeTurn(now mono.Time) {
	switch {
	case s.keyframeDue == 0:
	case s.keyframeDue <= now:
		s.keyframeDue = 0
		// A repetition is for those only who send something.
		if s.keyframeWanted > s.keyframeAt || s.lacksKeyframe(now) {
			s.sendPLI(now)
		}
	default:
		s.peer.nextPLI = mono.Earliest(s.peer.nextPLI, s.keyframeDue)
	}
}

// lacksKeyframe reports whether an encoding goes on without the key frame that is
// wanted.
func (s *section) lacksKeyframe(now mono.Time) bool {
	for _, rx := range s.receivers {
		if rx != nil && rx.keyframe < s.keyframeWanted && rx.packets > 0 && now.Sub(rx.lastRTP) < silence {
			return true
		}
	}
	return false
}

// keyframeCame notes that a key frame of an encoding begins.
func (s *section) keyframeCame(now mono.Time, rx *receiver) {
	s.keyframeSince, rx.keyframe = now, now
	if !s.lacksKeyframe(now) {
		s.keyframeDue = 0
	}
}

// sendPLI sends a request, and schedules the next one for when nothing comes.
func (s *section) sendPLI(now mono.Time) {
	p := s.peer
	s.keyframeDue = 0
	b := p.scratch.short[:0] // another peer's report may be under way
	for _, rx := range s.receivers {
		if rx == nil {
			continue
		}
		if s.PLI || !s.FIR {
			b = rtcp.AppendPLI(b, rtcp.Ends{Sender: s.SSRC, Media: rx.ssrc})
		} else {
			b = rtcp.AppendFIR(b, rtcp.Ends{Sender: s.SSRC, Media: rx.ssrc}, s.firSeq)
		}
		p.count.PLIsOut++
	}
	if len(b) == 0 {
		return // nothing was received yet: the first frame is a key frame
	}
	s.firSeq++
	s.keyframeAt = now
	p.scratch.short = b
	p.sendRTCP(now, b)
	if s.keyframeRepeats > 0 {
		after := max(keyframeRepeat, 2*p.roundTrip()) << (keyframeRepeats - s.keyframeRepeats)
		s.keyframeRepeats--
		s.keyframeDue = now.Add(after)
		p.nextPLI = mono.Earliest(p.nextPLI, s.keyframeDue)
		p.wake(p.nextPLI)
	}
}

// SetKeyframePeriod asks the remote for a key frame of every video when none
// has come or was asked for during d; 0 = off. The clock ticks by the second.
func (p *Peer) SetKeyframePeriod(d time.Duration) { p.keyframePeriod = d }

// refresh asks for the key frames that are due by the clock.
func (p *Peer) refresh(now mono.Time) {
	if p.keyframePeriod <= 0 {
		return
	}
	for _, s := range p.sections {
		if now.Sub(max(s.keyframeSince, s.keyframeAt)) > p.keyframePeriod-reportInterval/2 {
			s.wantKeyframe(now, 0)
		}
	}
}

// SetBitrateCap limits the remote's bitrate, by REMB; 0 = no limit.
func (p *Peer) SetBitrateCap(now mono.Time, bps uint64) {
	p.cap, p.capSet = bps, true
	if p.Up() {
		p.sendREMB(now)
	}
}

func (p *Peer) sendREMB(now mono.Time) {
	bps := p.cap
	if bps == 0 {
		bps = defaultBitrate
	}
	if d := p.demand(); d != 0 {
		bps = min(bps, d)
	}
	p.rembAt = now
	for _, s := range p.sections {
		if s.Kind != media.Video || !s.Receive || !s.REMB {
			continue
		}
		for _, rx := range s.receivers {
			if rx == nil {
				continue
			}
			b := rtcp.AppendRR(p.rtcpBuffer(), s.SSRC, nil)
			p.sendRTCP(now, rtcp.AppendREMB(b, s.SSRC, bps, rx.ssrc))
			break
		}
	}
}

// report sends sender and receiver reports and does the measurements
// of each second.
func (p *Peer) report(now mono.Time) {
	b := p.rtcpBuffer()
	for _, s := range p.sections {
		if info, ok := s.out.stats.Report(now, s.SSRC); ok && s.Send {
			b = rtcp.AppendSR(b, &info, nil)
			b = rtcp.AppendCNAME(b, s.SSRC, cname)
			b = p.splitCompound(now, b)
		}
		for i, rx := range s.receivers {
			if rx == nil {
				continue
			}
			if blk, ok := rx.stats.Report(now, rx.ssrc); ok && s.Receive {
				p.scratch.blocks[0] = blk
				b = rtcp.AppendRR(b, s.SSRC, p.scratch.blocks[:])
				b = p.splitCompound(now, b)
				p.slowLink(s, downlink, rx.stats.LossGrowth())
			}
			p.watchSilence(now, s, i, rx)
		}
		if s.track != nil {
			s.track.Expire(now)
		}
	}
	p.sendRTCP(now, b)
	p.refresh(now)
	if p.capSet {
		p.sendREMB(now)
	} else {
		p.tellDemand(now)
	}
}

// splitCompound sends the reports so far when another one might not fit.
func (p *Peer) splitCompound(now mono.Time, b []byte) []byte {
	if len(b) < maxCompound-100 {
		return b
	}
	p.sendRTCP(now, b)
	return p.rtcpBuffer()
}

// Values of Event.Uplink.
const (
	downlink = false // media of the remote
	uplink   = true  // our media
)

// slowLink reports lost packets when they are many.
func (p *Peer) slowLink(s *section, uplink bool, lost int) {
	if t := p.opt.SlowlinkThreshold; t > 0 && lost >= t {
		p.loop.Emit(Event{Kind: EventSlowLink, Section: s.Index, Uplink: uplink, Lost: lost})
	}
}

// watchSilence says when an encoding that had media has none any more.
func (p *Peer) watchSilence(now mono.Time, s *section, i int, rx *receiver) {
	idle := rx.window == 0
	rx.window = 0
	timer := p.opt.NoMediaTimer
	if !idle || !rx.receiving || timer <= 0 || now.Sub(p.upAt) < time.Second {
		return
	}
	if silence := now.Sub(rx.lastRTP); silence >= timer {
		rx.receiving = false
		rx.emitMedia(timer)
	}
}
