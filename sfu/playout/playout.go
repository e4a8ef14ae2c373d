// Package playout plays recordings, and other media that is there in advance, in real
// time. All of them share one goroutine for their timers, and a few
// that read ahead; neither is there while nothing is played.
package playout

import (
	"sync/atomic"
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/due"
)

// Reader reads media to play. Its methods are called by one goroutine at a time, which may
// wait in them, for a disk.
type Reader interface {
	// Next appends the next packet to dst, and says when it is due after the
	// beginning; that never falls. Nothing appended is silence until then.
	// After an error nothing follows; io.EOF is the end.
	Next(dst []byte) (packet []byte, at time.Duration, err error)

	// Close is called once, after the last Next.
	Close() error
}

// Destination takes the packets of a player. All but Contain is called by the goroutine of the
// timers, and waits for nothing.
type Destination interface {
	// Write takes over a packet of a track, which it has to release; false = not
	// now, but soon. Behind the packet is Spare memory, as far as B goes.
	Write(track int, packet *pktbuf.Buf) bool

	// Message takes a message of a data channel, which is lent.
	Message(track int, binary bool, payload []byte)

	// Contain is deferred where a reader or the destination may panic, and recovers.
	Contain(what string)
}

// Part is media, and the track that it is played to.
type Part struct {
	Reader Reader
	Track  int

	Messages bool // it has messages of a data channel, not RTP
	Binary   bool // they are not text

	// Device identifies things that stall independently, such as file systems.
	Device uint64
}

// Player plays one or more parts at the same time. Its methods may be called from
// anywhere.
type Player struct {
	sched *Scheduler
	to    Destination
	parts []*playing
	ended func(err error) // nil = it was called, or will not be
	media int             // parts with RTP that have not ended
	err   error           // the first one of a reader

	held   bool
	heldAt mono.Time // since when
	begun  bool      // the parts have
	base   mono.Time // when they did
	over   bool
}

// playing is a part in a player, with its packets read ahead.
type playing struct {
	Part
	player *Player
	turn   due.Entry[*playing] // that of the next packet
	front  *slab               // is played, nil = none yet
	back   *slab               // is filled, nil = there is none
	spare  *slab               // not in use; whoever fills has them
	most   int                 // bytes of the largest so far
	freed  atomic.Pointer[slab]
	lent   atomic.Int64 // bytes of slabs that are in use
	ready  bool         // back is full, or the last one
	queued bool         // waits to be read, or is
	last   bool         // back ends with the end of all
	err    error        // of that end
	ended  bool         // all was played
	spent  int          // bytes that count against burst
	since  mono.Time    // at that time
}

// slab is a stretch of a part in memory: that of its packets, until all are released.
type slab struct {
	pktbuf.Block
	bytes []byte // packets, with Spare after each
	items []item
	bufs  []pktbuf.Buf // for the items
	next  int          // item to play
	start int          // of that one in bytes
	link  *slab        // of free ones
}

// item is a packet of a slab, or silence if it is empty.
type item struct {
	at  time.Duration
	end int // in the slab's bytes
}

func (s *slab) done() bool { return s == nil || s.next == len(s.items) }

// Spare is how many bytes there are behind a packet.
const Spare = 16

var spareBytes [Spare]byte

// Bounds of reading ahead; there are two slabs for each part, besides those that
// packets are kept of.
const (
	maxBytes = 64 << 10 // of a slab, unless one message is longer
	maxItems = 4096
	maxTime  = 500 * time.Millisecond
)

// slab returns one that is not in use, which whoever fills the part holds.
func (in *playing) slab() *slab {
	if in.spare == nil {
		in.spare = in.freed.Swap(nil)
	}
	s := in.spare
	if s == nil {
		s = &slab{bytes: make([]byte, 0, in.size())}
		s.Free = func() { in.free(s) }
	} else {
		in.spare, s.link = s.link, nil
	}
	s.bytes, s.items, s.next, s.start = s.bytes[:0], s.items[:0], 0, 0
	s.Hold()
	return s
}

// size is how large a slab is made, so that it need not grow by copies.
func (in *playing) size() int {
	if n := in.most + in.most/8; n < maxBytes/2 {
		return n
	}
	return max(in.most, maxBytes)
}

// free takes a slab back, on any goroutine.
func (in *playing) free(s *slab) {
	in.lent.Add(-int64(len(s.bytes)))
	for {
		first := in.freed.Load()
		s.link = first
		if in.freed.CompareAndSwap(first, s) {
			return
		}
	}
}

// fill reads the next stretch; err is that of Next.
func (s *slab) fill(from Reader) (err error) {
	var first time.Duration
	for len(s.items) < maxItems {
		b, at, err := from.Next(s.bytes)
		if err != nil {
			return err
		}
		s.items = append(s.items, item{at, len(b)})
		s.bytes = append(b, spareBytes[:]...)
		if len(s.items) == 1 {
			first = at
		}
		if at-first >= maxTime || len(b) >= maxBytes-2048 {
			break
		}
	}
	return nil
}

// packet is the packet that is played next.
func (s *slab) packet() []byte { return s.bytes[s.start:s.items[s.next].end] }

// lend is that packet as one that its taker releases.
func (s *slab) lend() *pktbuf.Buf {
	if len(s.bufs) < len(s.items) { // nothing is lent yet
		s.bufs = make([]pktbuf.Buf, cap(s.items))
	}
	b, end := &s.bufs[s.next], s.items[s.next].end
	s.Lend(b, s.bytes[s.start:end+Spare:end+Spare], end-s.start)
	return b
}

// shift moves on to the next item.
func (s *slab) shift() {
	s.start = s.items[s.next].end + Spare
	s.next++
}

// Hold makes the player wait, or resume where it was.
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
		for _, in := range p.parts {
			sched.unschedule(in)
		}
		return
	}
	if p.begun {
		p.base += now - p.heldAt
	}
	for _, in := range p.parts {
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
	for _, in := range p.parts {
		p.sched.unschedule(in)
		p.sched.enqueue(in) // to be closed
		in.drop()
	}
}

// drop gives up the packets that a part was about to play, and those it has read if it is not being
// read; else the reader does that.
func (in *playing) drop() {
	if in.front != nil {
		in.front.Release()
		in.front = nil
	}
	if in.back != nil && in.ready {
		in.back.Release()
		in.back = nil
	}
}
