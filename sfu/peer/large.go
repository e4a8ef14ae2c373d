package peer

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/route"
)

// compactAt is from how many places on those of packets that left are used again.
const compactAt = 64

// large keeps those packets of a stream that leave slowly: of a key frame that is larger than the
// queue of the line, and of the pictures behind it. That may take longer than its track keeps
// packets. The zero value keeps nothing.
type large struct {
	kept  []kept
	at    int    // the first that waits
	ts    uint32 // of the latest key frame
	last  uint32 // number of that one's last packet so far
	bytes int    // of all
	key   bool   // there was one
}

// kept is a packet under its outgoing number. It holds a reference to its buffer.
type kept struct {
	seq    uint32
	packet route.Packet
}

// takes reports whether a packet leaves slowly, where a key frame is large from so many bytes on.
func (l *large) takes(from int, r *record, p *route.Packet) bool {
	if p.Info.Keyframe && p.Info.FrameStart && (!l.key || r.ts != l.ts) {
		l.ts, l.last, l.bytes, l.key = r.ts, r.seq, 0, true
	}
	if l.key && r.ts == l.ts {
		if l.bytes += int(p.Len); int32(r.seq-l.last) > 0 {
			l.last = r.seq
		}
		return l.waits() || l.bytes > from
	}
	return l.waits()
}

// waits reports whether packets wait.
func (l *large) waits() bool { return l.at < len(l.kept) }

// waitsForKey reports whether packets of a key frame do.
func (l *large) waitsForKey() bool { return l.waits() && int32(l.kept[l.at].seq-l.last) <= 0 }

// age is how long ago the first packet came that waits, 0 if none does.
func (l *large) age(now mono.Time) time.Duration {
	if !l.waits() {
		return 0
	}
	return now.Sub(l.kept[l.at].packet.Arrival)
}

func (l *large) put(seq uint32, p *route.Packet) {
	if l.at > compactAt && 2*l.at > len(l.kept) { // it may be long before none waits
		n := copy(l.kept, l.kept[l.at:])
		clear(l.kept[n:])
		l.kept, l.at = l.kept[:n], 0
	}
	p.Buf.Retain()
	l.kept = append(l.kept, kept{seq, *p})
}

// first returns the first packet if it has that number, nil if not. It lends it until drop.
func (l *large) first(seq uint32) *route.Packet {
	if !l.waits() || l.kept[l.at].seq != seq {
		return nil
	}
	return &l.kept[l.at].packet
}

// drop gives up the first packet.
func (l *large) drop() {
	l.kept[l.at].packet.Buf.Release()
	l.kept[l.at] = kept{}
	if l.at++; l.at == len(l.kept) {
		l.kept, l.at = l.kept[:0], 0
	}
}

// close gives up all.
func (l *large) close() {
	for l.waits() {
		l.drop()
	}
	l.kept = nil
}
