package jitter

import (
	"time"

	"bifrons/rtp/mono"
)

const (
	// stalled is how long nobody has pulled when everything starts again.
	stalled = 500 * time.Millisecond
	// longestGap is how much is concealed where packets are lost; beyond it there is
	// silence until the next is due.
	longestGap = 400 * time.Millisecond
	// comfortTime is how long a pause is filled: senders describe its sound every 400 ms.
	comfortTime = 500 * time.Millisecond
	// shortest is the shortest sound that a codec can make, and the tolerance of timestamps
	// without any meaning.
	shortest = 2500 * time.Microsecond
	// backlog is how much more than the target is played after a gap, faster, instead
	// of being left out.
	backlog = 200 * time.Millisecond
	// idleFrames is how many frames are skipped before memory is given back.
	idleFrames = 100
)

// player is where playing is. Positions and counts are samples a channel.
type player struct {
	tick    mono.Time // of this frame
	running bool      // the packet at pos is played next; otherwise a packet waits until it is due
	pos     int64     // behind everything decoded or given up
	lax     int64     // nanoseconds beyond the target that may wait for the start
	last    uint64    // number of the latest packet that was played
	pause   bool      // the sender paused after it
	held    int       // made up since pos, as nothing was there
	run     int       // made up in a row
	comfort int       // of a pause, that were filled
	extra   int       // for the redundancy of how many packets playing waits
	idle    int       // frames that were skipped in a row
	calm    int       // frames since the last stretch
	tries   int       // frames in which stretching was wanted, but nothing alike
	made    Outcome   // of this frame
	kind    Outcome   // of the latest samples
}

// clock takes the time of a frame.
func (b *Buffer) clock(now mono.Time) {
	if b.tick == 0 {
		b.tick = now
		return
	}
	next := b.tick.Add(FrameTime)
	switch off := now.Sub(next); {
	case off > stalled || off < -stalled:
		b.rest(false)
		b.signal.cut()
		b.signal.cold = true
		b.tick = now
	case off > 30*time.Millisecond || off < -30*time.Millisecond:
		b.tick = now
	default:
		b.tick = next.Add(off / 8)
	}
}

// rest has the next packet wait until it is due.
func (b *Buffer) rest(lax bool) {
	b.running, b.held, b.run, b.lax = false, 0, 0, 0
	if lax {
		b.lax = int64(backlog)
	}
}

func (b *Buffer) pull(now mono.Time, d Decoder, pcm []float32) Outcome {
	b.clock(now)
	b.signal.settle()
	b.idle, b.made = 0, Silent
	switch ready := b.signal.ready(); {
	case ready >= b.frame:
		b.made = b.kind
	case ready > 0: // concealment counts once
		b.made = min(b.kind, Comfort)
	}
	for b.signal.ready() < b.frame {
		b.produce(d)
	}
	if b.running && b.made != Concealed {
		b.adapt(d)
	}
	if b.running {
		b.stats.Delay = time.Duration(b.delay())
	}
	b.signal.read(pcm)
	switch b.made {
	case Concealed:
		b.stats.Concealed++
	case Recovered:
		b.stats.Recovered++
	case Silent:
		return Silent
	}
	b.stats.Frames++
	return b.made
}

// delay is that of the next sample, against the arrival of its packet at the
// earliest, in nanoseconds.
func (b *Buffer) delay() int64 {
	// Samples that were made up count as lost until their packet arrives after all.
	return b.delays.above(int64(b.tick), b.nanos(b.pos+int64(b.held-b.signal.ready())))
}

// grid is the greatest distance such that all packets begin at multiples of it within
// frames, of the length that they have.
func (b *Buffer) grid() int {
	a, c := b.frame, b.in.length
	for c != 0 {
		a, c = c, a%c
	}
	return a
}

// note notes the outcome of the latest part of the frame.
func (b *Buffer) note(o Outcome) { b.kind, b.made = o, max(b.made, o) }

// produce adds ready samples.
func (b *Buffer) produce(d Decoder) {
	b.forgetPast()
	s := b.store.first()
	switch {
	case !b.running:
		if s == nil || !b.start() {
			b.fill(d)
		}
	case s == nil:
		b.underrun(d)
	case s.at-b.pos <= int64(b.signal.of(shortest)):
		b.decode(d, s)
	default:
		b.gap(d, s)
	}
}

// forgetPast forgets packets that came too late, or whose time was concealed.
func (b *Buffer) forgetPast() {
	for s := b.store.first(); s != nil && s.end() <= b.pos; s = b.store.first() {
		b.store.remove(b.store.past)
	}
}

// start begins to play, if the first packet is due, and reports whether it is.
func (b *Buffer) start() bool {
	target := b.target()
	for {
		s := b.store.first()
		ahead := b.protection(s.at)
		if ahead < target {
			return false
		}
		limit := target + b.nanos(int64(b.grid())) + int64(slack) + b.lax
		if b.store.waiting() == 1 || ahead <= limit || b.protection(b.store.next().at) < target {
			b.running, b.pos, b.last = true, s.at, s.seq-1
			b.held, b.run, b.comfort, b.lax = 0, 0, 0, 0
			if b.pause && b.made != Sound { // comfort goes, so that frames begin with packets
				b.signal.cut()
			}
			b.signal.rough = true
			return true
		}
		b.stats.Discarded++
		b.store.done()
	}
}

// protection is how late packets may come if the packet at a position is played next.
func (b *Buffer) protection(at int64) int64 {
	return b.delays.above(int64(b.tick), b.nanos(at)) - b.nanos(int64(b.frame-b.grid()))
}

// fill adds the sound while nothing is played.
func (b *Buffer) fill(d Decoder) {
	n := b.frame - b.signal.ready()
	if b.pause && b.comfort < b.signal.of(comfortTime) && !b.signal.cold {
		n = b.frame
		b.comfort += n
		if pcm := b.signal.space(n); d.Conceal(pcm) == nil && b.signal.sane(pcm) {
			b.signal.concealed(n, 0)
			b.note(Comfort)
			return
		}
		b.comfort = b.signal.of(comfortTime)
		n = b.frame - b.signal.ready()
	}
	if b.signal.silence(n) {
		b.note(Silent)
	} else {
		b.note(Comfort)
	}
}

// underrun fills the frame where no packet is there.
func (b *Buffer) underrun(d Decoder) {
	if b.pause || b.run >= b.signal.of(fadeEnd) {
		b.rest(!b.pause)
		return
	}
	n := b.piece()
	b.conceal(d, n)
	b.held += n
}

// piece is how much is made up at once: as much as packets have, where that is enough
// for a codec to make it up well.
func (b *Buffer) piece() int {
	return min(max(b.in.length, b.frame/2), b.frame) / (b.frame / 2) * (b.frame / 2)
}

// gap deals with packets that are missing before s.
func (b *Buffer) gap(d Decoder, s *stored) {
	missing := int(s.at-b.pos) - b.held
	switch {
	case s.seq == b.last+1, b.pause, s.marker:
		// The sender paused. Nothing of that is lost, and s waits until it is due.
		b.rest(false)
		return
	case s.at-b.pos > int64(b.signal.of(longestGap)):
		b.stats.Lost += s.seq - b.last - 1
		b.rest(true)
		b.last = s.seq - 1
		return
	case missing < b.signal.of(shortest):
		b.lost(s)
		b.decode(d, s)
		return
	}
	if missing <= s.length && b.recover(d, s, missing) {
		b.lost(s)
		return
	}
	n := min(b.piece(), missing)
	if missing > s.length {
		n = min(n, missing-s.length)
	}
	unit := b.signal.of(shortest)
	n = max((n+unit-1)/unit, 1) * unit
	b.conceal(d, n)
	b.pos += int64(n)
	if n >= missing {
		b.lost(s)
	}
}

// lost assumes that packets before s never come.
func (b *Buffer) lost(s *stored) {
	if s.seq > b.last+1 {
		b.stats.Lost += s.seq - b.last - 1
	}
	b.last = s.seq - 1
	b.pos, b.held = max(s.at, b.pos), 0
}

// recover plays the copy in s of the packet before it, of which missing samples are
// needed.
func (b *Buffer) recover(d Decoder, s *stored, missing int) bool {
	pcm := b.signal.space(s.length)
	if d.Recover(b.store.payload(s), pcm) != nil || !b.signal.sane(pcm) {
		return false
	}
	b.signal.decoded(s.length, s.length-missing)
	b.run = 0
	b.note(Recovered)
	return true
}

// conceal makes n samples up.
func (b *Buffer) conceal(d Decoder, n int) {
	pcm := b.signal.space(n)
	if d.Conceal(pcm) == nil && b.signal.sane(pcm) {
		b.signal.concealed(n, b.run)
	} else {
		b.signal.repeat(n, b.run)
	}
	b.run += n
	b.note(Concealed)
}

// decode plays a packet that waits, the first.
func (b *Buffer) decode(d Decoder, s *stored) {
	skip := int(b.pos - s.at)
	if skip < b.signal.of(shortest) {
		skip = 0
	}
	late, redundant, dtx := b.held > 0, s.redundant, s.dtx
	at, length, seq := s.at, s.length, s.seq
	if late { // it came after its time, and is played all the same
		b.delays.late(int64(b.tick), b.delays.above(s.arrival, b.nanos(at)))
	}
	pcm := b.signal.space(b.signal.of(longest))
	n, err := d.Decode(b.store.payload(s), pcm)
	b.store.done()
	switch {
	case err == nil && n > skip && n <= len(pcm)/b.cfg.Channels && b.signal.sane(pcm[:n*b.cfg.Channels]):
		b.signal.decoded(n, skip)
		b.run = 0
		switch {
		case redundant:
			b.note(Recovered)
		case dtx:
			b.note(Comfort)
		default:
			b.note(Sound)
		}
	default:
		unit := b.signal.of(shortest)
		n = max((length-skip)/unit, 1) * unit
		b.conceal(d, n)
		n += skip
	}
	b.pos, b.held, b.last, b.pause, b.comfort = at+int64(n), 0, seq, dtx, 0
}

func (b *Buffer) skip(now mono.Time) Outcome {
	b.clock(now)
	if b.idle++; b.idle == idleFrames {
		b.signal.free()
		b.store.shrink()
	}
	if b.running {
		b.pos -= int64(b.signal.ready())
	}
	b.running, b.held, b.run, b.comfort, b.lax = false, 0, 0, 0, 0
	b.signal.cut()
	b.signal.cold = true
	target := b.target()
	for s := b.store.first(); s != nil && b.protection(s.at) >= target; s = b.store.first() {
		if s.end() > b.pos {
			b.pos, b.last, b.pause = s.end(), s.seq, s.dtx
		}
		b.store.done()
	}
	switch {
	case b.protection(b.pos) >= target+b.nanos(int64(b.frame)): // and nothing has come since
		return Silent
	case b.pause:
		return Comfort
	}
	return Sound
}

func (b *Buffer) prime(d Decoder) {
	d.Reset()
	b.signal.settle()
	b.signal.cut()
	for i := range b.store.past {
		s := &b.store.list[i]
		pcm := b.signal.space(b.signal.of(longest))
		n, err := d.Decode(b.store.payload(s), pcm)
		if err != nil || n <= 0 || n > len(pcm)/b.cfg.Channels || !b.signal.sane(pcm[:n*b.cfg.Channels]) {
			continue
		}
		b.signal.end += n
		b.signal.start = b.signal.end
		b.signal.settle()
	}
	b.signal.cold = true
}
