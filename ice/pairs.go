package ice

import (
	"net/netip"
	"strconv"
	"time"

	"bifrons/rtp/mono"
)

type pairState uint8

const (
	pairWaiting pairState = iota
	pairInProgress
	pairSucceeded
	pairFailed
)

// pair is a candidate pair (RFC 8445, 6.1.2). There is no frozen state: with
// one component and BUNDLE it would only delay.
type pair struct {
	path          Path
	local, remote *Candidate
	gen           *generation
	priority      uint64

	state     pairState
	valid     bool // a check of ours succeeded (lite: one of theirs)
	heard     bool // a check of theirs succeeded
	nominated bool
	// wantNomination: the remote nominated, our own check has yet to succeed.
	wantNomination bool
	left           bool // given up by the remote, see Leave
	nominating     bool // the next check carries USE-CANDIDATE (regular nomination)
	queued         bool // in the queue of triggered checks

	tx        [4]transaction // ring, newest at txAt
	txAt      uint8
	conflicts uint8
	rto       time.Duration
	lastSend  mono.Time
	nextSend  mono.Time
	rtt       time.Duration

	lastRecv       mono.Time // anything authenticated
	lastMedia      mono.Time
	lastNominated  mono.Time // the remote's last USE-CANDIDATE
	nominatedSince mono.Time // see deserted
}

// transaction is one binding request, with its retransmissions.
type transaction struct {
	id          transactionID
	at          mono.Time // first sent
	sends       uint8     // 0: not outstanding
	nominate    bool
	controlling bool
}

// pairPriority is RFC 8445, 6.1.2.3.
func pairPriority(controlling, controlled uint32) uint64 {
	g, d := uint64(controlling), uint64(controlled)
	p := min(g, d)<<32 + 2*max(g, d)
	if g > d {
		p++
	}
	return p
}

func (a *Agent) setPriority(q *pair) {
	if a.controlling {
		q.priority = pairPriority(q.local.Priority, q.remote.Priority)
	} else {
		q.priority = pairPriority(q.remote.Priority, q.local.Priority)
	}
}

// prioritize follows a change of role or of a candidate's priority.
func (a *Agent) prioritize() {
	for _, q := range a.pairs {
		a.setPriority(q)
	}
}

func (a *Agent) findRemote(addr netip.AddrPort, tcp bool) *Candidate {
	for _, r := range a.remotes {
		if r.Addr == addr && r.overTCP() == tcp {
			return r
		}
	}
	return nil
}

// find returns the pair of the current generation that p belongs to.
func (a *Agent) find(p Path) *pair {
	if q := a.selected; q != nil && q.gen == a.gen && samePath(q.path, p) {
		return q
	}
	for _, q := range a.pairs {
		if q.gen == a.gen && samePath(q.path, p) {
			return q
		}
	}
	return nil
}

func (a *Agent) pairRemote(now mono.Time, r *Candidate) {
	for _, l := range a.locals {
		a.pairWith(now, l, r)
	}
}

func (a *Agent) pairWith(now mono.Time, l, r *Candidate) {
	if a.cfg.Lite && !a.remoteLite {
		return // the remote's checks will show
	}
	q := a.pairUp(l, r)
	if q != nil && a.cfg.Lite {
		// Nobody checks; the best pair is taken (RFC 8445, 8.2).
		q.state, q.valid = pairSucceeded, true
		a.nominatedNow(now, q)
	}
}

// pairUp makes the pair of l and r if they fit and it is not there yet.
func (a *Agent) pairUp(l, r *Candidate) *pair {
	if l.overTCP() || r.overTCP() {
		return nil // passive: the remote connects, and its check shows it
	}
	remote, base := r.Addr, l.Base
	switch ip := remote.Addr(); {
	case base.Is4() != ip.Is4():
		return nil
	case base.Is6() && base.IsLinkLocalUnicast() != ip.IsLinkLocalUnicast():
		return nil // RFC 8445, 6.1.2.2
	case ip.IsLoopback() && !base.IsLoopback():
		return nil // no probing of services on this host
	}
	if remote.Addr().IsLinkLocalUnicast() && remote.Addr().Zone() == "" {
		remote = netip.AddrPortFrom(remote.Addr().WithZone(base.Zone()), remote.Port())
	}
	p := Path{Local: base, Remote: remote, Link: l.Link}
	if a.find(p) != nil {
		return nil
	}
	return a.addPair(p, l, r, spare)
}

// Reasons to add a pair.
type need bool

const (
	spare  need = false
	urgent need = true // the remote uses it
)

// addPair adds a pair; beyond maxPairs it must be urgent or better than another
// that it then replaces.
func (a *Agent) addPair(p Path, l, r *Candidate, n need) *pair {
	q := &pair{path: p, local: l, remote: r, gen: a.gen}
	a.setPriority(q)
	if len(a.pairs) >= maxPairs && !a.evict(q.priority, n) {
		return nil
	}
	a.pairs = append(a.pairs, q)
	return q
}

// evict makes room: a failed pair goes first, then the one with the lowest
// priority that was never valid, then, for an urgent one, that which has been
// silent for longest.
func (a *Agent) evict(prio uint64, n need) bool {
	worst := -1
	for i, q := range a.pairs {
		if q == a.selected || q == a.rival {
			continue
		}
		if worst < 0 || q.worse(a.pairs[worst]) {
			worst = i
		}
	}
	if worst < 0 {
		return false
	}
	q := a.pairs[worst]
	if n != urgent && (q.rank() == 2 || q.rank() == 1 && q.priority >= prio) {
		return false
	}
	a.remove(q)
	return true
}

func (q *pair) rank() int {
	switch {
	case q.valid:
		return 2
	case q.state == pairFailed:
		return 0
	}
	return 1
}

func (q *pair) worse(o *pair) bool {
	if q.rank() != o.rank() {
		return q.rank() < o.rank()
	}
	if q.valid {
		return q.lastRecv < o.lastRecv
	}
	return q.priority < o.priority
}

// remove forgets a pair, and its remote candidate if that was learned by it.
func (a *Agent) remove(q *pair) {
	a.pairs = without(a.pairs, q)
	a.triggered = without(a.triggered, q)
	if q.remote.Type != PeerReflexive {
		return
	}
	for _, o := range a.pairs {
		if o.remote == q.remote {
			return
		}
	}
	a.remotes = without(a.remotes, q.remote)
}

func without[T comparable](s []T, v T) []T {
	for i := range s {
		if s[i] == v {
			return append(s[:i], s[i+1:]...)
		}
	}
	return s
}

// learn makes a pair for a check that came by an unknown path, with a peer
// reflexive candidate if need be (RFC 8445, 7.3.1.3). It returns nil if there
// is no room.
func (a *Agent) learn(p Path, prio uint32) *pair {
	l := a.localFor(p)
	if !p.Local.IsValid() {
		p.Local = l.Base
	}
	r := a.findRemote(p.Remote, l.overTCP())
	if r == nil {
		if len(a.remotes) >= 2*maxCands {
			return nil
		}
		r = &Candidate{
			Foundation: "prflx" + strconv.Itoa(len(a.remotes)),
			Component:  1,
			Transport:  l.Transport,
			Priority:   prio,
			Addr:       p.Remote,
			Type:       PeerReflexive,
		}
		if l.overTCP() {
			r.TCPType = "active"
		}
	}
	q := a.addPair(p, l, r, urgent)
	if q != nil && a.findRemote(r.Addr, r.overTCP()) == nil {
		a.remotes = append(a.remotes, r)
	}
	return q
}

// localFor returns the candidate that datagrams on p are received by: that with
// the link or the base, or the best of the address family if the host has got
// the address without having announced it. A link that is no candidate's is a
// TCP connection.
func (a *Agent) localFor(p Path) *Candidate {
	var best *Candidate
	tcp := p.Link != 0
	for _, l := range a.locals {
		if l.Link != 0 {
			if l.Link == p.Link {
				return l
			}
			continue
		}
		if l.overTCP() != tcp {
			continue
		}
		if l.Base == p.Local {
			return l
		}
		if l.Base.Is4() == p.Remote.Addr().Is4() && (best == nil || l.Priority > best.Priority) {
			best = l
		}
	}
	if best == nil {
		best = &Candidate{Foundation: "0", Component: 1, Transport: "udp", Priority: priority(Host, 0),
			Addr: netip.AddrPortFrom(p.Local, 0), Type: Host, Base: p.Local}
		if tcp {
			best.Transport, best.TCPType, best.Priority = "tcp", "passive", passivePriority(0)
		}
	}
	return best
}

// learnLocal takes the address that the remote sees us at: if it is no
// candidate of ours yet, it becomes a peer reflexive one of the pair
// (RFC 8445, 7.2.5.3.1).
func (a *Agent) learnLocal(q *pair, mapped netip.AddrPort) {
	if !sendable(mapped) || mapped == q.local.Addr {
		return
	}
	for _, l := range a.locals {
		if l.Addr == mapped && l.Base == q.path.Local && l.overTCP() == q.local.overTCP() && l.Link == q.local.Link {
			q.local = l
			a.setPriority(q)
			return
		}
	}
	if len(a.locals) >= maxCands {
		return
	}
	l := &Candidate{
		Foundation: "prflx" + strconv.Itoa(len(a.locals)),
		Component:  1,
		Transport:  q.local.Transport,
		Priority:   checkPriority(q.local),
		Addr:       mapped,
		Type:       PeerReflexive,
		Related:    q.local.Addr,
		TCPType:    q.local.TCPType,
		Base:       q.path.Local,
		Link:       q.local.Link,
	}
	a.locals = append(a.locals, l)
	q.local = l
	a.setPriority(q)
}

// checkPriority is the PRIORITY of our checks: that of a peer reflexive
// candidate learned from them (RFC 8445, 7.1.1).
func checkPriority(l *Candidate) uint32 {
	preference := PeerReflexive.preference()
	if l.overTCP() {
		preference = PeerReflexive.tcpPreference()
	}
	return preference<<24 | l.Priority&0xFFFFFF
}
