package lipsync

import (
	"slices"
	"time"

	"bifrons/rtp/mono"
)

const (
	// reports is of how many reports the median is taken.
	reports = 5
	// few is how many may be wrong together.
	few = 2
	// doubtful is how far few reports may contradict arrivals.
	doubtful = 150 * time.Millisecond
	// agree is how far two reports of the same are apart.
	agree = 100 * time.Millisecond
	// absurd is by how much the timestamp of a report may differ from those of packets
	// that come at the same time. Some report any while they have sent nothing.
	absurd = 10 * time.Second

	maxClocks, maxSessions = 16, 8
)

// session is a clock of a sender. One that is set counts as another one from then on.
type session struct {
	ahead  time.Duration // of the clock of arrivals
	origin time.Duration // NTP time where the file begins
	anchor int           // the track that origin is from, -1: unknown
	// settled is set when that had enough reports.
	settled bool
}

// clock are the latest reports of an SSRC.
type clock struct {
	ssrc    uint32
	session *session
	list    []report
	stray   *report // the latest, if it contradicts all others
}

// report is the content of a sender report.
type report struct {
	ntp time.Duration // since 1900
	ts  uint32
	at  mono.Time // when it came
}

// Report is the part of a sender report about one stream (RFC 3550, 6.4.1).
type Report struct {
	SSRC      uint32
	NTP       uint64    // 32.32 fixed point seconds since 1900
	Timestamp uint32    // of the source at that time
	At        mono.Time // when it came
}

// Report takes note of a sender report of a track.
func (l *Timeline) Report(i int, r Report) {
	t := &l.tracks[i]
	n := report{ntp: time.Duration(r.NTP>>32)*time.Second + time.Duration((r.NTP&(1<<32-1))*uint64(time.Second)>>32), ts: r.Timestamp, at: r.At}
	if len(t.runs) > 0 && t.current().ssrc == r.SSRC && t.absurd(&n, t.last, t.at) {
		return
	}
	c := t.clock(r.SSRC)
	if c == nil {
		if len(t.clocks) == maxClocks {
			t.clocks = append(t.clocks[:0], t.clocks[1:]...)
		}
		c = &clock{ssrc: r.SSRC}
		t.clocks = append(t.clocks, c)
	}
	if s := l.session(n.ntp - time.Duration(r.At)); s != c.session {
		c.session, c.list, c.stray = s, c.list[:0], nil
	}
	if jump, ok := t.contradicts(c, &n); ok {
		if jump == 0 {
			return
		}
		l.shift(i, t.last, jump)
	}
	if len(c.list) == reports {
		c.list = append(c.list[:0], c.list[1:]...)
	}
	c.list = append(c.list, n)
	l.aim(i)
}

// absurd reports whether the timestamp of a report of the current stream has nothing to do
// with that of a packet of it, which came at a known time.
func (t *track) absurd(n *report, timestamp uint64, at mono.Time) bool {
	ahead := t.duration(int64(int32(n.ts + t.current().delta - uint32(timestamp))))
	return (ahead - n.at.Sub(at)).Abs() > absurd
}

// sift takes out the reports of the current stream that came before its first packet and
// are absurd.
func (t *track) sift(timestamp uint64, at mono.Time) {
	if c := t.clock(t.current().ssrc); c != nil {
		c.list = slices.DeleteFunc(c.list, func(n report) bool { return t.absurd(&n, timestamp, at) })
	}
}

// contradicts reports whether a report contradicts those before. jump is by how much, if
// there is reason to believe it.
func (t *track) contradicts(c *clock, n *report) (jump time.Duration, ok bool) {
	if len(t.runs) == 0 || t.current().ssrc != c.ssrc || len(c.list) == 0 {
		return 0, false
	}
	r := t.current()
	d := t.offset(r, n)
	jump = d - t.median(r, c)
	if jump.Abs() < apart {
		c.stray = nil
		return 0, false
	}
	before := c.stray
	c.stray = n
	if t.odd.count > 0 && (jump-t.odd.by).Abs() < apart/2 || before != nil && (d-t.offset(r, before)).Abs() < agree {
		c.stray = nil
		return jump, true
	}
	return 0, true
}

// clock has the reports of an SSRC, nil if there are none.
func (t *track) clock(ssrc uint32) *clock {
	for _, c := range t.clocks {
		if c.ssrc == ssrc {
			return c
		}
	}
	return nil
}

// session finds the clock that is ahead of that of arrivals by so much.
func (l *Timeline) session(ahead time.Duration) *session {
	for _, s := range l.sessions {
		if d := ahead - s.ahead; d.Abs() < apart {
			s.ahead += d / 8
			return s
		}
	}
	if len(l.sessions) == maxSessions {
		l.sessions = append(l.sessions[:0], l.sessions[1:]...)
	}
	s := &session{ahead: ahead, anchor: -1}
	l.sessions = append(l.sessions, s)
	return s
}

// offset is NTP time minus the time of the timestamp, as a report has it.
func (t *track) offset(r *run, n *report) time.Duration {
	timestamp := int64(t.last) + int64(int32(n.ts+r.delta-uint32(t.last)))
	return n.ntp - t.duration(timestamp)
}

// median is that of the offsets, of which there is at least one.
func (t *track) median(r *run, c *clock) time.Duration {
	list := make([]time.Duration, 0, reports)
	for i := range c.list {
		list = append(list, t.offset(r, &c.list[i]))
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// aim sets the place of a track, and of its followers.
func (l *Timeline) aim(i int) {
	t := &l.tracks[i]
	if len(t.runs) == 0 {
		return
	}
	r := t.current()
	c := t.clock(r.ssrc)
	if c == nil || len(c.list) == 0 {
		return
	}
	s, d := c.session, t.median(r, c)
	if l.anchors(i, s) {
		s.origin, s.anchor, s.settled = d-r.off, i, len(c.list) == reports
		r.target, r.certain = r.off, true
		for n := range l.tracks {
			if n != i && l.of(n) == s {
				l.aim(n)
			}
		}
		return
	}
	target := d - s.origin
	if n := min(len(c.list), l.known(s)); n <= few && (target-r.placed).Abs() > doubtful {
		r.target = r.placed
		return
	}
	r.target = target
	if !r.certain && t.Audio || !t.Audio && (target-r.off).Abs() > amiss {
		r.off = target
	}
	r.certain = true
}

// anchors reports whether a track says where the session begins: the first audio track, as
// long as it has few reports, and another one until that has any.
func (l *Timeline) anchors(i int, s *session) bool {
	switch {
	case s.anchor < 0:
		return true
	case s.anchor == i:
		return !s.settled
	}
	return l.tracks[i].Audio && !l.tracks[s.anchor].Audio
}

// of is the session that a track is in at present, nil if that is not known.
func (l *Timeline) of(i int) *session {
	t := &l.tracks[i]
	if len(t.runs) == 0 {
		return nil
	}
	if c := t.clock(t.current().ssrc); c != nil && len(c.list) > 0 {
		return c.session
	}
	return nil
}

// known is how many reports of the anchor there are.
func (l *Timeline) known(s *session) int {
	t := &l.tracks[s.anchor]
	if c := t.clock(t.current().ssrc); c != nil && c.session == s && !s.settled {
		return len(c.list)
	}
	return reports
}
