package peer

import (
	"cmp"
	"time"

	"bifrons/dtls"
	"bifrons/dtls/srtp"
	"bifrons/ice"
	"bifrons/rtp/mono"
	"bifrons/rtp/stats"
	"bifrons/sfu/media"
)

// Snapshot is the state of a peer connection at one moment. It
// is a copy: nothing in it changes afterwards. The codecs and encodings of its
// sections are shared, and not to be changed. Times that are 0 have not come.
type Snapshot struct {
	At         mono.Time
	Up, Closed bool
	Cause      Cause // of the end, CauseNone before it
	UpAt       mono.Time

	ICE      ICE
	DTLS     Association
	Counters Counters
	REMB     uint64 // receive capacity by the remote's estimate, bit/s; 0 = unknown

	// TransportSequence is the id of the transport-wide sequence numbers'
	// header extension on video, 0 = not negotiated; TransportCC means that
	// feedback on them is sent.
	TransportSequence uint8
	TransportCC       bool

	Line     *Line             // nil = not estimated
	Sections []SectionSnapshot // by index
}

// ICE is the state of the ICE transport.
type ICE struct {
	ice.Snapshot
	Gathered  mono.Time // the local candidates were complete
	Connected mono.Time // for the first time
	Failed    mono.Time // 0 also when it has recovered; see Cause
}

// Association is the state of the DTLS association.
type Association struct {
	State     DTLSState
	Role      dtls.Role        // ours; valid if Remote is set
	Remote    dtls.Fingerprint // the first one, Hash "" = not known yet
	Profile   srtp.Profile     // 0 = none
	Started   mono.Time
	Connected mono.Time
	Resent    int  // handshake datagrams that were sent again
	Data      bool // data channels are running
	Unsecured bool // by configuration there is no DTLS
	DataIn    Traffic
	DataOut   Traffic
	DataLost  uint64 // messages that were to be sent, but that the remote did not take
}

// DTLSState is the progress of the association.
type DTLSState uint8

// States of the association.
const (
	DTLSNew DTLSState = iota
	DTLSConnecting
	DTLSConnected
	DTLSFailed
)

// SectionSnapshot is the state of one media section.
type SectionSnapshot struct {
	media.Section

	// Codec is that of the last packet, either way; its ClockRate is 0 before
	// the first.
	Codec media.Codec

	// Received are the encodings that came so far, lowest first; those that
	// are missing have SSRC 0.
	Received [media.MaxEncodings]Received
	Sent     Sent

	// Target is the layer that is wished for, Layer the one that is forwarded; -1 is
	// the highest there is, and none. Share is nil where nothing is estimated or sent.
	Target, Layer media.Layer
	Share         *Share
}

// Rate is the clock rate of the section's timestamps: that of its packets, or
// of its preferred codec, or the one that is usual for its kind.
func (s *SectionSnapshot) Rate() uint32 {
	rate := cmp.Or(s.Received[0].ClockRate, s.Sent.ClockRate)
	if rate == 0 && len(s.Codecs) > 0 {
		rate = s.Codecs[0].ClockRate
	}
	if rate == 0 && s.Kind == media.Video {
		rate = 90000
	}
	return cmp.Or(rate, 48000)
}

// Received are the figures of one received encoding.
type Received struct {
	SSRC, RTXSSRC   uint32
	RID             string
	Receiving       bool // not silent
	LastAt          mono.Time
	ClockRate       uint32
	Packets, Bytes  uint64 // decrypted; retransmissions included
	BytesLastSecond int
	Retransmissions uint64
	NACKs           uint64        // sequence numbers that we asked for
	Lost            int32         // cumulative (RFC 3550, 6.4.1)
	Jitter          time.Duration // interarrival jitter
	Link, Media     int           // quality as it came and after repair, percent
	Reordered       bool          // see EventReordered
}

// Sent are the figures of the media sent in a section.
type Sent struct {
	SSRC, RTXSSRC   uint32
	ClockRate       uint32 // 0 before the first packet
	Packets, Bytes  uint64 // before encryption; bytes with retransmissions, packets without
	BytesLastSecond int
	Retransmissions uint64
	NACKs           uint64 // sequence numbers that the remote asked for

	// By the remote's reports.
	RTT         time.Duration // last measured, 0 = not yet
	RTTOf       stats.RTTValues
	Lost        int32
	Jitter      time.Duration
	Link, Media int // percent
}

// times are the moments of a connection's life that only the snapshot shows.
type times struct {
	gathered, iceConnected, dtlsStarted, dtlsConnected mono.Time
}

// Gathered notes that the local candidates are complete.
func (p *Peer) Gathered(now mono.Time) {
	if p.times.gathered == 0 {
		p.times.gathered = now
	}
}

// Snapshot describes the connection. Values of the association's own
// goroutines are left for their owner to fill in: Resent, Data, DataIn, DataOut.
func (p *Peer) Snapshot(now mono.Time) Snapshot {
	s := Snapshot{
		At: now, Up: p.up && !p.closed, Closed: p.closed, Cause: p.cause, UpAt: p.upAt,
		ICE: ICE{
			Snapshot: p.agent.Snapshot(),
			Gathered: p.times.gathered, Connected: p.times.iceConnected, Failed: p.failedAt,
		},
		DTLS: Association{
			State: p.dtlsState(), Role: p.remote.Role, Remote: p.remote.fingerprint(), Profile: p.profile,
			Started: p.times.dtlsStarted, Connected: p.times.dtlsConnected, Unsecured: p.opt.NoDTLS,
		},
		Counters: p.count, REMB: p.remb, TransportCC: p.twccOut != nil,
		Sections: make([]SectionSnapshot, 0, len(p.sections)),
	}
	if p.line != nil {
		l := p.line.describe(now)
		s.Line = &l
	}
	for _, sec := range p.sections {
		if sec.Kind == media.Video && s.TransportSequence == 0 {
			s.TransportSequence = sec.Ext.TransportSequence
		}
		s.Sections = append(s.Sections, sec.snapshot(now))
	}
	return s
}

func (p *Peer) dtlsState() DTLSState {
	switch {
	case p.times.dtlsConnected != 0:
		return DTLSConnected
	case p.dtls == nil:
		return DTLSNew
	case p.closed:
		return DTLSFailed
	}
	return DTLSConnecting
}

func (s *section) snapshot(now mono.Time) SectionSnapshot {
	n := SectionSnapshot{
		Section: s.Section, Codec: s.codec, Sent: s.out.snapshot(now),
		Target: s.out.sub.Wish(), Layer: s.out.sub.Layer(), Share: s.shareNow(),
	}
	for i, rx := range s.receivers {
		if rx == nil {
			continue
		}
		r := &rx.stats
		n.Received[i] = Received{
			SSRC: rx.ssrc, RTXSSRC: rx.rtxSSRC, Receiving: rx.receiving, LastAt: r.LastAt, ClockRate: r.Rate,
			Packets: r.Packets, Bytes: r.Bytes, BytesLastSecond: r.BytesLastSecond(now),
			Retransmissions: r.Retransmitted, NACKs: r.NACKs,
			Lost: r.Lost(), Jitter: r.JitterTime(), Link: r.Link.Percent(), Media: r.Media.Percent(),
			Reordered: rx.reorder.back >= reorderedFrom,
		}
		if i < len(s.Encodings) {
			n.Received[i].RID = s.Encodings[i].RID
		}
	}
	return n
}

func (o *sender) snapshot(now mono.Time) Sent {
	r := &o.stats
	return Sent{
		SSRC: o.section.SSRC, RTXSSRC: o.section.RTXSSRC, ClockRate: r.Rate,
		Packets: r.Packets, Bytes: r.Bytes, BytesLastSecond: r.BytesLastSecond(now),
		Retransmissions: r.Retransmitted, NACKs: r.NACKs,
		RTT: r.RTT, RTTOf: r.RTTOf, Lost: r.RemoteLost, Jitter: r.RemoteJitterTime(),
		Link: r.Link.Percent(), Media: r.Media.Percent(),
	}
}
