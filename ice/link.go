package ice

import (
	"slices"

	"bifrons/rtp/mono"
)

// relayed reports whether a link is that of a relayed candidate.
func (a *Agent) relayed(link uint32) bool {
	return link != 0 && slices.ContainsFunc(a.locals, func(l *Candidate) bool {
		return l.Link == link && l.Type == Relayed
	})
}

// ForceRelay sets Config.RelayOnly from now on: all other local candidates are
// withdrawn, and their paths with them.
func (a *Agent) ForceRelay(now mono.Time) {
	if a.state == Closed || a.cfg.RelayOnly {
		return
	}
	a.cfg.RelayOnly = true
	var relays []uint32
	for _, l := range a.locals {
		if l.Type == Relayed {
			relays = append(relays, l.Link)
		}
	}
	a.withdraw(now, func(link uint32) bool { return link == 0 || !slices.Contains(relays, link) })
}

// LinkDown reports that a link has ended: its candidate and its paths are gone. If
// the selected path is one of them, another takes its place, as soon as there
// is one.
func (a *Agent) LinkDown(now mono.Time, link uint32) {
	if a.state != Closed && link != 0 {
		a.withdraw(now, func(l uint32) bool { return l == link })
	}
}

// withdraw removes the paths whose link is gone, and the candidates.
func (a *Agent) withdraw(now mono.Time, gone func(link uint32) bool) {
	lost := false
	for _, q := range slices.Clone(a.pairs) {
		if !gone(q.path.Link) {
			continue
		}
		lost = lost || q == a.selected
		if q == a.rival {
			a.rival = nil
		}
		a.remove(q)
	}
	a.gen.early = slices.DeleteFunc(a.gen.early, func(e earlyCheck) bool { return gone(e.path.Link) })
	a.locals = slices.DeleteFunc(a.locals, func(l *Candidate) bool {
		return (l.Link != 0 || a.cfg.RelayOnly) && gone(l.Link)
	})
	if lost {
		a.replace(now)
	}
	a.wake(now)
}

// replace looks for a path in place of the selected one, which is gone.
func (a *Agent) replace(now mono.Time) {
	a.selected, a.rival = nil, nil
	var best *pair
	for _, q := range a.pairs {
		if q.valid && q.gen == a.gen && (q.nominated || a.controlling) && (best == nil || q.priority > best.priority) {
			best = q
		}
	}
	switch {
	case best != nil:
		a.selectPair(now, best)
	case !a.gen.remoteSet:
		a.setState(New)
	case len(a.locals) == 0:
		a.setFailed(NoLocal)
	case a.state != Failed:
		a.news = now
		a.setState(Checking)
		a.retry(now)
	}
}

// retry checks the pairs again that were valid or have not been tried.
func (a *Agent) retry(now mono.Time) {
	if a.cfg.Lite {
		return
	}
	for _, q := range a.pairs {
		if q.gen == a.gen && q.state != pairInProgress {
			a.trigger(now, q)
		}
	}
}
