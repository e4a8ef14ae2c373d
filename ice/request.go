package ice

import (
	"bifrons/rtp/mono"
)

// Handle takes a STUN datagram that arrived on p. It only reads b, and keeps
// nothing of it. Requests without good integrity are never answered, and no
// answer is longer than its request.
func (a *Agent) Handle(now mono.Time, p Path, b []byte) Verdict {
	m := &a.msg
	if !m.parse(b) || !p.Remote.IsValid() {
		return Malformed
	}
	v := Malformed
	p = unmapPath(p)
	switch {
	case a.state == Closed:
		v = BadUsername
	case a.cfg.RelayOnly && !a.relayed(p.Link):
		v = NotRelayed
	case m.typ == bindingRequest:
		v = a.request(now, p, m)
	case m.typ == bindingSuccess, m.typ == bindingError:
		v = a.response(now, p, m)
	case m.typ == bindingIndication:
		v = OK // a keepalive; unauthenticated, so it proves nothing
	}
	m.raw, m.username = nil, nil
	return v
}

// request answers a binding request (RFC 8445, 7.3).
func (a *Agent) request(now mono.Time, p Path, m *message) Verdict {
	g := a.addressed(m.username)
	if g == nil {
		return BadUsername
	}
	if !g.in.verify(m) {
		return BadIntegrity
	}
	switch {
	case m.unknown != 0:
		a.answerError(now, p, m, g, errorUnknownAttribute)
		return OK
	case g != a.gen && a.selectedBy(p) == nil:
		// The remote tries its new addresses with the old credentials. It would stay
		// with the ones that succeed, and never come to the new ones.
		return BadUsername
	case g != a.gen:
		// The remote has not come to the restart yet.
		a.answer(now, p, m, g)
		a.heardFrom(now, a.selectedBy(p))
		return OK
	case !a.agreeRole(now, m):
		a.answerError(now, p, m, g, errorRoleConflict)
		return OK
	}
	a.answer(now, p, m, g)
	if !g.remoteSet {
		g.remember(p, m)
		return OK
	}
	a.checked(now, p, m.priority, m.useCandidate && !a.controlling)
	return OK
}

// addressed returns the generation whose user fragment begins the username.
func (a *Agent) addressed(username []byte) *generation {
	if a.gen.addressed(username) {
		return a.gen
	}
	if a.prev != nil && a.prev.addressed(username) {
		return a.prev
	}
	return nil
}

func (g *generation) addressed(username []byte) bool {
	n := len(g.local.Ufrag)
	return n > 0 && len(username) > n && username[n] == ':' && string(username[:n]) == g.local.Ufrag
}

func (g *generation) remember(p Path, m *message) {
	for i := range g.early {
		if e := &g.early[i]; e.path == p {
			e.useCandidate = e.useCandidate || m.useCandidate
			return
		}
	}
	if len(g.early) < maxEarly {
		g.early = append(g.early, earlyCheck{p, m.priority, m.useCandidate})
	}
}

// agreeRole resolves a role conflict (RFC 8445, 7.3.1.1); false means that the
// remote has to give in. A lite agent never does.
func (a *Agent) agreeRole(now mono.Time, m *message) bool {
	switch {
	case m.controlling && a.controlling:
		if a.tie >= m.tieBreaker {
			return false
		}
		a.switchRole(now)
	case m.controlled && !a.controlling:
		if a.cfg.Lite || a.tie < m.tieBreaker {
			return false
		}
		a.switchRole(now)
	}
	return true
}

// switchRole takes the other role. Nominations of the former controlling side
// do not count any more, except the selected pair.
func (a *Agent) switchRole(now mono.Time) {
	a.controlling = !a.controlling
	a.nominateAt = 0
	a.prioritize()
	for _, q := range a.pairs {
		if q.gen != a.gen || q == a.selected {
			continue
		}
		q.nominated, q.nominating, q.wantNomination = false, false, false
		if q.valid && a.controlling && !a.hasSelected() {
			a.trigger(now, q)
		}
	}
}

func (a *Agent) answer(now mono.Time, p Path, m *message, g *generation) {
	a.reply(now, p, m, g, a.out.begin(bindingSuccess, &m.id).xorAddress(p.Remote))
}

func (a *Agent) answerError(now mono.Time, p Path, m *message, g *generation, code int) {
	b := a.out.begin(bindingError, &m.id).errorCode(code)
	if code == errorUnknownAttribute {
		b = b.bytes(attrUnknownAttributes, []byte{byte(m.unknown >> 8), byte(m.unknown)})
	}
	a.reply(now, p, m, g, b)
}

func (a *Agent) reply(now mono.Time, p Path, m *message, g *generation, b builder) {
	b = b.integrity(g.in)
	if m.fingerprint {
		b = b.fingerprint()
	}
	a.out = b
	if len(b) <= len(m.raw) {
		a.send(now, p, b)
	}
}

// checked follows a good request by p in the current generation.
func (a *Agent) checked(now mono.Time, p Path, prio uint32, nominated bool) {
	q := a.find(p)
	if q == nil {
		if q = a.learn(p, prio); q == nil {
			return
		}
	}
	q.heard = true
	switch {
	case a.cfg.Lite:
		q.state, q.valid = pairSucceeded, true
	case q.state == pairInProgress:
		a.hasten(now, q)
	case q.state != pairSucceeded || a.state == Failed:
		a.trigger(now, q)
	}
	a.heardFrom(now, q)
	if !nominated {
		return
	}
	q.lastNominated = now
	if !q.valid {
		q.wantNomination = true
		return
	}
	a.nominatedNow(now, q)
}
