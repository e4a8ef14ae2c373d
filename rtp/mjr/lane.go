package mjr

import (
	"bifrons/rtp"
	"bifrons/rtp/seq"
)

// entry is a packet that waits for its place.
type entry struct {
	head       rtp.FixedHeader
	time, seq  int64 // unwrapped; packets are in the order of these
	media      int64 // reported as time
	raw        []byte
	from, to   int // the payload in raw
	arrival    uint32
	hasArrival bool
	offset     int64
}

// before reports whether e comes before o.
func (e *entry) before(o *entry) bool {
	if e.time != o.time {
		return e.time < o.time
	}
	return e.seq < o.seq
}

const (
	// jumpSeconds is how far a timestamp may be from the others before a second packet
	// has to confirm it.
	jumpSeconds = 10
	// jumpPackets is likewise for sequence numbers of another SSRC.
	jumpPackets = 1000
	// confirmPackets are how many packets have to be there for a jump.
	confirmPackets = 2
	// joinPackets is how many packets of another SSRC have to continue the numbers.
	joinPackets = 3
	// arrivalSlack is by how many milliseconds arrival and timestamp may differ where
	// both have jumped.
	arrivalSlack = 2000
	// firstSeq is the unwrapped number of the first packet without its lower bits, so
	// far up that none gets below 0.
	firstSeq = 1 << 48
)

// lane follows the numbers of one stream, unwraps them, and finds packets that do not
// belong to it. A single one that is far off is held until the next reports whether the
// stream has moved there.
type lane struct {
	rate  int64
	bySeq bool // timestamps do not count

	started bool
	ssrc    uint32
	high    entry // the highest so far
	held    []entry
	now     decision
}

// decision says how packets are treated, until the next one.
type decision struct {
	taken, dropped           []entry
	foreign, stray, restarts int
}

// take judges a packet.
func (l *lane) take(e entry) decision {
	l.now = decision{taken: l.now.taken[:0], dropped: l.now.dropped[:0]}
	same := !l.started || e.head.SSRC == l.ssrc || l.ssrc == 0
	if same {
		l.ssrc = e.head.SSRC
	}
	switch {
	case !l.started:
		l.started = true
		l.high = e
		l.high.time, l.high.seq = 0, firstSeq+int64(e.head.SequenceNumber)
		l.place(e)
	case same && (l.bySeq || l.near(&e, &l.high) || l.waited(&e)):
		l.reject()
		l.place(e)
	case !same && !(l.near(&e, &l.high) && follows(&e, &l.high)):
		l.now.foreign++
		l.now.dropped = append(l.now.dropped, e)
	default:
		l.hold(e, same)
	}
	return l.now
}

// finish judges the packets that were held until the end: nothing came after them.
func (l *lane) finish() decision {
	l.now = decision{taken: l.now.taken[:0], dropped: l.now.dropped[:0]}
	if len(l.held) > 0 && l.held[0].head.SSRC == l.ssrc && seq.Diff32(l.held[0].head.Timestamp, l.high.head.Timestamp) > 0 {
		l.move()
	}
	l.reject()
	return l.now
}

// near reports whether the timestamps of two packets are.
func (l *lane) near(a, b *entry) bool {
	d := seq.Diff32(a.head.Timestamp, b.head.Timestamp)
	return max(d, -d) <= jumpSeconds*l.rate
}

// follows reports whether a's number may be of the stream of b.
func follows(a, b *entry) bool {
	d := seq.Diff16(a.head.SequenceNumber, b.head.SequenceNumber)
	return d > -jumpPackets && d < jumpPackets
}

// waited reports whether the timestamp is as far ahead as the packet came later.
func (l *lane) waited(e *entry) bool {
	if !e.hasArrival || !l.high.hasArrival {
		return false
	}
	ahead := seq.Diff32(e.head.Timestamp, l.high.head.Timestamp) * 1000 / l.rate
	later := int64(e.arrival) - int64(l.high.arrival)
	return ahead > 0 && max(ahead-later, later-ahead) <= arrivalSlack
}

// hold keeps a packet that is far off, or moves the stream there if others confirm it.
func (l *lane) hold(e entry, same bool) {
	if n := len(l.held); n > 0 {
		last := &l.held[n-1]
		if last.head.SSRC != e.head.SSRC || !l.near(&e, last) || !follows(&e, last) ||
			last.head.SequenceNumber == e.head.SequenceNumber {
			l.reject()
		}
	}
	l.held = append(l.held, e)
	if same && len(l.held) >= confirmPackets || len(l.held) >= joinPackets {
		l.move()
	}
}

// reject drops held packets.
func (l *lane) reject() {
	for _, e := range l.held {
		if e.head.SSRC == l.ssrc {
			l.now.stray++
		} else {
			l.now.foreign++
		}
	}
	l.now.dropped = append(l.now.dropped, l.held...)
	l.held = l.held[:0]
}

// move continues with the packets held back. Where a sender's clock started again, time
// advances by how much later they arrived.
func (l *lane) move() {
	first := &l.held[0]
	if first.head.SSRC == l.ssrc && seq.Diff32(first.head.Timestamp, l.high.head.Timestamp) < 0 {
		step := l.rate / 50
		if first.hasArrival && l.high.hasArrival && first.arrival > l.high.arrival {
			step = int64(first.arrival-l.high.arrival) * l.rate / 1000
		}
		time, number := l.high.time+step, l.high.seq+2 // one is missing: nothing goes on
		l.high = *first
		l.high.time, l.high.seq = time, number
		l.now.restarts++
	}
	l.ssrc = first.head.SSRC
	for _, e := range l.held {
		l.place(e)
	}
	l.held = l.held[:0]
}

// place takes a packet and unwraps its numbers.
func (l *lane) place(e entry) {
	e.time = l.high.time + seq.Diff32(e.head.Timestamp, l.high.head.Timestamp)
	e.seq = l.high.seq + int64(seq.Diff16(e.head.SequenceNumber, l.high.head.SequenceNumber))
	if e.seq < l.high.seq && e.time-l.high.time > jumpSeconds*l.rate {
		e.seq += 1 << 16 // so much is missing that the numbers are half around
	}
	if l.bySeq {
		e.time = 0
	}
	l.now.taken = append(l.now.taken, e)
	if e.time > l.high.time || e.time == l.high.time && e.seq > l.high.seq {
		l.high = e
	}
}
