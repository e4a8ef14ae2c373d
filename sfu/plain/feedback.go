package plain

import (
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
)

// SetFeedback says how RTCP gets to the sender of a track, negative = of all.
// send borrows b and reports false as long as it does not know where to.
func (s *Source) SetFeedback(i int, send func(b []byte) bool) {
	for j, t := range s.tracks {
		if i < 0 || i == j {
			t.feedback = send
		}
	}
}

// RequestKeyframe asks the source for a key frame of a track, -1 = all, each at
// most once a second. Early requests wait, and so do those that cannot be sent
// yet.
func (s *Source) RequestKeyframe(now mono.Time, i int) {
	for j, t := range s.tracks {
		if i < 0 || i == j {
			s.requestKeyframe(now, t)
		}
	}
}

func (s *Source) requestKeyframe(now mono.Time, t *track) {
	if t.Kind != media.Video || t.feedback == nil || s.closed {
		return
	}
	t.waiting = true
	if t.asked != 0 && now-t.asked < keyframeInterval {
		return
	}
	b := s.scratch[:0]
	for e := range t.lanes {
		if ln := &t.lanes[e]; ln.started {
			b = rtcp.AppendPLI(b, rtcp.Ends{Sender: s.reporter, Media: ln.ssrc})
		}
	}
	if len(b) > 0 && t.feedback(b) {
		t.asked, t.waiting = now, false
	}
}

// LimitBitrate asks the source not to send more, in bit/s: the lowest limit of
// each second.
func (s *Source) LimitBitrate(now mono.Time, bps uint64) {
	if s.bitrate == 0 || bps < s.bitrate {
		s.bitrate = max(bps, 1)
	}
	s.sendBitrate(now)
}

func (s *Source) sendBitrate(now mono.Time) {
	if s.bitrate == 0 || s.bitrateAt != 0 && now-s.bitrateAt < bitrateInterval || s.closed {
		return
	}
	for _, t := range s.tracks {
		ln := &t.lanes[0]
		if t.Kind != media.Video || t.feedback == nil || !ln.started {
			continue
		}
		if t.feedback(rtcp.AppendREMB(s.scratch[:0], s.reporter, s.bitrate, ln.ssrc)) {
			s.bitrateAt = now
		}
	}
	if s.bitrateAt == now {
		s.bitrate = 0
	}
}
