// Package allot divides the capacity of the line to one subscriber among the streams that it
// gets: audio first, then layers of video by weight. Down it goes at once on evidence of delay
// or loss, up with a margin, and more and more slowly where that has failed.
package allot

import (
	"math"
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// Line is the state of the line.
type Line struct {
	Target uint64 // bit/s for everything
	// Arriving is how much arrives in bit/s, 0 = unknown. As long as nothing shows that it is
	// too much, the line carries that, whatever the target.
	Arriving uint64
	// Sure means that more than Target is too much: delay or losses were seen, or it is a limit.
	// Without, a little more is no reason to go down.
	Sure bool
	// Full means that a long queue stands on the line: nothing more is put on it.
	Full bool
	// Trailing means that Target follows the sent rate, as that of receivers does that
	// estimate themselves (REMB). Then the next layer is tried where they see room for more.
	Trailing bool
}

// Stream is one that the subscriber gets.
type Stream struct {
	Video    bool
	Paused   bool         // by the client, or it has no track
	Weight   int          // of its share of the line; below 1 is 1
	Max      uint64       // bit/s, 0 = no bound; the lowest layer is sent whatever it takes
	Wish     media.Layer  // the highest layers that the client wants, -1 = no bound
	Rates    []route.Rate // as of route.Track.Rates; lent
	Adapting bool         // its sender can be asked for another rate
}

// Share is a stream's part of the line.
type Share struct {
	Ceiling media.Layer // -1 = no limit
	Pause   bool        // not even the lowest layer fits
	Rate    uint64      // bit/s that this takes; 0 if that is not known
	Room    uint64      // bit/s that the stream could take while the others stay as they are
}

// Constants of the division.
const (
	upMargin   = 1.1 // times the rate of a layer has to be there before it is taken
	backMargin = 1.2 // the same for the lowest layer after a pause
	arrived    = 1.1 // times the arriving rate may pass for the sent one: neither is measured exactly
	slack      = 1.2 // times the target may be sent where nothing shows that it is too much
	wantMargin = 1.05
	askMargin  = 2.0     // times its rate could be of use to a stream that adapts
	askFrom    = 0.7     // of its room: a stream that uses less has what it needs
	askBelow   = 200_000 // bit/s of room that are little for any: encoders then leave out pictures, and use less
	upFailed   = 10 * time.Second
	// upSettles is how long after a way up a queue is put down to the key frame that came
	// with it, unless much more is sent than the target.
	upSettles   = 1500 * time.Millisecond
	settleSlack = 2.0
	// For a second after a way down a queue is put down to what was sent before, as long as
	// not more is sent than this share of what arrives.
	downWorks = 0.7
	downShows = time.Second
	// keepShare is the part of what arrives that surely gets through while other streams end.
	keepShare = 0.85
	// downSettles is how long after a way down what is measured may have that key frame in it.
	downSettles = 2 * time.Second
	trailRoom   = 1.25            // times the sent rate is room where the target trails it
	trailWait   = 3 * time.Second // for the target to follow
	holdFirst   = 5 * time.Second
	holdLongest = time.Minute
	holdShare   = 0.8    // of the rate used at a wrong step up is fine
	retry       = 1.3    // times the budget that was wrong is worth another try at once
	retryMargin = 1.1    // times that is to be shown
	wantMore    = 10_000 // bit/s beyond, since little is measured less exactly
	// pauseAfter is for how long in all it has to be sure that the lowest layers are too much
	// before one ends; a sender that adapts gets longer. Beside others it does not, if together
	// they are farTooMuch times the budget: those others would stand as long.
	pauseAfter      = 3 * time.Second
	pauseAfterAsked = 5 * time.Second
	pauseSoon       = time.Second
	farTooMuch      = 2.0
	pauseStep       = 500 * time.Millisecond // that one call adds at most
	// Pictures a second below which a higher resolution is no gain, unless the stream has no
	// more: then detail matters, as of a screen. It lies between the halves of usual rates.
	smooth = 11
)

// Allotter divides one subscriber's line. The zero value is ready for use, by one goroutine.
type Allotter struct {
	states []state

	upAt, downAt  mono.Time // last ways up and down
	changedAt     mono.Time // last change of the streams
	risen, failed float64   // budgets of the way up, and of those that were wrong
	taken, over   float64   // what was used after those, in bit/s
	before, fine  float64   // peaks of what was sent for long before the way up, and before the last that was wrong
	hold          time.Duration
	until         mono.Time     // no way leads up near over before
	top           float64       // bit/s that ways up may lead to
	short         time.Duration // that it was sure that the lowest layers are too much
	last          mono.Time     // call
	budget        float64       // for video
}

// Divide fills in a share for each stream; the streams have to keep their places. It is to be
// called with each estimate, and several times a second. want is the rate that could be used
// in all in bit/s with the next layer, 0 if there is none.
func (a *Allotter) Divide(now mono.Time, line Line, streams []Stream, shares []Share) (want uint64) {
	changed := a.observe(streams)
	audio := 0.0
	for i := range a.states {
		audio += a.states[i].peak
	}
	a.budget = max(float64(line.Target)-audio, 0)
	allowed := a.budget
	if !line.Sure {
		allowed = max(slack*float64(line.Target)-audio, arrived*float64(line.Arriving)-audio, 0)
	}
	if a.upAt != 0 && now.Sub(a.upAt) < upSettles {
		allowed = max(settleSlack*float64(line.Target)-audio, 0)
	}
	if a.downAt != 0 && now.Sub(a.downAt) < downShows {
		allowed = max(allowed, downWorks*float64(line.Arriving)-audio)
	}
	for i := range a.states {
		s := &a.states[i]
		s.plan, s.most = s.at, len(s.steps)-1
		if s.at > 0 && s.fell != 0 && now.Sub(s.fell) < downSettles {
			s.steps[s.at].recent = min(s.steps[s.at].recent, s.taken)
		}
	}
	if a.top = math.Inf(1); !changed && now < a.until && a.budget <= retry*a.failed {
		a.top = max(holdShare*a.over, a.fine)
	}
	if line.Full {
		a.top = 0
	}
	resumed := false
	switch {
	case changed:
		a.restart()
		a.fill(allowed)
	case a.used() > allowed && !(line.Trailing && !line.Sure && a.upAt != 0 && now.Sub(a.upAt) < trailWait):
		for i := range a.states {
			s := &a.states[i]
			s.plan, s.most = -1, s.at
		}
		a.fill(allowed)
	case !line.Full && a.resumes(now):
		resumed, a.top = true, math.Inf(1)
		a.restart()
		for i := range a.states {
			if s := &a.states[i]; s.rests(now) {
				s.most = -1
			}
		}
		a.fill(a.budget)
	default:
		if a.fill(a.budget); line.Trailing && now >= a.until {
			a.try()
		}
	}
	a.spare(now, line.Sure, keepShare*float64(line.Arriving)-audio)
	a.note(now, changed, resumed, float64(line.Arriving)-audio)
	a.last = now
	a.give(now, streams, shares)
	return a.want(line.Target, audio)
}

// observe notes the current streams; it reports whether that is something new.
func (a *Allotter) observe(streams []Stream) (changed bool) {
	if len(a.states) != len(streams) {
		changed = true
		for len(a.states) < len(streams) {
			a.states = append(a.states, state{})
		}
		for i := len(streams); i < len(a.states); i++ {
			a.states[i] = state{}
		}
		a.states = a.states[:len(streams)]
	}
	for i := range streams {
		if a.states[i].observe(&streams[i]) {
			changed = true
		}
	}
	return changed
}

func (a *Allotter) used() (sum float64) {
	for i := range a.states {
		s := &a.states[i]
		sum += s.cost(s.plan)
	}
	return sum
}

// restart plans again, from nothing.
func (a *Allotter) restart() {
	for i := range a.states {
		a.states[i].plan = -1
	}
}

// fill takes steps within a budget: first the lowest one of each stream, those of most weight first,
// then always the next one of the stream that has least for its weight.
func (a *Allotter) fill(budget float64) {
	used := a.used()
	for {
		s := a.next()
		if s == nil {
			return
		}
		to := s.plan + 1
		sum, margin := used-s.cost(s.plan)+s.cost(to), upMargin
		switch {
		case to <= s.at:
			margin = 1
		case to == 0 && s.known:
			margin = backMargin
		}
		limit := budget
		if to > s.at {
			limit = min(limit, a.budget)
		}
		if sum+(margin-1)*s.cost(to) > limit || to > s.at && sum > a.top {
			s.most = s.plan
			continue
		}
		s.plan, used = to, sum
	}
}

// try takes one more step where nothing else was and the target leaves room.
func (a *Allotter) try() {
	for i := range a.states {
		s := &a.states[i]
		if s.plan != s.at {
			return
		}
		s.most = len(s.steps) - 1
	}
	if s := a.next(); s != nil && a.budget >= trailRoom*a.used() {
		s.plan++
	}
}

// next is the stream that is to get its next step, nil if all have what they may.
func (a *Allotter) next() (best *state) {
	for i := range a.states {
		s := &a.states[i]
		if s.plan < s.most && (best == nil || s.before(best)) {
			best = s
		}
	}
	return best
}

// resumes reports whether a paused stream has waited long enough and fits beside the lowest layers of
// the others: then higher ones make room for it, and it does not matter which of those were
// too much before.
func (a *Allotter) resumes(now mono.Time) bool {
	least, next := 0.0, math.Inf(1)
	for i := range a.states {
		s := &a.states[i]
		switch {
		case !s.ready:
		case !s.known || !s.paused:
			least += s.cost(0)
		case !s.rests(now):
			next = min(next, backMargin*s.cost(0))
		}
	}
	return least+next <= a.budget
}

// spare keeps the lowest layers for a while where not even they fit, and as long as nobody is
// sure of that. Meanwhile no stream gets more than its lowest. carried is the rate of video that
// surely gets through, in bit/s.
func (a *Allotter) spare(now mono.Time, sure bool, carried float64) {
	short := false
	for i := range a.states {
		s := &a.states[i]
		short = short || s.plan < 0 && s.ready && (s.at >= 0 || !s.known && !sure)
	}
	switch {
	case !short:
		a.short = 0
		return
	case sure:
		a.short += min(now.Sub(a.last), pauseStep)
	}
	spared, least, n := false, 0.0, 0
	for i := range a.states {
		if s := &a.states[i]; s.ready && s.at >= 0 {
			least += s.cost(0)
			n++
		}
	}
	ends := false
	for i := range a.states {
		s := &a.states[i]
		wait := pauseAfter
		switch {
		case n > 1 && least > farTooMuch*a.budget:
			wait = pauseSoon
		case s.asked:
			wait = pauseAfterAsked
		}
		if s.plan < 0 && s.ready && (!sure && !s.known || s.at >= 0 && (!sure || a.short < wait)) {
			s.plan, spared = 0, true
		}
		ends = ends || s.plan < 0 && s.ready && s.at >= 0
	}
	if ends && a.keep(carried) {
		spared, a.short = true, 0
	}
	for i := range a.states {
		if s := &a.states[i]; spared && s.plan > 0 {
			s.plan = 0
		}
	}
}

// keep has streams go on with their lowest layers, those of most weight first, where what is
// carried has room for them while others end. The target is less only until the queue is empty
// that these have made. It reports whether there were such streams.
func (a *Allotter) keep(carried float64) (kept bool) {
	room := carried - a.used()
	for i := range a.states {
		s := &a.states[i]
		s.ends = s.plan < 0 && s.ready && s.at >= 0
	}
	for {
		var s *state
		for i := range a.states {
			if x := &a.states[i]; x.ends && (s == nil || x.weight > s.weight) {
				s = x
			}
		}
		if s == nil {
			return kept
		}
		if s.ends = false; s.cost(0) <= room {
			room -= s.cost(0)
			s.plan, kept = 0, true
		}
	}
}

// note remembers ways up and down, of which those that make room for a stream that resumes are
// none; arriving is what arrives of video in bit/s, at most 0 if that is
// not known.
func (a *Allotter) note(now mono.Time, changed, resumed bool, arriving float64) {
	up, down, was := false, false, 0.0
	for i := range a.states {
		s := &a.states[i]
		if s.known {
			up, down = up || s.plan > s.at, down || s.plan < s.at
		}
		if s.at >= 0 {
			was += s.steps[s.at].peak
		}
	}
	switch {
	case changed:
		a.changedAt, a.before = now, 0
	case down && !resumed:
		a.downAt = now
		if a.upAt != 0 && now.Sub(a.upAt) < upFailed {
			if now >= a.until { // those before may no longer be true
				a.failed, a.over = 0, math.Inf(1)
			}
			a.hold = min(max(2*a.hold, holdFirst), holdLongest)
			a.until, a.failed, a.over = now.Add(a.hold), max(a.failed, a.risen), min(a.over, a.taken)
			if arriving > 0 {
				a.over = min(a.over, arriving)
			}
			if a.fine = a.before; a.fine >= a.taken { // by the peaks, which say nothing then
				a.fine = 0
			}
		}
	case up:
		if now.Sub(a.until) > holdLongest {
			a.hold = 0
		}
		if now.Sub(max(a.upAt, a.downAt, a.changedAt)) < holdFirst {
			was = min(was, a.before)
		}
		a.upAt, a.risen, a.taken, a.before = now, a.budget, a.used(), was
	}
}

// give puts the plan into effect.
func (a *Allotter) give(now mono.Time, streams []Stream, shares []Share) {
	used := a.used()
	for i := range a.states {
		s, x := &a.states[i], &streams[i]
		out := &shares[i]
		*out = Share{Ceiling: media.NoLayer}
		switch {
		case !x.Video:
			out.Rate = uint64(s.peak)
			continue
		case !s.ready: // nothing is known: begin with the lowest
			out.Ceiling = media.Layer{Encoding: 0, Spatial: 0, Temporal: media.NoLayer.Temporal}
			out.Room = uint64(max(a.budget-used, 0))
			continue
		}
		switch {
		case s.plan < s.at:
			s.fell, s.taken = now, s.cost(s.plan)
		case s.plan > s.at:
			s.fell = 0
		}
		s.turn(now, s.plan < 0)
		s.known = true
		if s.paused {
			out.Pause = true
		} else {
			s.given = s.steps[s.plan].layer
		}
		out.Ceiling = s.given
		cost := s.cost(s.plan)
		out.Rate, out.Room = uint64(cost), uint64(max(a.budget-used+cost, 0))
		if x.Max > 0 {
			out.Room = min(out.Room, x.Max)
		}
	}
}

// want is the total rate that the next step needs, or, beyond the target, that of what is sent.
func (a *Allotter) want(target uint64, audio float64) uint64 {
	used := a.used()
	for i := range a.states {
		a.states[i].most = len(a.states[i].steps) - 1
	}
	if s := a.next(); s != nil {
		margin := upMargin
		if s.plan < 0 {
			margin = backMargin
		}
		next, rest := s.cost(s.plan+1), used-s.cost(s.plan)
		need := rest + margin*next
		if rest+next > a.top { // nothing less is worth another try
			need = max(need, retryMargin*retry*a.failed)
		}
		return uint64((audio+need)*wantMargin) + wantMore
	}
	more := 0.0
	for i := range a.states {
		s := &a.states[i]
		if !s.asked || s.plan < 0 {
			continue
		}
		rate := s.cost(s.plan)
		room := max(a.budget-used+rate, 0)
		if room < askBelow {
			rate = room
		}
		if (s.max == 0 || askMargin*rate <= float64(s.max)) && rate >= askFrom*room {
			more += askMargin*rate - s.cost(s.plan)
		}
	}
	if all := audio + upMargin*used; more == 0 && all <= float64(target) {
		return 0
	}
	return uint64(max(audio+upMargin*used, audio+used+more)*wantMargin) + wantMore
}
