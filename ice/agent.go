package ice

import (
	crand "crypto/rand"
	"encoding/binary"
	"net/netip"
	"time"

	"bifrons/rtp/mono"
)

// State is the state of an agent, as in W3C's RTCIceTransportState.
type State uint8

// States of an agent.
const (
	New          State = iota // the remote credentials are not known
	Checking                  // no path yet
	Connected                 // a path is selected
	Completed                 // and nothing better is being checked
	Disconnected              // the remote went silent, the path is kept
	Failed                    // no path, or silent too long; may still recover
	Closed
)

// String returns W3C's name of the state.
func (s State) String() string {
	return [...]string{"new", "checking", "connected", "completed",
		"disconnected", "failed", "closed"}[min(s, Closed)]
}

// Verdict reports the outcome of a STUN datagram.
type Verdict uint8

// Verdicts on a datagram. Anything but OK left no trace.
const (
	OK                 Verdict = iota
	Malformed                  // no STUN, a wrong FINGERPRINT, or not for ICE
	BadIntegrity               // MESSAGE-INTEGRITY is missing or wrong
	BadUsername                // a request for somebody else
	UnknownTransaction         // a response to nothing that is outstanding on its path
	NotRelayed                 // by a path that Config.RelayOnly excludes
)

// EventKind is the kind of an event.
type EventKind uint8

// Kinds of events.
const (
	StateChanged EventKind = iota // State is set
	SelectedPath                  // Path is set: send media there from now on
)

// Event is something that happened to an agent.
type Event struct {
	Kind  EventKind
	State State
	Cause Cause // of the state Failed
	Path  Path
}

// Config sets up an Agent.
type Config struct {
	Lite        bool // answer only (RFC 8445, 2.5); such an agent is controlled
	Controlling bool // initial role
	Local       Credentials

	// RegularNomination nominates once, the best valid pair after a short
	// wait. Without it a controlling agent nominates with every check
	// (RFC 5245, 8.1.1.2).
	RegularNomination bool
	// ConsentFreshness fails the agent when the selected pair has not
	// answered a check for 30 s (RFC 7675). A lite agent sends no checks, so
	// there any authenticated traffic counts.
	ConsentFreshness bool
	// KeepaliveConncheck makes keepalives binding requests every 4 to 6 s in
	// place of indications.
	KeepaliveConncheck bool

	// RelayOnly uses relayed local candidates only, and takes nothing that came
	// by another path, as W3C's iceTransportPolicy "relay" does.
	RelayOnly bool

	// Key, if not 0, starts every transaction id, so that the owner of a socket
	// shared by agents can see by TransactionKey whose response came.
	Key        uint32
	TieBreaker uint64       // role conflicts; 0: taken from Rand
	Rand       func([]byte) // fills with random bytes; default crypto/rand

	// Send transmits one datagram; b is lent for the call. It must not call
	// back into the agent.
	Send func(p Path, b []byte)
}

// Limits on the state that a remote can make an agent hold.
const (
	maxPairs  = 100
	maxCands  = 100
	maxEarly  = 16
	maxEvents = 64
)

// Agent is the ICE agent of one BUNDLE transport with one component. Its
// methods are for one goroutine. Addresses that are IPv4 mapped into IPv6 are
// unmapped.
//
// The owner passes every STUN datagram to Handle, calls Advance when Deadline
// is reached, and drains PollEvent after each call.
type Agent struct {
	cfg         Config
	controlling bool
	remoteLite  bool
	tie         uint64

	gen  *generation // current credentials
	prev *generation // those before a restart, until a new path is selected

	locals    []*Candidate // all have a base
	remotes   []*Candidate
	pairs     []*pair // of gen, and the selected one of prev
	triggered []*pair // queue of triggered checks (RFC 8445, 6.1.4.1)
	selected  *pair
	rival     *pair // wants to replace the selected pair, see contest

	state       State
	cause       Cause // while Failed
	endOfRemote bool
	events      []Event

	news        mono.Time // the remote's last signalled credentials or candidate
	lastRecv    mono.Time // authenticated traffic on any path
	lastSent    mono.Time // anything on the selected path
	lastConsent mono.Time // the selected pair was proven
	nextCheck   mono.Time // pacing
	nextProbe   mono.Time // earliest next check of the selected pair
	nextConsent mono.Time // latest next check of the selected pair
	nominateAt  mono.Time // regular nomination waits no longer
	rivalAt     mono.Time // when rival wins
	deadline    mono.Time

	msg message  // scratch
	out builder  // scratch
	rnd [12]byte // scratch
}

// generation is the credentials between two restarts.
type generation struct {
	local, remote Credentials
	remoteSet     bool
	in            *macKey // our password: their requests, our responses
	out           *macKey // theirs: our requests, their responses
	username      []byte  // of our requests
	early         []earlyCheck
}

// earlyCheck is a good request that came before the remote credentials.
type earlyCheck struct {
	path         Path
	priority     uint32
	useCandidate bool
}

func newGeneration(local Credentials) *generation {
	return &generation{local: local, in: newMACKey(local.Pwd)}
}

func (g *generation) setRemote(c Credentials) {
	g.remote, g.remoteSet = c, true
	g.out = newMACKey(c.Pwd)
	g.username = []byte(c.Ufrag + ":" + g.local.Ufrag)
}

// NewAgent returns an agent that does nothing until SetRemote, except to answer
// checks.
func NewAgent(cfg Config) *Agent {
	if cfg.Rand == nil {
		cfg.Rand = func(b []byte) { crand.Read(b) }
	}
	a := &Agent{
		cfg:         cfg,
		controlling: cfg.Controlling && !cfg.Lite,
		tie:         cfg.TieBreaker,
		gen:         newGeneration(cfg.Local),
		deadline:    mono.Never,
	}
	if a.tie == 0 {
		var b [8]byte
		cfg.Rand(b[:])
		a.tie = binary.BigEndian.Uint64(b[:])
	}
	return a
}

// AddLocal adds an own candidate, before or after the remote's are known. A TCP
// candidate is taken as passive: it waits for checks (RFC 6544, 6.2). Ignored
// are other components than 1, and with RelayOnly all but relayed ones.
func (a *Agent) AddLocal(c Candidate) {
	if a.state == Closed || c.Component != 1 || !c.overUDP() && !c.overTCP() ||
		!c.Addr.IsValid() || len(a.locals) >= maxCands || a.cfg.RelayOnly && c.Link == 0 {
		return
	}
	c.Addr = unmapPort(c.Addr)
	c.Base = c.base().Unmap()
	l := &c
	a.locals = append(a.locals, l)
	if a.gen.remoteSet {
		now := max(a.news, a.lastRecv)
		for _, r := range a.remotes {
			a.pairWith(now, l, r)
		}
		if a.state == Failed && a.selected == nil {
			a.setState(Checking)
		}
		a.wake(now)
	}
}

// SetRemote sets the remote's credentials and whether it is lite, in which case
// a full agent becomes controlling (RFC 8445, 6.1.1). The same credentials
// again change nothing; others without a Restart start the checks again.
func (a *Agent) SetRemote(now mono.Time, c Credentials, lite bool) {
	if a.state == Closed || a.gen.remoteSet && a.gen.remote == c {
		return
	}
	if a.gen.remoteSet {
		remotes := a.remotes
		a.Restart(now, a.gen.local)
		a.remotes = remotes
	}
	a.remoteLite = lite
	if lite && !a.cfg.Lite && !a.controlling {
		a.switchRole(now)
	}
	a.gen.setRemote(c)
	a.news = now
	if a.state == Failed && a.selected != nil {
		a.remove(a.selected) // the path of before a restart
		a.selected = nil
	}
	if a.selected == nil {
		a.setState(Checking)
	}
	for _, r := range a.remotes {
		a.pairRemote(now, r)
	}
	early := a.gen.early
	a.gen.early = nil
	for _, e := range early {
		a.checked(now, e.path, e.priority, e.useCandidate && !a.controlling)
	}
	a.wake(now)
}

// AddRemote adds a candidate of the remote. Those of TCP are only remembered, as
// it is for the remote to connect. Ignored are doubles, other components than 1,
// other transports, names without an address, and addresses that nothing can be
// sent to.
func (a *Agent) AddRemote(now mono.Time, c Candidate) {
	if a.state == Closed || c.Component != 1 || !c.overUDP() && !c.overTCP() || !sendable(c.Addr) {
		return
	}
	c.Addr = unmapPort(c.Addr)
	c.Base, c.Link = netip.Addr{}, 0
	if r := a.findRemote(c.Addr, c.overTCP()); r != nil {
		// A candidate learned from a check gets the properties it is signalled
		// with (RFC 8838, 11).
		if r.Type == PeerReflexive && c.Type != PeerReflexive {
			*r = c
			a.prioritize()
		}
		return
	}
	if len(a.remotes) >= maxCands {
		return
	}
	a.news = now
	r := &c
	a.remotes = append(a.remotes, r)
	if !a.gen.remoteSet {
		return
	}
	a.pairRemote(now, r)
	if a.state == Failed && a.selected == nil {
		a.setState(Checking)
	}
	a.wake(now)
}

// EndOfRemote says that the remote has no more candidates: the agent fails as
// soon as all checks have.
func (a *Agent) EndOfRemote(now mono.Time) {
	if a.state != Closed {
		a.endOfRemote = true
		a.wake(now)
	}
}

// Restart starts again with new local credentials (RFC 8445, 9). The remote's
// credentials and candidates must be set again. A selected path stays in use,
// and is still checked with the old credentials, until a new one is selected.
func (a *Agent) Restart(now mono.Time, local Credentials) {
	if a.state == Closed {
		return
	}
	a.prev, a.gen = a.gen, newGeneration(local)
	if a.state == Failed {
		a.selected = nil
	}
	a.remotes, a.triggered, a.rival = nil, nil, nil
	a.pairs = nil
	if a.selected != nil {
		a.pairs = append(a.pairs, a.selected)
	}
	locals := a.locals[:0]
	for _, l := range a.locals {
		if l.Type != PeerReflexive {
			locals = append(locals, l)
		}
	}
	a.locals = locals
	a.endOfRemote, a.nominateAt = false, 0
	switch {
	case a.selected == nil:
		a.setState(New)
	case a.state == Completed:
		a.setState(Connected)
	}
	a.wake(now)
}

// Close ends the agent; it sends and accepts nothing any more.
func (a *Agent) Close() {
	a.setState(Closed)
	a.pairs, a.triggered, a.remotes = nil, nil, nil
	a.selected, a.rival, a.prev = nil, nil, nil
	a.deadline = mono.Never
}

// Deadline returns when Advance is due, mono.Never if nothing is to be done.
func (a *Agent) Deadline() mono.Time { return a.deadline }

// wake makes Advance due at t at the latest.
func (a *Agent) wake(t mono.Time) {
	a.deadline = min(a.deadline, max(t, 1))
}

// State returns the present state.
func (a *Agent) State() State { return a.state }

// Controlling returns the present role (RFC 8445, 6.1.1).
func (a *Agent) Controlling() bool { return a.controlling }

// Selected returns the path for outgoing media. There is none before the first
// nomination, nor in the states Failed and Closed.
func (a *Agent) Selected() (Path, bool) {
	if a.selected == nil || a.state == Failed {
		return Path{}, false
	}
	return a.selected.path, true
}

// SelectedPair returns the candidates of the selected path.
func (a *Agent) SelectedPair() (local, remote Candidate, ok bool) {
	if _, ok := a.Selected(); !ok {
		return Candidate{}, Candidate{}, false
	}
	return *a.selected.local, *a.selected.remote, true
}

// Valid reports whether a check by p with good integrity has succeeded, theirs
// or ours: DTLS and media from elsewhere are not to be looked at.
func (a *Agent) Valid(p Path) bool {
	p = unmapPath(p)
	if a.selected != nil && samePath(a.selected.path, p) {
		return true
	}
	for _, q := range a.pairs {
		if (q.valid || q.heard) && samePath(q.path, p) {
			return true
		}
	}
	for i := range a.gen.early {
		if samePath(a.gen.early[i].path, p) {
			return true
		}
	}
	return false
}

// RTT returns the smoothed round-trip time of the selected pair's checks, 0 if
// unknown.
func (a *Agent) RTT() time.Duration {
	if a.selected == nil {
		return 0
	}
	return a.selected.rtt
}

// PollEvent returns the next event, in order.
func (a *Agent) PollEvent() (Event, bool) {
	if len(a.events) == 0 {
		return Event{}, false
	}
	e := a.events[0]
	n := copy(a.events, a.events[1:])
	a.events = a.events[:n]
	return e, true
}

func (a *Agent) emit(e Event) {
	if len(a.events) == maxEvents {
		a.events = a.events[:copy(a.events, a.events[1:])]
	}
	a.events = append(a.events, e)
}

func (a *Agent) setState(s State) {
	if s != a.state {
		a.state, a.cause = s, NoCause
		a.emit(Event{Kind: StateChanged, State: s})
	}
}

func (a *Agent) setFailed(c Cause) {
	if a.state != Failed {
		a.state, a.cause = Failed, c
		a.emit(Event{Kind: StateChanged, State: Failed, Cause: c})
	}
}

func unmapPort(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func unmapPath(p Path) Path {
	return Path{Local: p.Local.Unmap(), Remote: unmapPort(p.Remote), Link: p.Link}
}

// samePath compares paths; a local address that is not known fits any.
func samePath(p, q Path) bool {
	return p.Remote == q.Remote && p.Link == q.Link &&
		(p.Local == q.Local || !p.Local.IsValid() || !q.Local.IsValid())
}

// sendable recognises addresses that a single host can have.
func sendable(a netip.AddrPort) bool {
	ip := a.Addr()
	return ip.IsValid() && a.Port() != 0 && !ip.IsUnspecified() && !ip.IsMulticast() &&
		ip.Unmap() != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
