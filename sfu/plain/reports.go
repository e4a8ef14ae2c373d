package plain

import (
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/route"
)

// HandleRTCP takes RTCP for a track from its sender, negative = for all. Encrypted RTCP
// is of no use.
func (s *Source) HandleRTCP(now mono.Time, i int, b []byte) {
	if s.closed || s.opener != nil || rtcp.Validate(b) != nil {
		return
	}
	for it := rtcp.Parse(b); it.Next(); {
		if r, ok := it.Packet.SenderReport(); ok {
			s.Report(i, route.Report{SSRC: r.SSRC, Timestamp: r.RTPTime, NTP: r.NTP, At: now})
		}
	}
}

// Report takes note of a sender report for a track, negative = whichever has the SSRC. It
// may come before the first packet.
func (s *Source) Report(i int, r route.Report) {
	for j, t := range s.tracks {
		if i >= 0 && i != j {
			continue
		}
		for e := range t.lanes {
			if ln := &t.lanes[e]; ln.started && ln.ssrc == r.SSRC {
				r.SSRC, r.Timestamp = ln.key, r.Timestamp+uint32(ln.shift) // as its packets have them
				t.out.Reported(e, r)
				return
			}
		}
		if i >= 0 && !t.lanes[0].started {
			t.early = r
		}
	}
}
