// Package lipsync puts the tracks of one sender on one time, as sender reports relate
// their clocks (RFC 3550, 6.4.1).
//
// A track that has no report yet is placed by the arrival of its packets. The first audio
// track is never moved when more becomes known; others are moved to where they belong
// beside it. After that all follow the sender's clock, each by the median of its latest
// reports: audio by half a percent at most, video at once where much is amiss.
package lipsync

import (
	"time"

	"bifrons/rtp/mono"
)

const (
	// slew is the fraction by which a track may run faster or slower: 1/200.
	slew = 200
	// amiss is from where on video is moved at once.
	amiss = 20 * time.Millisecond
	// window is half of the time over which the fastest packet is looked for.
	window = 5 * time.Second
	// joint is the gap that remains where time is left out.
	joint = 20 * time.Millisecond

	// Patience is how long from the first packet on tracks are placed by arrivals. Nothing
	// should be written before.
	Patience = 600 * time.Millisecond

	maxRuns, maxCuts = 8, 64
)

// Track is one of the tracks that belong together.
type Track struct {
	Rate  uint32 // of its clock, in Hz
	Audio bool
}

// Timeline is the time of the tracks of one file.
type Timeline struct {
	tracks   []track
	began    mono.Time     // arrival of the first packet, 0 before
	latest   time.Duration // of all tracks, skipped time included
	cuts     []cut
	sessions []*session
}

// cut is time that is left out.
type cut struct{ from, length time.Duration }

// track is the state of a track.
type track struct {
	Track
	runs   []run
	clocks []*clock
	last   uint64    // timestamp of the latest packet
	at     mono.Time // when it came, 0 before the first

	// How long packets take, up to an unknown constant: the latest packet,
	// the fastest of this window and of the one before.
	transit, recent, before time.Duration
	since                   mono.Time // start of this window
	odd                     odd
}

// run is a stretch of timestamps without a jump of the source.
type run struct {
	from    uint64 // its first timestamp
	ssrc    uint32
	delta   uint32        // timestamp minus that of the source
	off     time.Duration // time of the file minus timestamp
	target  time.Duration // where off goes to
	placed  time.Duration // off as it was without reports
	certain bool          // target is from reports
}

// New makes the Timeline of some tracks.
func New(tracks []Track) *Timeline {
	l := &Timeline{tracks: make([]track, len(tracks))}
	for i := range tracks {
		l.tracks[i].Track = tracks[i]
	}
	return l
}

// Packet takes note of a packet: its unwrapped timestamp in the recording, SSRC and
// timestamp as they came, and whether the time since the packet before is to be left out.
func (l *Timeline) Packet(i int, timestamp uint64, ssrc, source uint32, at mono.Time, joined bool) {
	t := &l.tracks[i]
	if l.began == 0 {
		l.began = at
	}
	if t.at != 0 && timestamp < t.last { // it came late
		return
	}
	if t.at == 0 {
		t.last = timestamp
	}
	r := l.run(i, timestamp, ssrc, source, at, joined)
	passed := t.duration(int64(timestamp - t.last))
	t.last, t.at = timestamp, at
	r.follow(passed, t.Audio)
	r = l.watch(i, r, at)
	now := t.duration(int64(timestamp)) + r.off
	if gap := now - l.latest - joint; joined && gap > 0 {
		l.leaveOut(cut{now, gap})
	}
	l.latest = max(l.latest, now)
}

// Time is where a timestamp of a track belongs in the file. That changes a little as more
// becomes known, and may be less than 0 or than that of an earlier timestamp.
func (l *Timeline) Time(i int, timestamp uint64) time.Duration {
	t := &l.tracks[i]
	if len(t.runs) == 0 {
		return 0
	}
	r := &t.runs[0]
	for n := range t.runs {
		if t.runs[n].from <= timestamp {
			r = &t.runs[n]
		}
	}
	at := t.duration(int64(timestamp)) + r.off
	for n := len(l.cuts) - 1; n >= 0; n-- {
		if l.cuts[n].from <= at {
			for _, c := range l.cuts[:n+1] {
				at -= c.length
			}
			break
		}
	}
	return at
}

// Certain reports whether reports place all tracks that have begun.
func (l *Timeline) Certain() bool {
	for i := range l.tracks {
		if t := &l.tracks[i]; len(t.runs) > 0 && !t.current().certain {
			return false
		}
	}
	return l.began != 0
}

// leaveOut leaves time out. Of long ago only the sum remains.
func (l *Timeline) leaveOut(c cut) {
	if len(l.cuts) == maxCuts {
		l.cuts[1].length += l.cuts[0].length
		l.cuts = append(l.cuts[:0], l.cuts[1:]...)
	}
	l.cuts = append(l.cuts, c)
}

// duration is that of a number of ticks.
func (t *track) duration(ticks int64) time.Duration {
	rate := int64(t.Rate)
	return time.Duration(ticks/rate)*time.Second + time.Duration(ticks%rate)*time.Second/time.Duration(rate)
}

func (t *track) current() *run { return &t.runs[len(t.runs)-1] }

func (t *track) add(r run) *run {
	if len(t.runs) == maxRuns {
		t.runs = append(t.runs[:0], t.runs[1:]...)
	}
	t.runs = append(t.runs, r)
	return t.current()
}

// run is the run of a packet, a new one if the source has jumped.
func (l *Timeline) run(i int, timestamp uint64, ssrc, source uint32, at mono.Time, joined bool) *run {
	t := &l.tracks[i]
	n := run{from: timestamp, ssrc: ssrc, delta: uint32(timestamp) - source}
	arrival := at.Sub(l.began) - l.usual(i) - t.duration(int64(timestamp))
	switch {
	case len(t.runs) == 0:
		n.off = arrival
	case t.current().ssrc != ssrc:
		n.off = t.current().off
	case t.current().delta != n.delta: // numbers were joined, while its clock has gone on
		n.off = t.current().off - t.duration(int64(int32(n.delta-t.current().delta)))
	default:
		r := t.current()
		if !r.certain && l.placing(at) {
			r.off = min(r.off, arrival)
			r.target, r.placed = r.off, r.off
		}
		return r
	}
	if d := n.off - arrival; joined || d > apart || d < -apart {
		if n.off = arrival; len(t.runs) > 0 && t.current().ssrc == ssrc && d.Abs() < apart {
			n.off += d
		}
	}
	n.target, n.placed = n.off, n.off
	t.odd = odd{}
	other := len(t.runs) == 0 || t.current().ssrc != ssrc
	r := t.add(n)
	if other {
		t.sift(timestamp, at)
	}
	l.aim(i)
	if r.certain {
		r.off = r.target
	}
	return r
}

// placing reports whether tracks may still be moved by arrivals: nothing of them is in the
// file.
func (l *Timeline) placing(at mono.Time) bool { return at.Sub(l.began) < Patience }

// usual is how long the packets of a track take, as those of another one if it is new.
func (l *Timeline) usual(i int) time.Duration {
	if t := &l.tracks[i]; t.since != 0 {
		return t.usual()
	}
	least, known := time.Duration(0), false
	for n := range l.tracks {
		if t := &l.tracks[n]; t.since != 0 && (!known || t.usual() < least) {
			least, known = t.usual(), true
		}
	}
	return least
}

func (t *track) usual() time.Duration { return min(t.recent, t.before) }

// follow moves off towards target, for a packet some time after the one before.
func (r *run) follow(passed time.Duration, audio bool) {
	d := r.target - r.off
	if !audio && d.Abs() > amiss {
		r.off = r.target
		return
	}
	most := min(passed, time.Second) / slew
	r.off += max(-most, min(d, most))
}
