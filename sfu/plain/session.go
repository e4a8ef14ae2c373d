package plain

import (
	"net/netip"

	"bifrons/dtls/srtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/rtp/rtcp"
	"bifrons/rtp/stats"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// Remote is the far end of a Session, as it was signalled.
type Remote struct {
	// RTP and RTCP are its addresses. Without one nothing is sent there and nothing
	// taken from there.
	RTP, RTCP netip.AddrPort
	// Codecs are the codecs of packets, by payload type; the first one is the main
	// codec. Packets of other payload types are dropped. Without any the session
	// receives nothing and sends packets as they come.
	Codecs []media.Codec
	// Ext has the ids of header extensions: AudioLevel and VideoOrientation count.
	Ext media.ExtensionIDs
	// Opener and Sealer make it SRTP; they belong to the Session. Those of before go on
	// as they were.
	Opener *srtp.Receiver
	Sealer *srtp.Sender
	// PLI means that it takes requests for key frames (RFC 4585, 6.3.1).
	PLI bool
	// Latch lets the far end be where its first packet comes from instead, once: one
	// that is authentic by SRTP, or without SRTP one from LatchNet. A packet from the
	// signalled address ends that.
	Latch    bool
	LatchNet netip.Prefix
}

// SessionConfig are the settings of a Session for its life.
type SessionConfig struct {
	Kind  media.Kind
	SSRC  uint32 // of packets sent
	CNAME string // RFC 7022
	Seed  uint64 // of the times of reports and of later SSRCs

	// Tone, if not nil, gets a telephone event at its end, with its duration in timestamp units.
	Tone func(digit byte, duration uint32)
	// Media, if not nil, is called when the far end begins to send and when it went silent.
	Media func(receiving bool)
	// Keyframe, if not nil, is called when a key frame is wanted of a far end that takes no
	// PLI, at most once a second.
	Keyframe func()
	// Unreachable, if not nil, is called when the far end has refused our packets for long,
	// and nothing came from there.
	Unreachable func()
	// Panicked is called when sending a packet has panicked, after which nothing is
	// sent. The Session must not be closed by it, but soon after.
	Panicked func(r any)
}

// Session is an RTP session (RFC 3550, 3): one medium with one far end, both ways, by
// a pair of ports. Its methods belong to the loop.
type Session struct {
	SessionConfig
	loop    Loop // RTP leaves by it
	control Loop // and RTCP
	remote  Remote
	drops   [media.NumDrops]uint64
	closed  bool

	// Incoming media.
	in       *Source
	receives bool
	rx       stats.Receiver
	rxSSRC   uint32
	lost     int64 // of the SSRCs before
	traffic  Traffic
	came     mono.Time // the last packet
	seen     mono.Time // that, or the last compound of RTCP
	clock    stamp
	tones    tones
	rtp      gate
	rtcp     gate
	strange  strangers

	// Outgoing media.
	sub     *route.Subscription
	sends   bool
	tx      stats.Sender
	out     Traffic
	refused uint64 // packets that did not arrive
	inRow   int    // of those since anything was taken
	untaken uint64 // packets of a codec that the far end does not take
	next    uint64 // extended number, at least
	dead    bool   // has panicked

	reports reports
}

// Traffic counts packets and their bytes.
type Traffic struct{ Packets, Bytes uint64 }

// stamp is a timestamp and when it was.
type stamp struct {
	ts uint32
	at mono.Time
}

// NewSession makes a Session that sends and receives as soon as it has a far end. RTP
// leaves by loop, RTCP by control.
func NewSession(now mono.Time, loop, control Loop, cfg SessionConfig) *Session {
	s := &Session{SessionConfig: cfg, loop: loop, control: control, receives: true, sends: true, came: now, seen: now}
	s.in = NewSource(counting{loop, s}, []TrackConfig{{Kind: cfg.Kind}}, nil)
	s.in.accepted = s.accepted
	if cfg.Media != nil {
		s.in.OnMedia = func(_, _ int, receiving bool) { cfg.Media(receiving) }
	}
	s.in.SetFeedback(0, s.feedback)
	s.in.reporter = cfg.SSRC
	s.tones.tell = s.tone
	s.sub = route.NewSubscription(s)
	s.sub.Once()
	s.sub.SetTarget(now, media.Layer{Encoding: 0, Spatial: -1, Temporal: -1}, 0)
	s.reports.begin(now, cfg.Seed)
	s.adjust(now)
	return s
}

// counting is a loop that counts the dropped packets of a session.
type counting struct {
	Loop
	session *Session
}

func (c counting) Drop(d media.Drop) {
	c.session.drops[d]++
	c.Loop.Drop(d)
}

// SetRemote changes the far end. SSRC and numbers continue, unless another key of SRTP
// would leave the far end in doubt about the rollover counter.
func (s *Session) SetRemote(now mono.Time, r Remote) {
	if s.closed {
		return
	}
	r.RTP, r.RTCP = unmap(r.RTP), unmap(r.RTCP)
	if r.RTP != s.rtp.signalled {
		s.inRow = 0
	}
	s.rtp.signal(r.RTP, &r)
	s.rtcp.signal(r.RTCP, &r)
	doubt := r.Sealer != nil && r.Sealer != s.remote.Sealer && s.next >= 1<<16
	s.remote = r
	t := TrackConfig{Kind: s.Kind, Codecs: r.Codecs, Ext: media.ExtensionIDs{
		AudioLevel: r.Ext.AudioLevel, VideoOrientation: r.Ext.VideoOrientation,
	}}
	if len(r.Codecs) > 0 {
		t.Codec = r.Codecs[0]
	}
	s.in.SetTracks([]TrackConfig{t})
	s.in.SetOpener(r.Opener)
	if doubt {
		s.renew()
	}
	s.adjust(now)
}

func unmap(a netip.AddrPort) netip.AddrPort {
	if !a.IsValid() || a.Addr().IsUnspecified() || a.Port() == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// SetDirection says whether media is sent and received. RTCP continues (RFC 3264, 5.1).
func (s *Session) SetDirection(now mono.Time, send, receive bool) {
	if s.closed {
		return
	}
	s.sends, s.receives = send, receive
	s.adjust(now)
}

// adjust follows a change of far end or directions.
func (s *Session) adjust(now mono.Time) {
	s.sub.SetPaused(now, !s.sends || !s.rtp.to.IsValid())
	if held := !s.receives; held != s.in.Held() {
		s.in.SetHeld(held)
	}
}

// Track is the media from the far end, nil after the end.
func (s *Session) Track() *route.Track { return s.in.Track(0) }

// RequestKeyframe asks the far end for a key frame.
func (s *Session) RequestKeyframe(now mono.Time) { s.in.RequestKeyframe(now, 0) }

// HandleRTP takes a packet from the RTP port. It reports whether it kept the buffer.
func (s *Session) HandleRTP(now mono.Time, from netip.AddrPort, b *pktbuf.Buf) (kept bool) {
	switch {
	case s.closed || !s.rtp.admits(from) && !s.latchRTP(from, b):
		s.refuse(from)
	case len(s.remote.Codecs) == 0:
		s.drop(media.DropPayloadType)
	default:
		return s.in.HandleRTP(now, 0, 0, b)
	}
	return false
}

// maxRefused is how many packets in a row the far end may refuse.
const maxRefused = 100

// Refused takes note that ICMP says of a packet that it did not arrive at an address.
func (s *Session) Refused(to netip.AddrPort) {
	if s.closed || unmap(to) != s.rtp.to {
		return
	}
	s.refused++
	if s.inRow++; s.inRow == maxRefused && s.Unreachable != nil {
		s.Unreachable()
	}
}

// HandleRTCP takes a packet from the RTCP port.
func (s *Session) HandleRTCP(now mono.Time, from netip.AddrPort, b *pktbuf.Buf) {
	if s.closed {
		return
	}
	known := s.rtcp.admits(from)
	if !known && !s.rtcp.open(from, s.remote.Opener != nil) {
		s.refuse(from)
		return
	}
	if s.remote.Opener != nil {
		n, err := s.remote.Opener.OpenRTCP(b.Bytes())
		switch {
		case err != nil && !known:
			s.refuse(from)
			return
		case err != nil:
			s.drop(media.DropSRTPAuth)
			return
		}
		b.N = n
	}
	if rtcp.Validate(b.Bytes()) != nil {
		s.drop(media.DropRTCPMalformed)
		return
	}
	s.rtcp.take(from)
	s.handleReports(now, b.Bytes())
}

func (s *Session) drop(d media.Drop) { s.in.loop.Drop(d) }

// accepted takes note of a packet of the far end that is no stray.
func (s *Session) accepted(a arrival) {
	h := &a.header
	if h.SSRC != s.rxSSRC || s.rx.Packets == 0 {
		s.lost += int64(s.rx.Lost())
		s.rx, s.rxSSRC, s.clock = stats.Receiver{}, h.SSRC, stamp{}
	}
	s.rtp.taken = true
	s.came, s.seen, s.inRow = a.at, a.at, 0
	s.traffic.Packets++
	s.traffic.Bytes += uint64(a.buf.N)
	ts := h.Timestamp
	switch {
	case a.rate != 0:
		s.rx.Rate = a.rate
		s.clock = stamp{ts, a.at}
	case s.clock.at != 0:
		ts = s.clock.ts + uint32(mono.Ticks(a.at.Sub(s.clock.at), s.rx.Rate))
	}
	s.rx.Receive(a.at, h.SequenceNumber, ts, a.buf.N)
	if a.codec.Name == media.TelephoneEvent && s.remote.Opener == nil {
		s.tones.hear(a.at, s.in.tracks[0].lanes[0].key, h.Timestamp, a.payload)
	}
}

func (s *Session) tone(digit byte, duration uint32) {
	if s.Tone != nil {
		s.Tone(digit, duration)
	}
}

// Tick has to be called a few times a second.
func (s *Session) Tick(now mono.Time) {
	s.in.Tick(now)
	s.tones.tick(now)
	if s.reports.due(now) {
		s.report(now)
	}
}

// Close says goodbye to the far end and ends the track.
func (s *Session) Close() {
	if s.closed {
		return
	}
	s.bye()
	s.closed = true
	s.sub.Detach()
	s.in.Close()
}
