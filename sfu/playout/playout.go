// Package playout plays recordings, and other media that is there in advance, in real
// time. All of them share one goroutine for their timers, and a few
// that read ahead; neither is there while nothing is played.
package playout

import (
	"time"
)

// Reader reads media to play. Its methods are called by one goroutine at a time, which may
// wait in them, for a disk.
type Reader interface {
	// Next appends the next packet to dst, and tells when it is due after the
	// beginning; that never falls. Nothing appended is silence until then.
	// After an error nothing follows; io.EOF is the end.
	Next(dst []byte) (packet []byte, at time.Duration, err error)

	// Close is called once, after the last Next.
	Close() error
}

// Sink is what a player plays to. All but Contain is called by the goroutine of the
// timers, and waits for nothing.
type Sink interface {
	// Write takes a packet of a track, which is lent; false = not now, but soon.
	Write(track int, packet []byte) bool

	// Message takes a message of a data channel, which is lent.
	Message(track int, binary bool, payload []byte)

	// Contain is deferred where a reader or the sink may panic, and recovers.
	Contain(what string)
}

// Part is media, and the track that it is played to.
type Part struct {
	Reader Reader
	Track  int

	Messages bool // it has messages of a data channel, not RTP
	Binary   bool // they are not text

	// Device tells apart what one stalls without the other, such as file systems.
	Device uint64
}

// Player plays one or more parts at the same time. Its methods may be called from
// anywhere.
type Player struct {
	sched  *Scheduler
	to     Sink
	inputs []*input
	ended  func(err error) // nil = it was called, or will not be
	media  int             // inputs with RTP that have not ended
	err    error           // the first one of a reader

	held   bool
	heldAt time.Duration // since when
	begun  bool          // the inputs have
	base   time.Duration // when they did
	over   bool
}

// input is a part in a player, with what was read ahead of it.
type input struct {
	Part
	player *Player
	due    time.Duration // of the next packet
	index  int           // in the heap, -1 = it is not there
	front  *slab         // is played
	back   *slab         // is filled
	ready  bool          // back is full, or the last one
	queued bool          // waits to be read, or is
	last   bool          // back ends with the end of all
	err    error         // of that end
	ended  bool          // all was played
	spent  int           // bytes that count against burst
	since  time.Duration // at that time
}

// slab is a stretch of an input in memory.
type slab struct {
	bytes []byte
	items []item
	next  int // item to play
	start int // of that one in bytes
}

// item is a packet of a slab, or silence if it is empty.
type item struct {
	at  time.Duration
	end int // in the slab's bytes
}

func (s *slab) reset() { s.bytes, s.items, s.next, s.start = s.bytes[:0], s.items[:0], 0, 0 }

func (s *slab) done() bool { return s.next == len(s.items) }

// Bounds of what is read ahead; there are two slabs for each input.
const (
	maxBytes = 64 << 10 // of a slab, unless one message is longer
	maxItems = 4096
	maxTime  = 500 * time.Millisecond
)

// fill reads the next stretch; err is that of Next.
func (s *slab) fill(from Reader) (err error) {
	s.reset()
	var first time.Duration
	for len(s.items) < maxItems {
		b, at, err := from.Next(s.bytes)
		if err != nil {
			return err
		}
		s.bytes = b
		s.items = append(s.items, item{at, len(b)})
		if len(s.items) == 1 {
			first = at
		}
		if at-first >= maxTime || len(b) >= maxBytes-2048 {
			break
		}
	}
	return nil
}

// Hold makes the player wait, or go on where it was.
func (p *Player) Hold(on bool) {
	sched := p.sched
	sched.mu.Lock()
	defer sched.mu.Unlock()
	if p.over || p.held == on {
		return
	}
	now := sched.now()
	p.held = on
	if on {
		p.heldAt = now
		for _, in := range p.inputs {
			sched.unschedule(in)
		}
		return
	}
	if p.begun {
		p.base += now - p.heldAt
	}
	for _, in := range p.inputs {
		sched.schedule(in, now)
	}
}

// Stop ends the player. Readers are closed soon, and ended is not called any more.
func (p *Player) Stop() {
	p.sched.mu.Lock()
	defer p.sched.mu.Unlock()
	p.stop()
}

// stop does it with the scheduler's lock.
func (p *Player) stop() {
	if p.over {
		return
	}
	p.over, p.ended = true, nil
	delete(p.sched.players, p)
	for _, in := range p.inputs {
		p.sched.unschedule(in)
		p.sched.enqueue(in) // to be closed
	}
}
