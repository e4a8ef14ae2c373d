package record

import (
	"time"

	"bifrons/rtp/frame"
	"bifrons/rtp/lipsync"
	"bifrons/rtp/mono"
	"bifrons/rtp/mux"
)

// release writes the frames whose turn it is: in the order of time, as soon as no
// earlier one can come.
func (l *Live) release(dst []byte, all bool) []byte {
	if !l.started {
		if !l.ready(all) {
			return dst
		}
		dst = l.start(dst)
	}
	for {
		next, waits := l.next()
		if next < 0 {
			return dst
		}
		t := &l.tracks[next]
		q := &t.queue[0]
		if waits && !all && l.now-q.at < hold && len(t.queue) < maxHeld {
			return dst
		}
		dst = l.write(dst, next, q)
		t.free = append(t.free, q.data)
		t.queue = append(t.queue[:0], t.queue[1:]...)
	}
}

// next is the track with the earliest frame, -1 if there is none. waits means that a
// track has none that may yet have an earlier one.
func (l *Live) next() (next int, waits bool) {
	next = -1
	var least time.Duration
	for i := range l.tracks {
		t := &l.tracks[i]
		if len(t.queue) == 0 {
			waits = waits || t.at != 0 && l.now-t.at < quiet
			continue
		}
		if at := l.time.Time(i, t.queue[0].timestamp); next < 0 || at < least {
			next, least = i, at
		}
	}
	return next, waits
}

// ready reports whether the file may begin: reports say where tracks belong, and each
// has a frame, or that has taken too long.
func (l *Live) ready(all bool) bool {
	frames, missing := false, false
	for i := range l.tracks {
		t := &l.tracks[i]
		frames = frames || len(t.queue) > 0
		missing = missing || len(t.queue) == 0 && t.at != 0
	}
	return frames && (all || l.time.Certain() && !missing && l.now-l.began >= hold ||
		l.now-l.began >= mono.Time(lipsync.Patience))
}

// start writes the head.
func (l *Live) start(dst []byte) []byte {
	l.started = true
	if next, _ := l.next(); next >= 0 {
		l.base = l.time.Time(next, l.tracks[next].queue[0].timestamp)
	}
	for i := range l.tracks {
		if t := &l.tracks[i]; len(t.queue) > 0 {
			l.describe(i, &t.queue[0])
		}
	}
	return l.out.Header(dst)
}

// describe informs the file of the content of a track by a frame: the first configuration, as
// later ones come with their frames, and the largest size.
func (l *Live) describe(i int, q *queued) {
	t := &l.tracks[i]
	if !t.Codec.Video() || !q.key {
		return
	}
	known := t.config != nil
	if known && q.width <= t.largest[0] && q.height <= t.largest[1] {
		return
	}
	c := t.config
	if !known {
		if c = q.config; c == nil {
			c = &frame.Config{}
		}
	}
	n := *c
	t.largest[0], t.largest[1] = max(t.largest[0], q.width), max(t.largest[1], q.height)
	n.Width, n.Height = t.largest[0], t.largest[1]
	t.config = &n
	m := l.info.Tracks[i]
	m.Config = &n
	l.out.SetTrack(i, m)
}

// write writes a frame.
func (l *Live) write(dst []byte, i int, q *queued) []byte {
	t := &l.tracks[i]
	at := max(0, l.time.Time(i, q.timestamp)-l.base)
	video := t.Codec.Video()
	if q.timestamp > t.latest && at <= t.last {
		// The track was moved back.
		if !video {
			l.dropped++
			return dst
		}
		at = t.last + time.Millisecond
	}
	if l.fill && !video {
		dst = l.fillUp(dst, i, at)
	}
	l.describe(i, q)
	t.latest, t.last, t.end = q.timestamp, at, at+q.duration
	return l.out.Append(dst, &mux.Sample{Track: i, Time: at, Duration: q.duration, Key: q.key, Data: q.data})
}

// fillUp puts silence into the gap before a moment.
func (l *Live) fillUp(dst []byte, i int, to time.Duration) []byte {
	t := &l.tracks[i]
	if t.last < 0 || to-t.end > maxFill {
		return dst
	}
	for to-t.end >= 2*silent {
		t.last = t.end
		t.end += silent
		dst = l.out.Append(dst, &mux.Sample{Track: i, Time: t.last, Duration: silent, Key: true, Data: silence})
	}
	return dst
}

// fillQuiet puts silence into tracks from which nothing comes, while others go on.
func (l *Live) fillQuiet(dst []byte) []byte {
	newest := time.Duration(0)
	for i := range l.tracks {
		newest = max(newest, l.tracks[i].last)
	}
	for i := range l.tracks {
		if t := &l.tracks[i]; !t.Codec.Video() && len(t.queue) == 0 && l.now-t.at > 2*quiet {
			dst = l.fillUp(dst, i, newest-2*time.Duration(quiet))
		}
	}
	return dst
}
