package lipsync

import (
	"time"

	"bifrons/rtp/mono"
)

const (
	// apart is how much packets have to come too late or too early to be odd, and how far
	// clocks are apart that are not the same.
	apart = 500 * time.Millisecond
	// doubt is how long they have to do so.
	doubt = 200 * time.Millisecond
	// even is how far a track may be behind that has no trouble.
	even = 100 * time.Millisecond
)

// odd is a stretch of packets that come too late, as the source stood still while its
// clock did, or as the network is slow; or too early, as its clock jumped.
type odd struct {
	count int
	from  uint64        // timestamp of the first
	since mono.Time     // when it came
	by    time.Duration // how much they are off, the least
}

// watch checks how long the latest packet took. It returns the run that continues.
func (l *Timeline) watch(i int, r *run, at mono.Time) *run {
	t := &l.tracks[i]
	t.transit = at.Sub(l.began) - t.duration(int64(t.last)) - r.off
	if t.since == 0 {
		t.since, t.recent, t.before = at, t.transit, t.transit
	}
	by := t.transit - t.usual()
	if by.Abs() < apart {
		t.odd = odd{}
		t.recent = min(t.recent, t.transit)
		if at.Sub(t.since) >= window {
			t.since, t.before, t.recent = at, t.recent, t.transit
		}
		return r
	}
	o := &t.odd
	if o.count == 0 || (o.by > 0) != (by > 0) {
		*o = odd{from: t.last, since: at, by: by}
	}
	o.count++
	if by.Abs() < o.by.Abs() {
		o.by = by
	}
	if o.count < 3 || at.Sub(o.since) < doubt || by > 0 && !l.aloneLate(i, at) {
		return r
	}
	return l.shift(i, o.from, o.by)
}

// aloneLate reports whether another track of late has no trouble, so that it is not the
// network that is slow.
func (l *Timeline) aloneLate(i int, at mono.Time) bool {
	for n := range l.tracks {
		t := &l.tracks[n]
		if n != i && t.since != 0 && at.Sub(t.at) < apart && t.transit-t.usual() < even {
			return true
		}
	}
	return false
}

// shift makes up for a gap of the source, or for a jump ahead of its clock, from a
// timestamp on.
func (l *Timeline) shift(i int, from uint64, by time.Duration) *run {
	t := &l.tracks[i]
	r := *t.current()
	r.from = from
	r.off += by
	r.target, r.placed = r.off, r.off
	t.odd = odd{}
	if c := t.clock(r.ssrc); c != nil {
		c.list = c.list[:0]
	}
	return t.add(r)
}
