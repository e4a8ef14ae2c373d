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

// What one input may send, whatever its timestamps say: burst bytes at once, and rate
// bytes a second.
const (
	burst = 512 << 10
	rate  = 6 << 20
)

// run is the goroutine of the timers.
func (sched *Scheduler) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		sched.look()
		sched.Flush()
		sched.tellEnds()
		for {
			wait, over := sched.wait()
			if over {
				return
			}
			if wait <= 0 {
				break
			}
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-sched.wake: // what is due first may have changed
			}
		}
	}
}

// wait is how long it is to the next look. If there is nothing to wait for the
// goroutine is over.
func (sched *Scheduler) wait() (wait time.Duration, over bool) {
	sched.mu.Lock()
	defer sched.mu.Unlock()
	if len(sched.inputs) == 0 {
		sched.running = false
		return 0, true
	}
	return max(sched.inputs[0].due, sched.looked+granularity) - sched.now(), false
}

// look plays what is due.
func (sched *Scheduler) look() {
	sched.mu.Lock()
	defer sched.mu.Unlock()
	sched.looked = sched.now()
	for len(sched.inputs) > 0 && sched.inputs[0].due <= sched.looked {
		sched.play(heap.Pop(&sched.inputs).(*input), sched.looked)
	}
}

// play plays what is due of an input, and puts it back if there is more to come. A panic
// ends its player.
func (sched *Scheduler) play(in *input, now time.Duration) {
	done := false
	defer func() {
		if !done {
			in.player.stop()
		}
	}()
	defer in.player.to.Contain("a player")
	for sched.swap(in) {
		if in.front.done() {
			sched.finish(in)
			break
		}
		if due := sched.playOne(in, now); due > now {
			sched.push(in, due)
			break
		}
	}
	done = true
}

// swap takes what was read ahead when the rest was played. It tells whether there is
// anything to play, or nothing because it is the end.
func (sched *Scheduler) swap(in *input) bool {
	if in.front.done() && in.ready {
		in.front, in.back = in.back, in.front
		in.ready = false
		if !in.last {
			sched.enqueue(in)
		}
	}
	return !in.front.done() || in.last
}

// playOne plays the next packet of an input if it is due. It returns when to go on.
func (sched *Scheduler) playOne(in *input, now time.Duration) (due time.Duration) {
	p, s := in.player, in.front
	it := s.items[s.next]
	due = p.base + it.at
	if due > now {
		return due
	}
	if late := now - due; late > maxLate { // the machine slept, or a disk stalled
		sched.shift(p, late)
	}
	b := s.bytes[s.start:it.end]
	switch {
	case len(b) == 0:
	case !in.may(len(b), now):
		return now + granularity
	case in.Messages:
		p.to.Message(in.Track, in.Binary, b)
	case !p.to.Write(in.Track, b):
		return now + granularity
	}
	s.next++
	s.start = it.end
	return now
}

// next is when to go on with an input that has not played yet what is due.
func (in *input) next(now time.Duration) time.Duration {
	if in.front.done() {
		return now
	}
	return in.player.base + in.front.items[in.front.next].at
}

// may tells whether an input may play n bytes more at once.
func (in *input) may(n int, now time.Duration) bool {
	if passed := now - in.since; passed > 0 {
		in.spent = max(0, in.spent-int(min(passed, time.Second)*rate/time.Second))
		in.since = now
	}
	if in.spent+n > burst {
		return false
	}
	in.spent += n
	return true
}

// shift moves the beginning of a player.
func (sched *Scheduler) shift(p *Player, by time.Duration) {
	p.base = p.base + by
	for _, in := range p.inputs {
		if in.index >= 0 {
			in.due = in.due + by
			heap.Fix(&sched.inputs, in.index)
		}
	}
}

// finish notes that all of an input was played.
func (sched *Scheduler) finish(in *input) {
	p := in.player
	in.ended = true
	if p.err == nil {
		p.err = in.err
	}
	if in.Messages {
		return
	}
	if p.media--; p.media == 0 {
		sched.end(p)
	}
}

// end ends a player whose media have ended. Who waits for that is told when what it has
// played is on its way.
func (sched *Scheduler) end(p *Player) {
	ended, err := p.ended, p.err
	p.stop()
	if ended != nil {
		sched.ends = append(sched.ends, func() { sched.tell(p, ended, err) })
	}
}

// tellEnds tells who waits for the ends of players.
func (sched *Scheduler) tellEnds() {
	sched.mu.Lock()
	defer sched.mu.Unlock()
	for _, f := range sched.ends {
		sched.Go(f)
	}
	sched.ends = nil
}

func (sched *Scheduler) tell(p *Player, ended func(err error), err error) {
	defer p.to.Contain("what waits for the end of a player")
	ended(err)
}
