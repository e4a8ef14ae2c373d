package ice

import (
	"encoding/binary"
	"time"

	"bifrons/rtp/mono"
)

// Timing of connectivity checks. A check is sent maxSends times, then its pair
// has failed: after some 11 s.
const (
	paceFew     = 5 * time.Millisecond // RFC 8445, 14.2 and B.1: the least
	paceMany    = 50 * time.Millisecond
	fewPairs    = 10
	firstRTO    = 500 * time.Millisecond
	maxRTO      = 2 * time.Second
	maxSends    = 7
	hastenAfter = 50 * time.Millisecond

	nominateWait = 500 * time.Millisecond

	// maxConflicts bounds how often a remote may answer one pair's checks
	// with a role conflict.
	maxConflicts = 4
)

// Advance does everything that is due.
func (a *Agent) Advance(now mono.Time) {
	if a.state == Closed {
		return
	}
	a.deadline = mono.Never
	if a.gen.remoteSet {
		if !a.cfg.Lite {
			a.advanceChecks(now)
			a.advanceNomination(now)
		}
		a.advanceState(now)
	}
	a.maintain(now)
	if a.deadline <= now {
		a.deadline = now.Add(time.Millisecond)
	}
}

// advanceChecks retransmits, gives up, and begins the next check if pacing
// lets it.
func (a *Agent) advanceChecks(now mono.Time) {
	for _, q := range a.pairs {
		if q.state != pairInProgress || q.gen != a.gen || now < q.nextSend {
			continue
		}
		switch {
		case !q.heard && !a.outranks(q):
			q.state = pairWaiting // something better is selected already
		case q.tx[q.txAt].sends >= maxSends:
			a.fail(q)
		default:
			a.transmit(now, q)
		}
	}
	if now >= a.nextCheck {
		if q := a.nextPair(); q != nil {
			a.begin(now, q)
		}
	}
	if a.more() {
		a.wake(max(a.nextCheck, now+1))
	}
	for _, q := range a.pairs {
		if q.state == pairInProgress && q.gen == a.gen {
			a.wake(q.nextSend)
		}
	}
}

// outranks recognises a pair that would replace the selected one, and so is worth an
// ordinary check.
func (a *Agent) outranks(q *pair) bool {
	s := a.selected
	return s == nil || s.gen != a.gen || q.priority > s.priority
}

// nextPair takes the pair to check next: triggered ones in order, then the best
// that waits.
func (a *Agent) nextPair() *pair {
	for len(a.triggered) > 0 {
		q := a.triggered[0]
		a.triggered = a.triggered[:copy(a.triggered, a.triggered[1:])]
		q.queued = false
		return q
	}
	return a.bestWaiting()
}

func (a *Agent) bestWaiting() *pair {
	if a.state == Failed {
		return nil
	}
	var best *pair
	for _, q := range a.pairs {
		if q.state == pairWaiting && q.gen == a.gen && a.outranks(q) &&
			(best == nil || q.priority > best.priority) {
			best = q
		}
	}
	return best
}

func (a *Agent) more() bool { return len(a.triggered) > 0 || a.bestWaiting() != nil }

// trigger queues a check of q (RFC 8445, 7.3.1.4).
func (a *Agent) trigger(now mono.Time, q *pair) {
	if q.queued {
		return
	}
	q.queued = true
	if q.state != pairSucceeded {
		q.state = pairWaiting
	}
	a.triggered = append(a.triggered, q)
	a.wake(max(a.nextCheck, now))
}

// hasten retransmits soon: a check from the remote shows that its NAT is open
// now. The transaction stays the same, or a remote that checks more often than
// the path's round trip would never see one of ours succeed.
func (a *Agent) hasten(now mono.Time, q *pair) {
	at := max(now, q.lastSend.Add(hastenAfter))
	q.rto = firstRTO
	q.tx[q.txAt].sends = 1
	if at < q.nextSend {
		q.nextSend = at
		a.wake(at)
	}
}

// begin starts a new transaction on q.
func (a *Agent) begin(now mono.Time, q *pair) {
	q.state = pairInProgress
	q.rto = firstRTO
	a.newTransaction(now, q)
	a.transmit(now, q)
	pace := paceFew
	if len(a.pairs) > fewPairs {
		pace = paceMany
	}
	a.nextCheck = now.Add(pace)
}

func (a *Agent) newTransaction(now mono.Time, q *pair) {
	q.txAt = (q.txAt + 1) % uint8(len(q.tx))
	t := &q.tx[q.txAt]
	*t = transaction{at: now, controlling: a.controlling}
	t.nominate = a.controlling &&
		(!a.cfg.RegularNomination || q.nominating || q == a.selected && q.gen == a.gen)
	a.cfg.Rand(t.id[:])
	if a.cfg.Key != 0 {
		binary.BigEndian.PutUint32(t.id[:], a.cfg.Key)
	}
}

// transmit sends the newest transaction of q once more.
func (a *Agent) transmit(now mono.Time, q *pair) {
	t := &q.tx[q.txAt]
	t.sends++
	q.lastSend = now
	q.nextSend = now.Add(q.rto)
	q.rto = min(2*q.rto, maxRTO)
	b := a.out.begin(bindingRequest, &t.id).
		bytes(attrUsername, q.gen.username).
		uint32(attrPriority, checkPriority(q.local))
	if t.controlling {
		b = b.uint64(attrControlling, a.tie)
	} else {
		b = b.uint64(attrControlled, a.tie)
	}
	if t.nominate {
		b = b.attr(attrUseCandidate, 0)
	}
	a.send(now, q.path, b.integrity(q.gen.out).fingerprint())
}

func (a *Agent) send(now mono.Time, p Path, b builder) {
	a.out = b
	if a.selected != nil && a.selected.path == p {
		a.lastSent = now
	}
	if a.cfg.Send != nil {
		a.cfg.Send(p, b)
	}
}

func (a *Agent) fail(q *pair) {
	q.state = pairFailed
	q.nominating, q.wantNomination, q.nominated = false, false, false
	q.conflicts = 0
	if q != a.selected {
		q.valid = false
	}
}

// advanceNomination nominates once all that is better has been tried, or
// nominateWait after the first success (RFC 8445, 8.1.1).
func (a *Agent) advanceNomination(now mono.Time) {
	if !a.controlling || !a.cfg.RegularNomination || a.nominateAt == 0 || a.hasSelected() {
		return
	}
	var best *pair
	pending := false
	for _, q := range a.pairs {
		if q.gen != a.gen {
			continue
		}
		if q.nominating {
			return
		}
		if q.valid && (best == nil || q.priority > best.priority) {
			best = q
		}
	}
	for _, q := range a.pairs {
		pending = pending || q.gen == a.gen && best != nil && q.priority > best.priority &&
			(q.state == pairWaiting || q.state == pairInProgress)
	}
	switch {
	case best == nil:
		a.nominateAt = 0
	case pending && now < a.nominateAt:
		a.wake(a.nominateAt)
	default:
		best.nominating = true
		a.trigger(now, best)
	}
}

// hasSelected reports whether a pair of the current generation is selected.
func (a *Agent) hasSelected() bool { return a.selected != nil && a.selected.gen == a.gen }
