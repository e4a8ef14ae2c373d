package sfu

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"bifrons/dtls/srtp"
	"bifrons/ice/netio"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
	"bifrons/sfu/plain"
	"bifrons/sfu/route"
	"bifrons/sfu/shard"
)

// RTPSessionConfig describes an RTP session.
type RTPSessionConfig struct {
	Label string // for logs
	Shard int    // wanted shard + 1, such as that of the peer; 0 = the engine chooses
	Kind  media.Kind
	// Bind is the address and the range of ports, 0 = 10000 to 60000. RTP gets an even
	// port of it, and RTCP the next one. Multicast groups are not joined.
	Bind  Bind
	DSCP  int    // of RTP and RTCP, 0..63
	CNAME string // RFC 7022, "" = a random one
	// Keyframes has the handler hear EventKeyframeRequest when somebody wants a key frame of a
	// far end that takes no PLI, at most once a second.
	Keyframes bool
}

// RTPRemote is the far end of an RTPSession, as it was signalled.
type RTPRemote struct {
	// RTP and RTCP are its addresses. An RTP address that is invalid, unspecified or
	// without a port stands for hold (RFC 3264, 8.4): nothing is sent. RTCP is by
	// default the port behind that of RTP.
	RTP, RTCP netip.AddrPort
	// Codecs are the accepted ones, by payload type; the first one is the main codec.
	// Packets of other payload types are dropped. Sent packets keep their payload type
	// if that is the same codec here, else they get the one of their codec.
	Codecs []media.Codec
	// Ext has the ids of header extensions on this side: AudioLevel and
	// VideoOrientation count.
	Ext media.ExtensionIDs
	// Receive and Send are the keys of both directions, also for SRTCP; nil = in the
	// clear. A key that is the same as before stays in use.
	Receive, Send *SRTPKey
	PLI           bool // the far end takes requests for key frames (RFC 4585, 6.3.1)
	// Latch lets the far end be where its first packet comes from, once, instead of
	// RTP (and likewise for RTCP): a packet that is authentic by SRTP, or without SRTP
	// one with a payload type of Codecs from LatchNet. It does not once something was
	// taken from the signalled address.
	Latch    bool
	LatchNet netip.Prefix // the zero Prefix = nowhere
}

// RTPSessionStats are counts since a session began; see package plain.
type RTPSessionStats = plain.SessionStats

// RTPSession is one medium with a far end outside WebRTC: RTP and RTCP by a pair of
// ports, both ways, in the clear or by SRTP with keys from signalling (RFC 3550,
// RFC 4568). It is an Origin with one track, 0. Its methods may be called from any
// goroutine; only Stats waits for the shard.
//
// Its handler hears EventMedia, EventDTMF, EventKeyframeRequest, and EventClosed when the session has ended by
// itself: something in it has panicked, or the far end's system refuses its packets
// (CauseUnreachable) and nothing comes from there.
type RTPSession struct {
	leg
	port uint16

	// Of the far end's keys, guarded by mu. Contexts made of them are touched by the
	// shard only.
	received, sent SRTPKey
	opener         *srtp.Receiver
	sealer         *srtp.Sender

	core *plain.Session // these are touched by the shard only; nil until it was there
	way  *shard.Way
	bind netip.Addr // invalid = any
	own  bool       // the far end's address is one of this machine's
	far  netip.AddrPort
}

// Bounds of the search for a pair of ports.
const (
	pairTries      = 100
	defaultPairMin = 10000
	defaultPairMax = 60000
)

// How many datagrams the ports of a session take at a time.
const (
	audioSlots = 8
	rtcpSlots  = 2
)

// ErrNoPorts means that no pair of ports was found.
var ErrNoPorts = errors.New("sfu: no pair of UDP ports is free")

// NewRTPSession opens a pair of ports. Nothing is sent or taken before SetRemote. It
// does not wait for the shard.
func (e *Engine) NewRTPSession(cfg RTPSessionConfig, h SourceHandler) (*RTPSession, error) {
	if e.closed.Load() {
		return nil, ErrClosed
	}
	rtp, rtcp, err := e.listenPair(&cfg)
	if err != nil {
		return nil, err
	}
	s := &RTPSession{leg: leg{engine: e, site: e.choose(cfg.Shard), handler: h, label: cfg.Label, parting: true}, port: rtp.Port()}
	if a := cfg.Bind.Addr.Unmap(); !a.IsUnspecified() {
		s.bind = a
	}
	s.stop = s.close
	begin := func(now mono.Time) shard.Leg {
		s.begin(now, &cfg, rtp, rtcp)
		return sessionLeg{s}
	}
	if err := s.start(begin); err != nil {
		_, _ = rtp.Close(), rtcp.Close()
		return nil, err
	}
	if err = s.serve(rtp, cfg.slots(), s.take); err == nil {
		e.ports.session(s.port)
		err = s.serve(rtcp, rtcpSlots, func(now mono.Time, m *netio.Message, b *pktbuf.Buf) bool {
			s.core.HandleRTCP(now, m.Remote, b)
			return false
		})
	} else {
		_ = rtcp.Close()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// listenPair opens an even port and the one behind it.
func (e *Engine) listenPair(cfg *RTPSessionConfig) (rtp, rtcp *netio.Conn, err error) {
	low, high := int(cfg.Bind.PortMin), int(cfg.Bind.PortMax)
	if low == 0 && high == 0 {
		low, high = defaultPairMin, defaultPairMax
	}
	if high == 0 {
		high = 1<<16 - 1
	}
	low = max(low+low&1, 2) // RFC 3550, 11
	pairs := (high - low + 1) / 2
	if pairs < 1 {
		return nil, nil, fmt.Errorf("sfu: no pair of ports in %d-%d", cfg.Bind.PortMin, cfg.Bind.PortMax)
	}
	first, step := rand.IntN(pairs), 1
	if pairs > pairTries {
		step = 1 + rand.IntN(pairs/pairTries)
	}
	for i := range min(pairs, pairTries) {
		port := uint16(low + 2*((first+i*step)%pairs))
		if rtp, err = e.listenAt(cfg, port, cfg.slots()); err == nil {
			if rtcp, err = e.listenAt(cfg, port+1, rtcpSlots); err == nil {
				return rtp, rtcp, nil
			}
			_ = rtp.Close()
		}
		if !errors.Is(err, netio.ErrNoPort) {
			return nil, nil, fmt.Errorf("sfu: %w", err)
		}
	}
	return nil, nil, fmt.Errorf("%w in %d-%d", ErrNoPorts, low, high)
}

// slots is how many datagrams its port of RTP takes at a time.
func (cfg *RTPSessionConfig) slots() int {
	if cfg.Kind == media.Video {
		return portSlots
	}
	return audioSlots
}

func (e *Engine) listenAt(cfg *RTPSessionConfig, port uint16, slots int) (*netio.Conn, error) {
	return netio.Listen(netio.Config{
		IPv6: e.cfg.IPv6, Addr: cfg.Bind.Addr, PortMin: port, PortMax: port, DSCP: cfg.DSCP,
		Batch: slots, Refusals: port%2 == 0, // for a far end without RTCP that is none
	})
}

// begin makes the part that lives on the shard.
func (s *RTPSession) begin(now mono.Time, cfg *RTPSessionConfig, rtp, rtcp *netio.Conn) {
	var id [24]byte
	random(id[:])
	c := plain.SessionConfig{
		Kind: cfg.Kind, CNAME: cfg.CNAME,
		SSRC: binary.BigEndian.Uint32(id[:]) | 1, // not 0, which stands for none
		Seed: binary.BigEndian.Uint64(id[4:]),
	}
	if c.CNAME == "" {
		c.CNAME = base64.RawStdEncoding.EncodeToString(id[12:])
	}
	h := s.handler
	c.Tone = func(digit byte, duration uint32) {
		s.tell(func() { h.SourceEvent(Event{Kind: EventDTMF, Digit: digit, Duration: duration}) })
	}
	c.Media = func(receiving bool) {
		s.tell(func() { h.SourceEvent(Event{Kind: EventMedia, Receiving: receiving}) })
	}
	if cfg.Keyframes {
		c.Keyframe = func() { s.tell(func() { h.SourceEvent(Event{Kind: EventKeyframeRequest}) }) }
	}
	sh := s.site.shard
	c.Unreachable = func() { s.fail(Event{Kind: EventClosed, Reason: ReasonUnreachable, Cause: CauseUnreachable}) }
	c.Panicked = func(r any) {
		sh.Panicked("an RTP session", r)
		sh.Post(func(mono.Time) { s.stay.Fail() })
	}
	s.way = sh.NewWay(rtp, s.stay, s.take)
	s.core = plain.NewSession(now, s.way, sh.NewWay(rtcp, s.stay, nil), c)
	if s.site.sessions[s.port] == nil { // it may be in use with another address
		s.site.sessions[s.port] = s
	}
}

// sessionLeg is a session as its shard sees it.
type sessionLeg struct{ s *RTPSession }

func (l sessionLeg) Tick(now mono.Time) { l.s.core.Tick(now) }
func (l sessionLeg) Close()             { l.s.close() }

// take takes packets that arrived on the RTP port, on the loop.
func (s *RTPSession) take(now mono.Time, m *netio.Message, b *pktbuf.Buf) (kept bool) {
	if m.Refused {
		s.core.Refused(m.Remote)
		return false
	}
	return s.core.HandleRTP(now, m.Remote, b)
}

// close is Close on the loop.
func (s *RTPSession) close() {
	s.way.Part()
	if s.site.sessions[s.port] == s {
		delete(s.site.sessions, s.port)
	}
	s.core.Close()
}

// meet joins the session with its far end, if that is a session of this shard whose far
// end is this one. It runs on the loop.
func (s *RTPSession) meet(far netip.AddrPort, own bool) {
	s.way.Part()
	s.far, s.own = far, own
	o := s.site.sessions[far.Port()]
	if o != nil && s.means(o) && o.means(s) {
		shard.Join(s.way, o.way, s.far, o.far)
	}
}

// means reports whether the far end is at the socket of another session.
func (s *RTPSession) means(o *RTPSession) bool {
	return s.own && s != o && s.far.Port() == o.port && (!o.bind.IsValid() || o.bind == s.far.Addr())
}

// track implements Origin.
func (s *RTPSession) track(i int) *route.Track {
	if s.core == nil || i != 0 {
		return nil
	}
	return s.core.Track()
}

// do runs f on the session's shard.
func (s *RTPSession) do(f func(now mono.Time, c *plain.Session)) {
	s.site.shard.Post(func(now mono.Time) { s.stay.Do(func() { f(now, s.core) }) })
}

// Port is the port of RTP; RTCP has the next one.
func (s *RTPSession) Port() uint16 { return s.port }

// SetRemote says who the far end is. It may be called again, as in a re-INVITE: the SSRC
// and the sequence numbers go on, but for another SSRC when the key changes after
// the numbers went round. It fails, and changes nothing, if a key has a wrong length.
func (s *RTPSession) SetRemote(r RTPRemote) error {
	rtcp := r.RTCP
	if !rtcp.IsValid() && r.RTP.IsValid() && r.RTP.Port() < 1<<16-1 {
		rtcp = netip.AddrPortFrom(r.RTP.Addr(), r.RTP.Port()+1)
	}
	c := plain.Remote{
		RTP: r.RTP, RTCP: rtcp, Codecs: append([]media.Codec(nil), r.Codecs...), Ext: r.Ext, PLI: r.PLI, Latch: r.Latch, LatchNet: r.LatchNet,
	}
	far := netip.AddrPortFrom(r.RTP.Addr().Unmap(), r.RTP.Port())
	own := r.RTP.IsValid() && s.engine.Owns(far)
	s.mu.Lock()
	defer s.mu.Unlock()
	opener, sealer := s.opener, s.sealer
	var err error
	switch k := r.Receive; {
	case k == nil:
		opener = nil
	case opener == nil || !k.equal(&s.received):
		if opener, err = srtp.NewReceiver(k.Profile, k.Key, k.Salt); err != nil {
			return fmt.Errorf("sfu: key to receive with: %w", err)
		}
	}
	switch k := r.Send; {
	case k == nil:
		sealer = nil
	case sealer == nil || !k.equal(&s.sent):
		if sealer, err = srtp.NewSender(k.Profile, k.Key, k.Salt); err != nil {
			return fmt.Errorf("sfu: key to send with: %w", err)
		}
	}
	s.opener, s.sealer = opener, sealer
	s.received, s.sent = r.Receive.clone(), r.Send.clone()
	c.Opener, c.Sealer = opener, sealer
	s.do(func(now mono.Time, core *plain.Session) {
		core.SetRemote(now, c)
		s.meet(far, own)
	})
	return nil
}

// Send sends a track of an origin from now on, of simulcast the lowest encoding; nil is
// nothing. SSRC and numbers continue.
func (s *RTPSession) Send(o Origin, track int) {
	s.do(func(now mono.Time, c *plain.Session) {
		if o == nil {
			c.Detach()
			return
		}
		wish := c.Expect()
		fetch(now, o, track, s.site, func(now mono.Time, t *route.Track) {
			s.stay.Do(func() { c.Attach(now, wish, t) })
		})
	})
}

// SetDirection says whether media is sent and received, which it is at first. RTCP goes
// on.
func (s *RTPSession) SetDirection(send, receive bool) {
	s.do(func(now mono.Time, c *plain.Session) { c.SetDirection(now, send, receive) })
}

// RequestKeyframe asks the far end for a key frame, if it takes such requests, at most
// once a second. Early requests wait.
func (s *RTPSession) RequestKeyframe(int) {
	s.do(func(now mono.Time, c *plain.Session) { c.RequestKeyframe(now) })
}

// Stats returns the counts so far. It waits for the shard.
func (s *RTPSession) Stats() (st RTPSessionStats) {
	s.site.shard.Call(func(now mono.Time) {
		if s.core != nil {
			st = s.core.Stats(now)
		}
	})
	return st
}
