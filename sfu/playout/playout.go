// Package playout plays tapes, which are recordings and other media that is there in
// advance, in real time. All of them share one goroutine for their timers, and a few
// that read ahead; neither is there while nothing is played.
package playout

import (
	"time"
)

// Tape is media to play. Its methods are called by one goroutine at a time, which may
// wait in them, for a disk.
type Tape interface {
	// Next appends the next packet to dst, and tells when it is due after the
	// beginning of the tape; that never falls. Nothing appended is silence until then.
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

	// Contain is deferred where a tape or the sink may panic, and recovers.
	Contain(what string)
}

// Part is a tape with the track that it is played to.
type Part struct {
	Tape  Tape
	Track int

	Messages bool // what is on it are messages of a data channel, not RTP
	Binary   bool // they are not text

	// Device tells apart what one stalls without the other, such as file systems.
	Device uint64
}

// Player plays one or more tapes at the same time. Its methods may be called from
// anywhere.
type Player struct {
	deck  *Deck
	to    Sink
	reels []*reel
	ended func(err error) // nil = it was called, or will not be
	media int             // reels with RTP that have not ended
	err   error           // the first one of a tape

	held   bool
	heldAt time.Duration // since when
	begun  bool          // the tapes have
	base   time.Duration // when they did
	over   bool
}

// reel is a tape in a player.
type reel struct {
	Part
	player *Player
	due    time.Duration // of the next packet
	index  int           // in the heap, -1 = it is not there
	front  *slab         // is played
	back   *slab         // is filled
	ready  bool          // back is full, or the last one
	filing bool          // waits for a reader, or has one
	last   bool          // back ends with the end of the tape
	err    error         // of that end
	ended  bool          // all was played
	spent  int           // bytes that count against burst
	since  time.Duration // at that time
}

// slab is a stretch of a tape in memory.
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

// Bounds of what is read ahead; there are two slabs for each tape.
const (
	maxBytes = 64 << 10 // of a slab, unless one message is longer
	maxItems = 4096
	maxTime  = 500 * time.Millisecond
)

// fill reads the next stretch of a tape; err is that of Next.
func (s *slab) fill(tape Tape) (err error) {
	s.reset()
	var first time.Duration
	for len(s.items) < maxItems {
		b, at, err := tape.Next(s.bytes)
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
	d := p.deck
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.over || p.held == on {
		return
	}
	now := d.now()
	p.held = on
	if on {
		p.heldAt = now
		for _, r := range p.reels {
			d.unwind(r)
		}
		return
	}
	if p.begun {
		p.base += now - p.heldAt
	}
	for _, r := range p.reels {
		d.wind(r, now)
	}
}

// Stop ends the player. Tapes are closed soon, and ended is not called any more.
func (p *Player) Stop() {
	p.deck.mu.Lock()
	defer p.deck.mu.Unlock()
	p.stop()
}

// stop does it with the deck's lock.
func (p *Player) stop() {
	if p.over {
		return
	}
	p.over, p.ended = true, nil
	delete(p.deck.players, p)
	for _, r := range p.reels {
		p.deck.unwind(r)
		p.deck.file(r) // to be closed
	}
}
