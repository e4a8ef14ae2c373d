package playout

import (
	"container/heap"
	"time"
)

const (
	// granularity is the least time between two looks at the timers, so that many
	// players share them.
	granularity = 5 * time.Millisecond
	// maxLate is how late a player may be and still catch up.
	maxLate = time.Second
)

// What one tape may send, whatever its timestamps say: burst bytes at once, and rate
// bytes a second.
const (
	burst = 512 << 10
	rate  = 6 << 20
)

// run is the goroutine of the timers.
func (d *Deck) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		d.look()
		d.Flush()
		d.tellEnds()
		for {
			wait, over := d.wait()
			if over {
				return
			}
			if wait <= 0 {
				break
			}
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-d.wake: // what is due first may have changed
			}
		}
	}
}

// wait is how long it is to the next look. If there is nothing to wait for the
// goroutine is over.
func (d *Deck) wait() (wait time.Duration, over bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.reels) == 0 {
		d.running = false
		return 0, true
	}
	return max(d.reels[0].due, d.looked+granularity) - d.now(), false
}

// look plays what is due.
func (d *Deck) look() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.looked = d.now()
	for len(d.reels) > 0 && d.reels[0].due <= d.looked {
		d.play(heap.Pop(&d.reels).(*reel), d.looked)
	}
}

// play plays what is due of a reel, and puts it back if there is more to come. A panic
// ends its player.
func (d *Deck) play(r *reel, now time.Duration) {
	done := false
	defer func() {
		if !done {
			r.player.stop()
		}
	}()
	defer r.player.to.Contain("a player")
	for d.turn(r) {
		if r.front.done() {
			d.finish(r)
			break
		}
		if due := d.playOne(r, now); due > now {
			d.push(r, due)
			break
		}
	}
	done = true
}

// turn takes what was read ahead when the rest was played. It tells whether there is
// anything to play, or nothing because it is the end.
func (d *Deck) turn(r *reel) bool {
	if r.front.done() && r.ready {
		r.front, r.back = r.back, r.front
		r.ready = false
		if !r.last {
			d.file(r)
		}
	}
	return !r.front.done() || r.last
}

// playOne plays the next packet of a reel if it is due. It returns when to go on.
func (d *Deck) playOne(r *reel, now time.Duration) (due time.Duration) {
	p, s := r.player, r.front
	it := s.items[s.next]
	due = p.base + it.at
	if due > now {
		return due
	}
	if late := now - due; late > maxLate { // the machine slept, or a disk stalled
		d.shift(p, late)
	}
	b := s.bytes[s.start:it.end]
	switch {
	case len(b) == 0:
	case !r.may(len(b), now):
		return now + granularity
	case r.Messages:
		p.to.Message(r.Track, r.Binary, b)
	case !p.to.Write(r.Track, b):
		return now + granularity
	}
	s.next++
	s.start = it.end
	return now
}

// next is when to go on with a reel that has not played yet what is due.
func (r *reel) next(now time.Duration) time.Duration {
	if r.front.done() {
		return now
	}
	return r.player.base + r.front.items[r.front.next].at
}

// may tells whether a reel may play n bytes more at once.
func (r *reel) may(n int, now time.Duration) bool {
	if passed := now - r.since; passed > 0 {
		r.spent = max(0, r.spent-int(min(passed, time.Second)*rate/time.Second))
		r.since = now
	}
	if r.spent+n > burst {
		return false
	}
	r.spent += n
	return true
}

// shift moves the beginning of a player's tapes.
func (d *Deck) shift(p *Player, by time.Duration) {
	p.base = p.base + by
	for _, r := range p.reels {
		if r.index >= 0 {
			r.due = r.due + by
			heap.Fix(&d.reels, r.index)
		}
	}
}

// finish notes that all of a reel was played.
func (d *Deck) finish(r *reel) {
	p := r.player
	r.ended = true
	if p.err == nil {
		p.err = r.err
	}
	if r.Messages {
		return
	}
	if p.media--; p.media == 0 {
		d.end(p)
	}
}

// end ends a player whose tapes have ended. Who waits for that is told when what it has
// played is on its way.
func (d *Deck) end(p *Player) {
	ended, err := p.ended, p.err
	p.stop()
	if ended != nil {
		d.ends = append(d.ends, func() { d.tell(p, ended, err) })
	}
}

// tellEnds tells who waits for the ends of players.
func (d *Deck) tellEnds() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.ends {
		d.Go(f)
	}
	d.ends = nil
}

func (d *Deck) tell(p *Player, ended func(err error), err error) {
	defer p.to.Contain("what waits for the end of a player")
	ended(err)
}
