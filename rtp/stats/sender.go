package stats

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
)

// qualityPeriod is how often at most the peer's reports update the qualities.
const qualityPeriod = 2 * time.Second

// maxRTT is the longest round-trip time that is believed.
const maxRTT = 60 * time.Second

// Sender counts one sent SSRC and keeps the peer's reports about it. Rate is
// set before the first packet; otherwise the zero Sender is ready for use.
type Sender struct {
	Rate uint32 // timestamp units per second

	// Each packet changes these, so they lie close together.
	lastTS  uint32
	lastAt  mono.Time
	Packets uint64 // sent, without retransmissions
	Octets  uint64 // of their payload
	Bytes   uint64 // as passed to Sent and Resent
	rate    window

	Retransmitted uint64 // packets sent again
	NACKs         uint64 // sequence numbers the peer asked for; counted by the owner

	RTT          time.Duration // last measured, 0 until then
	RTTOf        RTTValues     // the inputs of RTT
	SmoothedRTT  time.Duration // 7/8 old, 1/8 new
	RemoteLost   int32         // cumulative loss that the peer reports
	RemoteLoss   uint8         // fraction lost in its last report, in 1/256
	RemoteJitter uint32        // in timestamp units
	Link, Media  Quality       // as reported, and counting packets sent again as repaired

	reported   bool
	highest    uint32 // of the report that the qualities last used
	lost       int32
	repaired   uint64
	qualityAt  mono.Time
	lostAtTick int32
}

// RTTValues are the three figures of a round-trip time, the middle 32 bits of
// NTP times or 1/65536 s (RFC 3550, 6.4.1).
type RTTValues struct {
	Arrival uint32 // of the report
	LSR     uint32
	DLSR    uint32
}

// Sent counts a packet with this timestamp, payload bytes and total size.
func (s *Sender) Sent(now mono.Time, ts uint32, payload, size int) {
	s.SentAside(now, payload, size)
	s.lastTS, s.lastAt = ts, now
}

// SentAside counts a packet whose timestamp does not say when it was sent, such as one
// of a telephone event (RFC 4733, 2.2.1).
func (s *Sender) SentAside(now mono.Time, payload, size int) {
	s.rate.add(now, size)
	s.Packets++
	s.Octets += uint64(payload)
	s.Bytes += uint64(size)
}

// Resent counts a packet sent again, over RTX or not; it shows in Retransmitted
// and the bytes only.
func (s *Sender) Resent(now mono.Time, size int) {
	s.rate.add(now, size)
	s.Retransmitted++
	s.Bytes += uint64(size)
}

// Report returns the sender part of an SR for the stream, called ssrc: the
// timestamp is extrapolated from the last packet by the clock rate. ok is false
// while nothing was sent.
func (s *Sender) Report(now mono.Time, ssrc uint32) (info rtcp.SenderInfo, ok bool) {
	if s.lastAt == 0 {
		return info, false
	}
	elapsed := now.Sub(s.lastAt).Seconds() * float64(s.Rate)
	return rtcp.SenderInfo{
		SSRC:    ssrc,
		NTP:     rtcp.NTP(now.Wall()),
		RTPTime: s.lastTS + uint32(int64(elapsed+0.5)),
		Packets: uint32(s.Packets),
		Octets:  uint32(s.Octets),
	}, true
}

// RemoteReport takes note of the peer's report about the stream. The round-trip
// time is measured if it refers to an SR made by Report in this process.
func (s *Sender) RemoteReport(now mono.Time, b *rtcp.ReportBlock) {
	s.RemoteLost, s.RemoteLoss, s.RemoteJitter = b.Lost, b.FractionLost, b.Jitter
	if b.LSR != 0 {
		s.measureRTT(RTTValues{rtcp.MiddleNTP(rtcp.NTP(now.Wall())), b.LSR, b.DLSR})
	}
	s.updateQuality(now, b)
}

// measureRTT takes a round-trip time. Rounding on both sides may make a short
// one slightly negative; it counts as the shortest there is.
func (s *Sender) measureRTT(of RTTValues) {
	const slack = 1 << 16 / 100
	v := of.Arrival - of.LSR - of.DLSR
	if int32(v) <= 0 {
		if int32(v) < -slack {
			return
		}
		v = 1
	}
	rtt := rtcp.ShortDuration(v)
	if rtt > maxRTT {
		return
	}
	s.RTT, s.RTTOf = rtt, of
	if s.SmoothedRTT == 0 {
		s.SmoothedRTT = rtt
	} else {
		s.SmoothedRTT += (rtt - s.SmoothedRTT) / 8
	}
}

func (s *Sender) updateQuality(now mono.Time, b *rtcp.ReportBlock) {
	if s.reported && now.Sub(s.qualityAt) < qualityPeriod {
		return
	}
	expected := int64(int32(b.HighestSeq - s.highest))
	lost := int64(b.Lost) - int64(s.lost)
	repaired := int64(s.Retransmitted - s.repaired)
	if s.reported && expected > 0 {
		s.Link.Update(lost, expected)
		s.Media.Update(lost-repaired, expected)
	}
	s.reported, s.qualityAt = true, now
	s.highest, s.lost, s.repaired = b.HighestSeq, b.Lost, s.Retransmitted
}

// LossGrowth returns by how much the loss that the peer reports grew since the
// previous call, at least 0.
func (s *Sender) LossGrowth() int {
	growth := s.RemoteLost - s.lostAtTick
	s.lostAtTick = s.RemoteLost
	return int(max(growth, 0))
}

// RemoteJitterTime returns the jitter that the peer reports as a duration.
func (s *Sender) RemoteJitterTime() time.Duration {
	return unitsToTime(float64(s.RemoteJitter), s.Rate)
}

// BytesLastSecond returns how many bytes were sent in the last full second.
func (s *Sender) BytesLastSecond(now mono.Time) int { return s.rate.value(now) }
