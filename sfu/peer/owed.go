package peer

import (
	"slices"
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

const (
	// maxOwed bounds the repairs that one stream is owed.
	maxOwed = 128
	// owedLong is how long a repair may come late. Then the picture stands, and a key frame is
	// better.
	owedLong = time.Second
	// owedAgain is how often that is asked for, at most.
	owedAgain = time.Second
)

// owed are a stream's packets that were asked for while the line was short, the longest ago
// first. They are sent as soon as that is allowed: who was refused some times asks no more, and
// waits for a key frame.
type owed struct {
	list  []debt
	since uint32    // number of the latest key frame's first packet
	gone  bool      // a packet behind that cannot be sent again
	asked mono.Time // for a key frame instead
}

type debt struct {
	seq uint16
	at  mono.Time
}

// late reports whether the stream is past repair.
func (w *owed) late(now mono.Time) bool {
	return w.gone || len(w.list) > 0 && now.Sub(w.list[0].at) > owedLong
}

// lose notes that a packet is asked for and cannot be sent again.
func (o *sender) lose(seq uint32) {
	w := &o.owed
	w.gone = w.gone || o.history.given(seq) && int32(seq-w.since) >= 0
}

// owe has a packet sent again by repay, when its turn comes.
func (l *line) owe(now mono.Time, o *sender, seq uint16) {
	w := &o.owed
	switch {
	case slices.ContainsFunc(w.list, func(d debt) bool { return d.seq == seq }):
	case len(w.list) == maxOwed:
		l.peer.loop.Drop(media.DropResend)
	default:
		w.list = append(w.list, debt{seq, now})
		l.owing++
	}
}

// repay sends what is owed, of each stream in turn, as far as that is allowed.
func (l *line) repay(now mono.Time) {
	short := l.isShort(now)
	for some := l.owing > 0; some; {
		some = false
		for _, s := range l.peer.sections {
			w := &s.out.owed
			if len(w.list) == 0 || short && s.Kind == media.Video && w.late(now) {
				continue
			}
			if !s.out.resend(now, w.list[0].seq) {
				some = false
				break
			}
			w.list = slices.Delete(w.list, 0, 1)
			l.owing--
			some = true
		}
	}
}

// replace asks for a key frame of streams that are past repair, once the line has room for one.
func (l *line) replace(now mono.Time) {
	for _, s := range l.peer.sections {
		t, w := s.out.sub.Track(), &s.out.owed
		if t != nil && !l.full && !s.share.Paused && s.Kind == media.Video && w.late(now) && now.Sub(w.asked) >= owedAgain {
			w.asked = now
			t.RequestKeyframe(now)
		}
	}
}

// forgive gives up what a stream is owed: a key frame begins, it pauses, or its line is not
// watched any more.
func (l *line) forgive(o *sender) {
	l.owing -= len(o.owed.list)
	o.owed.list, o.owed.gone = o.owed.list[:0], false
}
