package ice

import (
	"encoding/binary"
	"time"

	"bifrons/rtp/mono"
)

// Keeping a path alive and noticing that it is not.
const (
	keepaliveInterval = 15 * time.Second // RFC 8445, 11
	consentMin        = 4 * time.Second  // RFC 7675, 5.1
	consentSpread     = 2 * time.Second
	consentTimeout    = 30 * time.Second

	// probeAfter is the silence after which a full agent asks; a remote that
	// is merely idle so shows that it lives.
	probeAfter    = 2500 * time.Millisecond
	probeInterval = time.Second
	lostInterval  = 2 * time.Second // while disconnected

	disconnectAfter = 5 * time.Second
	// disconnectLite is more, as a lite agent cannot ask, and checks by
	// RFC 7675 come up to 6 s apart.
	disconnectLite = 8 * time.Second
	failAfter      = 30 * time.Second

	// checkingTimeout is how long an agent without a path waits for the
	// remote to signal something more.
	checkingTimeout = 30 * time.Second
)

// patience is the silence that means disconnection.
func (a *Agent) patience() time.Duration {
	if a.cfg.Lite {
		return disconnectLite
	}
	return disconnectAfter
}

// Received reports an authenticated packet, other than STUN, that arrived on p.
func (a *Agent) Received(now mono.Time, p Path) {
	if s := a.selected; s != nil && s.path == p && a.state < Disconnected {
		a.lastRecv, s.lastRecv, s.lastMedia = now, now, now
		return
	}
	if a.state == Closed {
		return
	}
	p = unmapPath(p)
	q := a.selectedBy(p)
	if q == nil {
		q = a.find(p)
	}
	if q != nil {
		q.lastMedia = now
	}
	a.heardFrom(now, q)
}

// Sent reports that media was sent on the selected path.
func (a *Agent) Sent(now mono.Time) { a.lastSent = now }

// Preload reads ahead the memory that Sent needs. The result means nothing: it keeps the compiler
// from leaving that out.
func (a *Agent) Preload() uint64 { return uint64(a.lastSent) }

// selectedBy returns the selected pair if p is its path.
func (a *Agent) selectedBy(p Path) *pair {
	if a.selected != nil && samePath(a.selected.path, p) {
		return a.selected
	}
	return nil
}

// heardFrom notes that something authenticated came by the pair q, nil if by
// none.
func (a *Agent) heardFrom(now mono.Time, q *pair) {
	a.lastRecv = now
	if q != nil {
		q.lastRecv = now
	}
	switch a.state {
	case Disconnected:
		a.setState(Connected)
		a.wake(now)
	case Failed:
		// Lost consent must be given again, by an answer to a check.
		if q != nil && q == a.selected {
			a.setState(Connected)
			a.emit(Event{Kind: SelectedPath, Path: q.path})
			a.lastConsent = now
			a.wake(now)
		}
	}
	if q != nil {
		a.contest(now, q)
	}
}

// advanceState finds out that checking is over.
func (a *Agent) advanceState(now mono.Time) {
	switch a.state {
	case Checking:
		switch {
		case a.endOfRemote && a.allFailed():
			a.setFailed(NoPair)
		case now >= a.news.Add(checkingTimeout):
			a.setFailed(CheckingLimit)
		default:
			a.wake(a.news.Add(checkingTimeout))
		}
	case Connected:
		if a.hasSelected() && !a.checking() {
			a.setState(Completed)
		}
	}
}

// allFailed is false while there are no pairs: the remote's checks may bring
// some (RFC 8863).
func (a *Agent) allFailed() bool {
	for _, q := range a.pairs {
		if q.state != pairFailed || q.queued {
			return false
		}
	}
	return len(a.pairs) > 0
}

// checking reports whether a check is outstanding or to come.
func (a *Agent) checking() bool {
	for _, q := range a.pairs {
		if q.state == pairInProgress && q.gen == a.gen {
			return true
		}
	}
	return !a.cfg.Lite && a.more()
}

// maintain keeps the selected path alive, and judges it.
func (a *Agent) maintain(now mono.Time) {
	a.advanceRival(now)
	if a.selected == nil || a.state == Failed {
		return
	}
	if c := a.expired(now); c != NoCause {
		a.lose(c)
		return
	}
	a.wake(a.lastRecv.Add(failAfter))
	if a.cfg.ConsentFreshness && !a.cfg.Lite {
		a.wake(a.lastConsent.Add(consentTimeout))
	}
	lost := a.lastRecv.Add(a.patience())
	switch {
	case now < lost:
		a.wake(lost)
	case a.state != Disconnected:
		a.setState(Disconnected)
		a.recheck(now)
	}
	a.ask(now)
	a.keepalive(now)
}

// expired says why the selected path counts no longer, NoCause while it does.
func (a *Agent) expired(now mono.Time) Cause {
	switch {
	case now >= a.lastRecv.Add(failAfter):
		return Silence
	case a.cfg.ConsentFreshness && !a.cfg.Lite && now >= a.lastConsent.Add(consentTimeout):
		return ConsentExpired
	}
	return NoCause
}

// lose fails the agent. Without consent nothing may be sent by any path that
// has not been checked again.
func (a *Agent) lose(c Cause) {
	if a.cfg.ConsentFreshness && !a.cfg.Lite {
		a.triggered = nil
		for _, q := range a.pairs {
			q.queued = false
			renominate := q.nominated || q == a.selected
			a.fail(q)
			q.valid, q.heard, q.wantNomination = false, false, renominate && !a.controlling
		}
		if !a.hasSelected() {
			a.remove(a.selected)
		}
		a.selected = nil
	}
	a.rival = nil
	a.setFailed(c)
}

// recheck looks for another path among the valid ones.
func (a *Agent) recheck(now mono.Time) {
	if a.cfg.Lite {
		return
	}
	for _, q := range a.pairs {
		if q.valid && q != a.selected && q.gen == a.gen && q.state == pairSucceeded {
			a.trigger(now, q)
		}
	}
}

// ask checks the selected pair: regularly for consent, and when it is silent.
func (a *Agent) ask(now mono.Time) {
	if a.cfg.Lite {
		return
	}
	at := max(a.selected.lastRecv.Add(probeAfter), a.nextProbe)
	if a.cfg.ConsentFreshness || a.cfg.KeepaliveConncheck {
		at = min(at, a.nextConsent)
	}
	if now >= at {
		a.probe(now)
		at = a.nextProbe
	}
	a.wake(at)
}

// probe sends one check on the selected pair. It is not retransmitted: the next
// one is a new transaction (RFC 7675, 5.1).
func (a *Agent) probe(now mono.Time) {
	a.nextProbe = now.Add(probeInterval)
	if a.state == Disconnected {
		a.nextProbe = now.Add(lostInterval)
	}
	a.nextConsent = now.Add(a.consentInterval())
	s := a.selected
	if s.gen.remoteSet && s.state != pairInProgress {
		a.newTransaction(now, s)
		a.transmit(now, s)
	}
}

func (a *Agent) consentInterval() time.Duration {
	a.cfg.Rand(a.rnd[:2])
	return consentMin + consentSpread*time.Duration(binary.BigEndian.Uint16(a.rnd[:]))>>16
}

// keepalive sends an indication when nothing else went out.
func (a *Agent) keepalive(now mono.Time) {
	if now >= a.lastSent.Add(keepaliveInterval) {
		a.cfg.Rand(a.rnd[:])
		id := transactionID(a.rnd)
		a.send(now, a.selected.path, a.out.begin(bindingIndication, &id).fingerprint())
	}
	a.wake(a.lastSent.Add(keepaliveInterval))
}
