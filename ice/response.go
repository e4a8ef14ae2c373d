package ice

import (
	"bifrons/rtp/mono"
)

// response takes the answer to one of our requests (RFC 8445, 7.2.5). Without
// good integrity, or by another path, it is as if it had not come: the request
// stays outstanding.
func (a *Agent) response(now mono.Time, p Path, m *message) Verdict {
	q, t := a.outstanding(&m.id)
	if q == nil {
		return UnknownTransaction
	}
	if !q.gen.out.verify(m) {
		return BadIntegrity
	}
	if !samePath(q.path, p) {
		return UnknownTransaction
	}
	sent := *t
	*t = transaction{}
	if m.typ == bindingError {
		a.heardFrom(now, q)
		a.refused(now, q, sent, m.errorCode)
		return OK
	}
	if sent.sends == 1 {
		q.sampleRTT(now, sent.at)
	}
	a.succeeded(now, q, sent, m)
	return OK
}

func (a *Agent) outstanding(id *transactionID) (*pair, *transaction) {
	for _, q := range a.pairs {
		for i := range q.tx {
			if t := &q.tx[i]; t.sends != 0 && t.id == *id {
				return q, t
			}
		}
	}
	return nil, nil
}

// sampleRTT is only for requests sent once, as the answer to others is
// ambiguous.
func (q *pair) sampleRTT(now, sent mono.Time) {
	d := max(now.Sub(sent), 1)
	if q.rtt == 0 {
		q.rtt = d
		return
	}
	q.rtt += (d - q.rtt) / 8
}

// succeeded makes q a valid pair (RFC 8445, 7.2.5.3).
func (a *Agent) succeeded(now mono.Time, q *pair, sent transaction, m *message) {
	q.state, q.valid = pairSucceeded, true
	q.conflicts = 0
	if q == a.selected {
		a.lastConsent = now
	}
	if q.gen != a.gen {
		a.heardFrom(now, q)
		return
	}
	a.learnLocal(q, m.mapped)
	switch {
	case a.controlling && sent.nominate:
		q.nominating = false
		a.heardFrom(now, q)
		a.nominatedNow(now, q)
	case a.controlling:
		a.heardFrom(now, q)
		if a.nominateAt == 0 {
			a.nominateAt = now.Add(nominateWait)
		}
	case q.wantNomination:
		q.wantNomination = false
		a.heardFrom(now, q)
		a.nominatedNow(now, q)
	default:
		a.heardFrom(now, q)
	}
	a.wake(now) // maybe nothing is left to be checked
}

// refused follows an error response (RFC 8445, 7.2.5.1).
func (a *Agent) refused(now mono.Time, q *pair, sent transaction, code int) {
	if q.gen != a.gen || q == a.selected {
		return
	}
	if code != errorRoleConflict || q.conflicts >= maxConflicts {
		a.fail(q)
		a.wake(now)
		return
	}
	q.conflicts++
	q.state = pairWaiting
	if sent.controlling == a.controlling && !a.remoteLite {
		a.switchRole(now)
	}
	a.trigger(now, q)
}
