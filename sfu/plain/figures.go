package plain

import (
	"net/netip"
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// SessionStats are counts since a session began.
type SessionStats struct {
	In, Out Traffic // packets of RTP that were taken, and sent

	InSSRC  uint32        // of received packets, 0 = none came
	Lost    int64         // packets of the far end that did not come
	Jitter  time.Duration // of received packets (RFC 3550, 6.4.1)
	Silence time.Duration // since the last packet of RTP came in, or since the beginning
	Absence time.Duration // since the last packet of RTP or RTCP, likewise

	OutSSRC      uint32
	RemoteLost   int32         // of sent packets, as the far end reports
	RemoteJitter time.Duration // likewise
	RTT          time.Duration // 0 = not known
	ReportsIn    uint64        // compounds of RTCP

	// Why nothing may come in, as packets.
	NotAuthentic uint64         // SRTP with another key or suite, or none
	Replayed     uint64         // SRTP, seen before
	PayloadTypes uint64         // of a payload type that was not negotiated
	Elsewhere    uint64         // from another address than that which was signalled
	ElsewhereAt  netip.AddrPort // the latest of those
	Held         uint64         // kept back by the direction
	Untaken      uint64         // not sent: the far end does not take that codec
	Refused      uint64         // sent, but the far end's system says that nobody is there (ICMP)

	Latched netip.AddrPort // where packets go instead of the signalled address, invalid = there
}

// Stats returns the counts.
func (s *Session) Stats(now mono.Time) SessionStats {
	st := SessionStats{
		In: s.traffic, Out: s.out,
		Lost: s.lost + int64(s.rx.Lost()), Jitter: s.rx.JitterTime(), Silence: now.Sub(s.came), Absence: now.Sub(s.seen),
		OutSSRC: s.SSRC, RemoteLost: s.tx.RemoteLost, RemoteJitter: s.tx.RemoteJitterTime(), RTT: s.tx.RTT,
		ReportsIn:    s.reports.heard,
		NotAuthentic: s.drops[media.DropSRTPAuth], Replayed: s.drops[media.DropSRTPReplay],
		PayloadTypes: s.drops[media.DropPayloadType], Held: s.drops[media.DropDisabled], Untaken: s.untaken, Refused: s.refused,
		Elsewhere: s.strange.packets, ElsewhereAt: s.strange.latest, Latched: s.rtp.latched(),
	}
	if s.traffic.Packets > 0 {
		st.InSSRC = s.rxSSRC
	}
	return st
}
