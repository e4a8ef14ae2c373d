package playout

import (
	"errors"
	"io"
	"sync"
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/due"
)

// maxReading is how many goroutines read ahead of each device.
const maxReading = 2

// Scheduler has the players. The zero value is ready once Flush and Go are set.
type Scheduler struct {
	Flush func()         // ends the writing to destinations at one time
	Go    func(f func()) // starts a goroutine

	mu      sync.Mutex
	begun   time.Time // when the first player did; time is counted from then on
	players map[*Player]struct{}
	parts   due.Heap[*playing]
	running bool          // there is a goroutine for the timers
	wake    chan struct{} // has something when it should look again
	looked  mono.Time     // when it did
	looking bool          // it does
	ends    []func()      // to be called
	devices map[uint64]*deviceQueue
	closed  bool
}

// deviceQueue has the parts of one device that want to be read.
type deviceQueue struct {
	waiting []*playing
	reading int // goroutines
}

// Play starts a player, which waits while it is held. It owns the readers. ended, which
// may be nil, is called once, on a goroutine of its own, when all has been played but
// messages, with the first error of a reader that was not io.EOF.
func (sched *Scheduler) Play(to Destination, parts []Part, held bool, ended func(err error)) *Player {
	p := &Player{sched: sched, to: to, ended: ended, held: held}
	for _, part := range parts {
		in := &playing{Part: part, player: p}
		in.turn.Of = in
		p.parts = append(p.parts, in)
		if !part.Messages {
			p.media++
		}
	}
	sched.mu.Lock()
	defer sched.mu.Unlock()
	if sched.players == nil {
		sched.players = make(map[*Player]struct{})
		sched.devices = make(map[uint64]*deviceQueue)
		sched.wake = make(chan struct{}, 1)
		sched.begun = time.Now()
	}
	if sched.closed {
		sched.Go = func(f func()) { go f() } // nobody waits for that any more
		p.stop()
		return p
	}
	sched.players[p] = struct{}{}
	for _, in := range p.parts {
		sched.enqueue(in)
	}
	if p.media == 0 && ended != nil {
		p.stop()
		sched.Go(func() { sched.tell(p, ended, nil) })
	}
	return p
}

// now is the time.
func (sched *Scheduler) now() mono.Time { return mono.Time(time.Since(sched.begun)) }

// Close stops all players, including those started later.
func (sched *Scheduler) Close() {
	sched.mu.Lock()
	defer sched.mu.Unlock()
	sched.closed = true
	for p := range sched.players {
		p.stop()
	}
}

// enqueue has a part read, or closed if its player is over.
func (sched *Scheduler) enqueue(in *playing) {
	if in.queued || in.Reader == nil {
		return
	}
	in.queued = true
	q := sched.devices[in.Device]
	if q == nil {
		q = new(deviceQueue)
		sched.devices[in.Device] = q
	}
	q.waiting = append(q.waiting, in)
	if !sched.looking {
		sched.start(in.Device, q)
	}
}

// start has one more goroutine read parts that wait for a device, if it may.
func (sched *Scheduler) start(device uint64, q *deviceQueue) {
	if q.reading < maxReading {
		q.reading++
		sched.Go(func() { sched.read(device, q) })
	}
}

// startReading ends a look.
func (sched *Scheduler) startReading() {
	sched.looking = false
	for device, q := range sched.devices {
		for range min(len(q.waiting), maxReading-q.reading) {
			sched.start(device, q)
		}
	}
}

// read reads ahead parts that wait for a device until there are none.
func (sched *Scheduler) read(device uint64, q *deviceQueue) {
	sched.mu.Lock()
	defer sched.mu.Unlock()
	for len(q.waiting) > 0 {
		in := q.waiting[0]
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
		if !in.player.over {
			sched.fill(in)
		}
		in.queued = false
		if in.last || in.player.over {
			sched.closeReader(in)
		}
		if in.player.over {
			in.drop()
		}
		sched.schedule(in, sched.now())
	}
	if q.reading--; q.reading == 0 {
		delete(sched.devices, device)
	}
}

var errPanic = errors.New("playout: a reader has panicked")

// fill fills a part's back, without the lock.
func (sched *Scheduler) fill(in *playing) {
	err, s := errPanic, in.slab()
	func() {
		sched.mu.Unlock()
		defer sched.mu.Lock()
		defer in.player.to.Contain("a reader")
		err = s.fill(in.Reader)
	}()
	in.lent.Add(int64(len(s.bytes)))
	in.most = max(in.most, len(s.bytes))
	in.back, in.ready, in.last = s, true, err != nil
	if err != io.EOF {
		in.err = err
	}
}

// closeReader closes a part's reader, without the lock.
func (sched *Scheduler) closeReader(in *playing) {
	r := in.Reader
	in.Reader = nil
	sched.mu.Unlock()
	defer sched.mu.Lock()
	defer in.player.to.Contain("a reader")
	_ = r.Close()
}

// schedule has a part play, if its player does not wait.
func (sched *Scheduler) schedule(in *playing, now mono.Time) {
	p := in.player
	if p.over || p.held || in.ended || in.turn.In() || !sched.swap(in) {
		return
	}
	if !p.begun {
		p.begun, p.base = true, now
	}
	sched.parts.Set(&in.turn, in.next(now))
	if !in.turn.First() {
		return
	}
	if !sched.running {
		sched.running = true
		sched.Go(sched.run)
		return
	}
	sched.wakeUp()
}

// unschedule removes a part from the playing ones.
func (sched *Scheduler) unschedule(in *playing) {
	sched.parts.Remove(&in.turn)
	if sched.running && sched.parts.Len() == 0 {
		sched.wakeUp()
	}
}

// wakeUp has the goroutine of the timers look again.
func (sched *Scheduler) wakeUp() {
	select {
	case sched.wake <- struct{}{}:
	default:
	}
}
