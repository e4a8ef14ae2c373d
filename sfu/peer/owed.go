package peer

import (
	"slices"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// maxOwed bounds the repairs that one stream is owed.
const maxOwed = 128

// owed are the numbers of a stream's packets that were asked for while the line was short, oldest
// first. They are sent as soon as that is allowed: who was refused some times asks no more, and
// waits for a key frame.
type owed []uint16

// owe has a packet sent again when its turn comes.
func (l *line) owe(now mono.Time, o *sender, seq uint16) {
	switch {
	case slices.Contains(o.owed, seq):
	case len(o.owed) == maxOwed:
		l.peer.loop.Drop(media.DropResend)
	default:
		o.owed = append(o.owed, seq)
		l.owing++
	}
	l.repay(now)
}

// repay sends what is owed, of each stream in turn, as far as that is allowed.
func (l *line) repay(now mono.Time) {
	for l.owing > 0 {
		for _, s := range l.peer.sections {
			if o := s.out; len(o.owed) > 0 {
				if !o.resend(now, o.owed[0]) {
					return
				}
				o.owed = slices.Delete(o.owed, 0, 1)
				l.owing--
			}
		}
	}
}

// forgive gives up what a stream is owed: a key frame begins, or its line is not watched any more.
func (l *line) forgive(o *sender) {
	l.owing -= len(o.owed)
	o.owed = o.owed[:0]
}
