// Package peer is one peer connection, sans-IO: ICE, DTLS events, SRTP,
// received and sent media, and the feedback for both. It runs inside one
// shard's loop, which owns its sockets, its clock and its memory.
package peer

import (
	"net/netip"
	"time"

	"bifrons/dtls"
	"bifrons/dtls/srtp"
	"bifrons/ice"
	"bifrons/rtp"
	"bifrons/rtp/bwe"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/rtp/rtcp"
	"bifrons/rtp/twcc"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// Options are the settings of all peers of an engine.
type Options struct {
	Lite               bool // ICE lite (RFC 8445, 2.5)
	RegularNomination  bool // instead of aggressive
	ConsentFreshness   bool // RFC 7675; a connection without consent fails
	KeepaliveConncheck bool // keepalives are binding requests, not indications
	HangupOnFailed     bool // an established connection that fails is closed at once
	NoDTLS             bool // plain RTP for debugging
	TWCCPeriod         time.Duration

	Tuning

	Observations Observations // of all peers; the zero value takes none
}

// Tuning is the part of Options that can change while there are peers.
type Tuning struct {
	MinNackQueue      time.Duration // shown in server_info; sent packets are kept for 1 s in any case
	NackOptimizations bool          // forget sent packets at every keyframe
	NoMediaTimer      time.Duration // silence before it is reported, 0 = never
	SlowlinkThreshold int           // lost packets a second, 0 = off
}

// DefaultOptions are those for peers of whom nothing else is known.
func DefaultOptions() Options {
	return Options{
		TWCCPeriod: 200 * time.Millisecond,
		Tuning:     Tuning{MinNackQueue: 200 * time.Millisecond, NoMediaTimer: time.Second},
	}
}

// Loop is the loop that runs a peer.
type Loop interface {
	// Reserve lends room for one outgoing datagram until the next call.
	Reserve() []byte
	// Commit sends the first n bytes of the memory that Reserve lent.
	Commit(path ice.Path, n int)
	// StartDTLS starts the handshake. Its datagrams come by SendDTLS, its
	// outcome by DTLSConnected or DTLSClosed.
	StartDTLS(role dtls.Role, remote dtls.Fingerprints) DTLS
	// Flush asks for a Flush of the track before the pass ends.
	Flush(t *route.Track)
	// Forward does it at once, before a track ends.
	Forward(t *route.Track)
	// Drop counts a packet that goes no further.
	Drop(d media.Drop)
	// Emit passes an event on.
	Emit(ev Event)
	// Wake makes Advance due at a time at the latest. It is for who was not called
	// by the loop; else Deadline says when.
	Wake(at mono.Time)
	// Random fills b.
	Random(b []byte)
}

// Capture takes copies of the packets of a peer. It must not block.
type Capture interface {
	Take(p media.Captured)
}

// Config sets up one Peer.
type Config struct {
	Options     *Options
	Loop        Loop
	ICE         ice.Credentials
	Controlling bool
	Candidates  []ice.Candidate // local
	RelayOnly   bool            // use relayed ones only
	Key         uint32          // of the ICE agent's transactions
	Scratch     *Scratch        // the shard's
}

// Peer is one peer connection.
type Peer struct {
	// Each packet that is sent needs the first ones, so they lie close together.
	loop                 Loop
	sealer               *srtp.Sender
	trailer              int     // bytes that SRTP adds to RTP
	number               uint64  // transport-wide, of the last packet that was sent
	line                 *line   // nil = not estimated
	capture              Capture // nil = none
	path                 ice.Path
	up, closed, havePath bool
	agent                *ice.Agent
	opt                  *Options
	count                Counters

	remote     Remote
	haveRemote bool
	remoteDone bool     // no more candidates will come
	pathRun    ice.Path // path of the last accepted datagram: saves asking the agent

	dtls    DTLS
	profile srtp.Profile // 0 until the handshake is done
	proven  bool         // the remote has shown that it has the keys
	renewal renewal
	cause   Cause // once closed
	opener  *srtp.Receiver

	sections []*section
	streams  map[uint32]*stream
	counters map[uint32]*counters // of all SSRCs, also those that stopped
	extKinds [256]extKind
	twcc     *twcc.Receiver // made with the first numbered packet
	twccOut  *section       // whose SSRC speaks in transport feedback
	cap      uint64         // bit/s the remote should send at most, 0 = no limit
	capSet   bool

	keyframePeriod time.Duration // 0 = key frames are not asked for by the clock

	deadline   mono.Time
	nextReport mono.Time
	nextTWCC   mono.Time
	nextNACK   mono.Time
	nextPLI    mono.Time
	nextREMB   mono.Time // when to ask the remote for another rate, 0 = no need
	rembAt     mono.Time // when it last was
	demanded   bool      // by the capacity of others
	failedAt   mono.Time // 0 = ICE has not failed
	failure    Cause     // of the close
	upAt       mono.Time
	times      times
	rtt        time.Duration // by RTCP
	remb       uint64        // last estimate of the remote, bit/s

	estimation Estimation
	remembered uint64 // estimate of an earlier line, bit/s
	trace      func(Line)

	reports func(section int, compound []byte) // nil = nobody wants them

	scratch *Scratch
}

// Scratch is memory that the peers of one shard share. None needs its content
// from one call to the next. While one fills rtcp it may call another, which then
// has only short.
type Scratch struct {
	lost   [128]uint16
	rtcp   []byte
	short  []byte
	pkt    route.Packet
	blocks [1]rtcp.ReportBlock
	// results are of one transport feedback; made with the first one.
	results []bwe.Result
}

// Counters are packets and bytes of a peer since its start.
type Counters struct {
	PacketsIn, BytesIn, PacketsOut, BytesOut uint64
	Retransmitted, NACKsIn, NACKsOut         uint64
	Recovered, PLIsIn, PLIsOut               uint64

	DTLSIn, DTLSOut Traffic // datagrams of the association
	Oversize        uint64  // datagrams larger than an Ethernet packet

	ProbesOut             Traffic // packets for probes alone, with all headers
	Pauses, LayerSwitches uint64  // see Share
}

// Traffic is packets and their bytes.
type Traffic struct{ Packets, Bytes uint64 }

func (t *Traffic) add(n int) {
	t.Packets++
	t.Bytes += uint64(n)
}

// maxEthernet is the largest datagram that is nothing out of the ordinary.
const maxEthernet = 1500

// New makes a peer.
func New(cfg Config) *Peer {
	p := &Peer{
		opt: cfg.Options, loop: cfg.Loop,
		streams:  make(map[uint32]*stream),
		counters: make(map[uint32]*counters),
		scratch:  cfg.Scratch,
		deadline: mono.Never,
	}
	p.agent = ice.NewAgent(ice.Config{
		Lite:               cfg.Options.Lite,
		Controlling:        cfg.Controlling && !cfg.Options.Lite,
		Local:              cfg.ICE,
		RegularNomination:  cfg.Options.RegularNomination,
		ConsentFreshness:   cfg.Options.ConsentFreshness,
		KeepaliveConncheck: cfg.Options.KeepaliveConncheck,
		RelayOnly:          cfg.RelayOnly,
		Key:                cfg.Key,
		Rand:               cfg.Loop.Random,
		Send:               p.transmit,
	})
	for _, c := range cfg.Candidates {
		p.agent.AddLocal(c)
	}
	p.wake(p.agent.Deadline())
	return p
}

// Deadline is when Advance is due next, mono.Never if it is not.
func (p *Peer) Deadline() mono.Time { return p.deadline }

// wake makes Advance due at t at the latest; an unset t changes nothing.
func (p *Peer) wake(t mono.Time) { p.deadline = mono.Earliest(p.deadline, t) }

// Up reports whether media may flow.
func (p *Peer) Up() bool { return p.up && !p.closed }

// Closed reports whether the peer has ended.
func (p *Peer) Closed() bool { return p.closed }

// RemoteAddr is where media is sent to, invalid if there is none yet.
func (p *Peer) RemoteAddr() netip.AddrPort { return p.path.Remote }

// Counters returns the counts so far.
func (p *Peer) Counters() Counters { return p.count }

// SetCapture gives all further packets to c as well; nil ends that.
func (p *Peer) SetCapture(c Capture) { p.capture = c }

// SetReports gives all further RTCP compounds that come to f, lent for the call, with the
// section that they are about, -1 if that does not show; nil ends that. f is called on the loop.
func (p *Peer) SetReports(f func(section int, compound []byte)) { p.reports = f }

// transmit sends one datagram as it is.
func (p *Peer) transmit(path ice.Path, b []byte) {
	n := copy(p.loop.Reserve(), b)
	p.loop.Commit(path, n)
}

// SetRemote applies the transport part of a remote description. A second call
// with other ICE credentials is an ICE restart by the remote; fingerprint and
// DTLS role keep their first values.
func (p *Peer) SetRemote(now mono.Time, r Remote) {
	if p.closed {
		return
	}
	if p.haveRemote {
		r.Fingerprints, r.Role = p.remote.Fingerprints, p.remote.Role
	}
	if !p.haveRemote || r.ICE != p.remote.ICE {
		p.agent.SetRemote(now, r.ICE, r.Lite)
		p.remoteDone, p.failedAt = false, 0
	}
	p.remote, p.haveRemote = r, true
	if r.Moved && p.up {
		p.renewal.allow(now, p.path)
	}
	if !r.Trickle {
		p.remoteDone = true
	}
	p.afterICE(now)
}

// AddCandidate adds a candidate of the remote.
func (p *Peer) AddCandidate(now mono.Time, c ice.Candidate) {
	if !p.closed {
		p.agent.AddRemote(now, c)
		p.afterICE(now)
	}
}

// EndOfCandidates reports that no more remote candidates will come.
func (p *Peer) EndOfCandidates(now mono.Time) {
	if !p.closed {
		p.remoteDone = true
		p.agent.EndOfRemote(now)
		p.afterICE(now)
	}
}

// RestartICE takes new local credentials; media keeps its path until a new one
// is chosen (RFC 8445, 2.4).
func (p *Peer) RestartICE(now mono.Time, c ice.Credentials) {
	if !p.closed {
		p.agent.Restart(now, c)
		p.failedAt = 0
		p.afterICE(now)
	}
}

// HandleDatagram takes a datagram that arrived on path: b.B[:b.N]. It reports whether it kept
// the buffer (and the reference that came with it).
func (p *Peer) HandleDatagram(now mono.Time, path ice.Path, b *pktbuf.Buf) (kept bool) {
	if p.closed {
		p.loop.Drop(media.DropPeerClosed)
		return false
	}
	data := b.Bytes()
	if len(data) > maxEthernet {
		p.count.Oversize++
	}
	switch rtp.Classify(data) {
	case rtp.ClassSTUN:
		p.HandleSTUN(now, path, data)
	case rtp.ClassDTLS:
		p.handleDTLS(now, path, data)
	case rtp.ClassRTP:
		if p.accept(now, path) {
			return p.handleRTP(now, b)
		}
	case rtp.ClassRTCP:
		if p.accept(now, path) {
			p.handleRTCP(now, data)
		}
	default:
		p.loop.Drop(media.DropUnknownClass)
	}
	return false
}

// HandleSTUN takes a STUN message; it reports whether it was authentic.
func (p *Peer) HandleSTUN(now mono.Time, path ice.Path, b []byte) bool {
	if p.closed {
		return false
	}
	v := p.agent.Handle(now, path, b)
	switch v {
	case ice.Malformed:
		p.loop.Drop(media.DropSTUNMalformed)
	case ice.BadIntegrity:
		p.loop.Drop(media.DropSTUNIntegrity)
	case ice.NotRelayed:
		p.loop.Drop(media.DropPathInvalid)
	case ice.BadUsername:
		p.loop.Drop(media.DropSTUNUsername)
	case ice.UnknownTransaction:
		p.loop.Drop(media.DropSTUNTransaction)
	}
	p.afterICE(now)
	return v == ice.OK
}

// accept reports whether packets from path are taken: only where a connectivity
// check has succeeded.
func (p *Peer) accept(now mono.Time, path ice.Path) bool {
	if path == p.pathRun {
		return true
	}
	if !p.agent.Valid(path) {
		p.loop.Drop(media.DropPathInvalid)
		return false
	}
	p.pathRun = path
	return true
}

// afterICE follows up on the agent's work.
func (p *Peer) afterICE(now mono.Time) {
	for {
		ev, ok := p.agent.PollEvent()
		if !ok {
			break
		}
		switch ev.Kind {
		case ice.SelectedPath:
			p.setPath(now, ev.Path)
			p.tellPair()
			p.startDTLS(now)
		case ice.StateChanged:
			p.iceState(now, ev.State, ev.Cause)
		}
		if p.closed {
			return
		}
	}
	p.wake(p.agent.Deadline())
}

// Times from the failure of ICE to the end of the connection: with the remote's
// candidates all known, and at the latest.
const (
	failGrace = 5 * time.Second
	failLimit = 15 * time.Second
)

// tellPair emits the candidates of the path.
func (p *Peer) tellPair() {
	if local, remote, ok := p.agent.SelectedPair(); ok {
		p.loop.Emit(Event{Kind: EventSelectedPair, Candidate: local, Remote: remote})
	}
}

func (p *Peer) iceState(now mono.Time, s ice.State, c ice.Cause) {
	p.loop.Emit(Event{Kind: EventICEState, ICEState: s})
	switch s {
	case ice.Connected, ice.Completed:
		if p.times.iceConnected == 0 {
			p.times.iceConnected = now
		}
		p.failedAt = 0
	case ice.Failed:
		if p.failedAt != 0 {
			return
		}
		p.failedAt, p.failure = now, ICECause(c)
		p.pathRun = ice.Path{}
		p.wake(now.Add(failGrace))
		if p.havePath {
			p.loop.Emit(Event{Kind: EventICEFailed, Cause: ICECause(c)})
			if p.opt.HangupOnFailed {
				p.Fail(now, ICECause(c))
			}
		}
	}
}

// checkFailure closes a connection whose ICE has failed for too long.
func (p *Peer) checkFailure(now mono.Time) {
	if p.failedAt == 0 {
		return
	}
	since := now.Sub(p.failedAt)
	if since >= failLimit || since >= failGrace && p.remoteDone && p.haveRemote {
		p.Fail(now, p.failure)
		return
	}
	p.wake(now.Add(500 * time.Millisecond))
}

// Advance does everything that is due.
func (p *Peer) Advance(now mono.Time) {
	if p.closed {
		p.deadline = mono.Never
		return
	}
	p.deadline = mono.Never
	p.agent.Advance(now)
	p.afterICE(now)
	p.checkFailure(now)
	p.checkRenewal(now)
	if p.closed || !p.up {
		return
	}
	p.advanceFeedback(now)
	if p.line != nil {
		p.line.advance(now)
	}
}

func (p *Peer) setUp(now mono.Time) {
	p.up = true
	p.nextReport = now.Add(reportInterval).Floor(reportsApart)
	p.wake(p.nextReport)
	if p.renewal.running {
		p.renewal = renewal{}
		p.RequestKeyframe(now, -1)
	} else {
		p.upAt = now
		p.loop.Emit(Event{Kind: EventUp})
	}
	for _, s := range p.sections {
		s.ready(now)
	}
}
