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
	// heldLong is how long a stream is held at most until the line has room for it.
	heldLong = time.Second
	// heldStep is the time between the moments at which that ends, of all viewers, so that one key frame serves them.
	heldStep = 200 * time.Millisecond
	// heldQueue is how long the line's queue is at least: a shorter one may be a machine that is short of time.
	heldQueue = 2 * fullQueue
	// owedBytes is the usual size of a packet, and owedFew how many are always sent again.
	owedBytes = 1000
	owedFew   = 4
)

// owed are a stream's packets that were asked for while the line was short, the longest ago
// first. They are sent as soon as that is allowed: who was refused some times asks no more, and
// waits for a key frame.
type owed struct {
	list  []debt
	keyed bool      // key frames are recognised
	plain bool      // they begin a stream without temporal layers, of which a decoder needs everything
	since uint32    // number of the first packet of the latest one
	gone  bool      // a packet behind that cannot be sent again
	asked mono.Time // for a key frame instead
	held  mono.Time // until when the stream is, so that the queue is short for the next key frame; 0 = it is not
}

type debt struct {
	seq uint16
	at  mono.Time
}

// late reports whether the first of the list is.
func (w *owed) late(now mono.Time) bool {
	return len(w.list) > 0 && now.Sub(w.list[0].at) > owedLong
}

// needed is how many packets of the list are not from before the latest key frame, and since when.
func (w *owed) needed() (n int, since mono.Time) {
	for _, d := range w.list {
		if int16(d.seq-uint16(w.since)) < 0 {
			continue
		}
		if n++; n == 1 {
			since = d.at
		}
	}
	return n, since
}

// stands reports whether the stream is past repair, and a key frame would end that.
func (w *owed) stands(now mono.Time) bool {
	if !w.keyed || w.gone {
		return w.keyed
	}
	n, since := w.needed()
	return n > 0 && now.Sub(since) > owedLong
}

// lose notes that a packet is asked for and cannot be sent again.
func (w *owed) lose(seq uint32) {
	w.gone = w.gone || w.keyed && int32(seq-w.since) >= 0
}

// owe has a packet sent again by repay, when its turn comes.
func (l *line) owe(now mono.Time, o *sender, seq uint16) {
	w := &o.owed
	switch {
	case len(w.list) == maxOwed:
		l.peer.loop.Drop(media.DropResend)
	case !slices.ContainsFunc(w.list, func(d debt) bool { return d.seq == seq }):
		w.list = append(w.list, debt{seq, now})
		l.owing++
	}
}

// repay sends what is owed, of each stream in turn, as far as that is allowed. Streams that are past
// repair wait for a key frame.
func (l *line) repay(now mono.Time) {
	short := l.isShort(now)
	for tried := 0; l.owing > 0 && tried < len(l.peer.sections); tried++ {
		l.turn++
		o := l.peer.sections[l.turn%len(l.peer.sections)].out
		w := &o.owed
		if len(w.list) == 0 || short && w.stands(now) {
			continue
		}
		if !w.late(now) && !o.resend(now, w.list[0].seq) {
			l.turn-- // it is the next one's turn again
			return
		}
		w.list = slices.Delete(w.list, 0, 1)
		l.owing--
		tried = -1
	}
}

// replace asks for a key frame of streams that are past repair, once the line has room for one. One without
// layers, that has lost more than can be sent again in time, is held until its queue should be short, for heldLong
// at most: nothing of it can be shown.
func (l *line) replace(now mono.Time) {
	short := l.isShort(now)
	for _, s := range l.peer.sections {
		o := s.out
		t, w := o.sub.Track(), &o.owed
		switch {
		case w.held != 0:
			if now >= w.held {
				w.held, w.asked = 0, now
				o.hold(now)
			}
		case !short || t == nil || s.share.Paused || o.large.waitsForKey() || now.Sub(w.asked) < owedAgain:
		case l.queue >= heldQueue && t.Ask != nil && w.plain && len(t.Rates()) == 1 && (w.stands(now) || l.tooMuch(w)):
			o.abandon()
			w.held = now.Add(min(l.queue-fullQueue, heldLong) + heldStep).Floor(heldStep)
			o.hold(now)
		case !l.full && w.stands(now):
			w.asked = now
			t.RequestKeyframe(now)
		}
	}
}

// tooMuch reports whether more packets are needed than can be sent again in time.
func (l *line) tooMuch(w *owed) bool {
	n, _ := w.needed()
	return w.keyed && n > owedFew && float64(n*owedBytes) > repairShare*float64(l.acked)/8*owedLong.Seconds()
}

// hold stops the stream, or has it go on with a key frame, as the line demands.
func (o *sender) hold(now mono.Time) {
	o.sub.SetHeld(now, o.section.share.Paused || o.owed.held != 0)
}

// forgive gives up what a stream is owed.
func (l *line) forgive(o *sender) {
	l.owing -= len(o.owed.list)
	o.owed.list, o.owed.gone = o.owed.list[:0], false
}

// renew begins anew with the first packet of a key frame.
func (l *line) renew(o *sender, seq uint32, plain bool) {
	l.forgive(o)
	o.owed.keyed, o.owed.plain, o.owed.since = true, plain, seq
}

// abandon gives up every packet that was sent or waits: none is sent from now on.
func (o *sender) abandon() {
	o.history.forget()
	o.large.close()
	o.owed.keyed = false
	if l := o.section.peer.line; l != nil {
		l.forgive(o)
		l.pacer.Forget(uint16(o.section.place))
	}
}
