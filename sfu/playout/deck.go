package playout

import (
	"container/heap"
	"errors"
	"io"
	"sync"
	"time"
)

// maxReaders is how many goroutines read ahead of each device.
const maxReaders = 2

// Deck has the players. The zero value is ready once Flush and Go are set.
type Deck struct {
	Flush func()         // ends what was written to sinks at one time
	Go    func(f func()) // starts a goroutine

	mu      sync.Mutex
	begun   time.Time // when the first player did; time is counted from then on
	players map[*Player]struct{}
	reels   reelHeap
	running bool          // there is a goroutine for the timers
	wake    chan struct{} // has something when it should look again
	looked  time.Duration // when it did
	ends    []func()      // to be told
	shelves map[uint64]*shelf
	closed  bool
}

// shelf has the reels of one device that want to be read.
type shelf struct {
	waiting []*reel
	readers int
}

// Play starts a player, which waits while it is held. It owns the tapes. ended, which
// may be nil, is called once, on a goroutine of its own, when all has been played but
// messages, with the first error of a tape that was not io.EOF.
func (d *Deck) Play(to Sink, parts []Part, held bool, ended func(err error)) *Player {
	p := &Player{deck: d, to: to, ended: ended, held: held}
	for _, part := range parts {
		p.reels = append(p.reels, &reel{Part: part, player: p, index: -1, front: new(slab), back: new(slab)})
		if !part.Messages {
			p.media++
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.players == nil {
		d.players = make(map[*Player]struct{})
		d.shelves = make(map[uint64]*shelf)
		d.wake = make(chan struct{}, 1)
		d.begun = time.Now()
	}
	if d.closed {
		d.Go = func(f func()) { go f() } // nobody waits for that any more
		p.stop()
		return p
	}
	d.players[p] = struct{}{}
	for _, r := range p.reels {
		d.file(r)
	}
	if p.media == 0 && ended != nil {
		p.stop()
		d.Go(func() { d.tell(p, ended, nil) })
	}
	return p
}

// now is the time.
func (d *Deck) now() time.Duration { return time.Since(d.begun) }

// Close stops all players, and those that are started later.
func (d *Deck) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for p := range d.players {
		p.stop()
	}
}

// file has a reel read, or closed if its player is over.
func (d *Deck) file(r *reel) {
	if r.filing || r.Tape == nil {
		return
	}
	r.filing = true
	s := d.shelves[r.Device]
	if s == nil {
		s = new(shelf)
		d.shelves[r.Device] = s
	}
	s.waiting = append(s.waiting, r)
	if s.readers < maxReaders {
		s.readers++
		d.Go(func() { d.read(r.Device, s) })
	}
}

// read reads ahead what waits on a shelf until there is nothing.
func (d *Deck) read(device uint64, s *shelf) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(s.waiting) > 0 {
		r := s.waiting[0]
		s.waiting[0] = nil
		s.waiting = s.waiting[1:]
		if !r.player.over {
			d.fill(r)
		}
		r.filing = false
		if r.last || r.player.over {
			d.closeTape(r)
		}
		d.wind(r, d.now())
	}
	if s.readers--; s.readers == 0 {
		delete(d.shelves, device)
	}
}

var errPanic = errors.New("playout: a tape has panicked")

// fill fills a reel's back, without the lock.
func (d *Deck) fill(r *reel) {
	err := errPanic
	func() {
		d.mu.Unlock()
		defer d.mu.Lock()
		defer r.player.to.Contain("a tape")
		err = r.back.fill(r.Tape)
	}()
	r.ready, r.last = true, err != nil
	if err != io.EOF {
		r.err = err
	}
}

// closeTape closes a reel's tape, without the lock.
func (d *Deck) closeTape(r *reel) {
	tape := r.Tape
	r.Tape = nil
	d.mu.Unlock()
	defer d.mu.Lock()
	defer r.player.to.Contain("a tape")
	_ = tape.Close()
}

// wind has a reel play what it has, if its player does not wait.
func (d *Deck) wind(r *reel, now time.Duration) {
	p := r.player
	if p.over || p.held || r.ended || r.index >= 0 || !d.turn(r) {
		return
	}
	if !p.begun {
		p.begun, p.base = true, now
	}
	d.push(r, r.next(now))
	if r.index > 0 {
		return
	}
	if !d.running {
		d.running = true
		d.Go(d.run)
		return
	}
	d.rouse()
}

// unwind takes a reel out of those that play.
func (d *Deck) unwind(r *reel) {
	if r.index >= 0 {
		heap.Remove(&d.reels, r.index)
	}
	if d.running && len(d.reels) == 0 {
		d.rouse()
	}
}

// rouse has the goroutine of the timers look again.
func (d *Deck) rouse() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *Deck) push(r *reel, due time.Duration) {
	r.due = due
	heap.Push(&d.reels, r)
}

// reelHeap has the reels that play, the one that is due first at its top.
type reelHeap []*reel

func (h reelHeap) Len() int           { return len(h) }
func (h reelHeap) Less(i, j int) bool { return h[i].due < h[j].due }

func (h reelHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *reelHeap) Push(x any) {
	r := x.(*reel)
	r.index = len(*h)
	*h = append(*h, r)
}

// Pop implements heap.Interface.
func (h *reelHeap) Pop() any {
	last := len(*h) - 1
	r := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	r.index = -1
	return r
}
