package ice

import (
	"time"

	"bifrons/rtp/mono"
)

// Moving from a selected path to a worse one.
const (
	// silentAfter is how long a path has to be silent before a nominated pair
	// of lower priority takes its place: the remote has moved, or its NAT has
	// bound it again.
	silentAfter = 2 * time.Second
	// movedAfter is the same when the remote already sends media by the pair.
	movedAfter = time.Second
	// challengeWait is how long the selected path has to answer a last check.
	challengeWait = 500 * time.Millisecond
)

// nominatedNow follows a nomination of q, which is valid. The best nominated
// pair is selected (RFC 5245, 8.1.1.2), which with regular nomination is the
// only one.
func (a *Agent) nominatedNow(now mono.Time, q *pair) {
	s := a.selected
	q.nominated = true
	q.lastNominated = now
	switch {
	case q == s:
	case a.outranks(q), !a.controlling && a.deserted(now, q):
		a.selectPair(now, q)
	default:
		a.contest(now, q)
	}
}

// deserted notes nominations of q while another pair is selected, and reports
// whether the remote has kept on nominating q, and meanwhile neither nominated
// the selected pair nor sent media by it: checks alone also go to spare pairs.
func (a *Agent) deserted(now mono.Time, q *pair) bool {
	s := a.selected
	if since := q.nominatedSince; since == 0 || s.lastNominated >= since || s.lastMedia >= since {
		q.nominatedSince = now
		return false
	}
	return now.Sub(q.nominatedSince) >= silentAfter
}

// Leave reports that the remote has given up the selected path: the next pair that is
// nominated, or heard if it was before, takes its place whatever its priority.
func (a *Agent) Leave() {
	if a.selected != nil {
		a.selected.left = true
	}
}

// contest lets q, which is valid and was just heard, take the place of a
// selected pair that has gone silent.
func (a *Agent) contest(now mono.Time, q *pair) {
	s := a.selected
	if s == nil || q == s || q.gen != a.gen || s.gen != a.gen || !q.valid {
		return
	}
	silent := now.Sub(s.lastRecv)
	limit, may := silentAfter, q.nominated || a.controlling
	if q.lastMedia == now {
		limit, may = movedAfter, true
	}
	switch {
	case silent > a.patience(), s.left && may:
		a.selectPair(now, q)
	case silent <= limit || !may || a.rival != nil:
	case a.cfg.Lite:
		a.selectPair(now, q)
	default:
		// An idle remote is silent as well: ask before leaving.
		a.rival, a.rivalAt = q, now.Add(challengeWait)
		a.probe(now)
		a.wake(a.rivalAt)
	}
}

// advanceRival decides a contest.
func (a *Agent) advanceRival(now mono.Time) {
	q := a.rival
	switch {
	case q == nil:
	case !q.valid || a.selected == nil || a.selected.lastRecv >= a.rivalAt.Add(-challengeWait):
		a.rival = nil
	case now < a.rivalAt:
		a.wake(a.rivalAt)
	default:
		a.rival = nil
		a.selectPair(now, q)
	}
}

// selectPair makes q the path of media.
func (a *Agent) selectPair(now mono.Time, q *pair) {
	old := a.selected
	a.selected, a.rival = q, nil
	if old != nil {
		// To come back it must be nominated again.
		old.nominated, old.nominatedSince, old.left = false, 0, false
		if old.gen != q.gen {
			a.remove(old)
		}
	}
	a.prev = nil
	a.lastRecv, q.lastRecv = now, now
	a.lastConsent, a.lastSent = now, now
	a.nextProbe = now
	a.nextConsent = now.Add(a.consentInterval())
	if a.state != Completed {
		a.setState(Connected)
	}
	a.emit(Event{Kind: SelectedPath, Path: q.path})
	if a.controlling && !q.nominated {
		q.nominating = a.cfg.RegularNomination
		a.trigger(now, q)
	}
	a.wake(now)
}
