package playout

import (
	"time"

	"bifrons/rtp/mono"
)

const (
	// granularity is the least time between two looks at the timers, so that many
	// players share them, and the wake-ups.
	granularity = 20 * time.Millisecond
	// maxLate is how late a player may be and still catch up.
	maxLate = time.Second
)

// maxLent is how much memory one part may have in use, its takers' included, for more to be
// played, in bytes.
const maxLent = 4 << 20

// Limits of sending for one part, whatever its timestamps say: burst bytes at once, and rate
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
			case <-sched.wake: // the earliest may have changed
			}
		}
	}
}

// wait is how long it is to the next look. If there is nothing to wait for the
// goroutine is over.
func (sched *Scheduler) wait() (wait time.Duration, over bool) {
	sched.mu.Lock()
	defer sched.mu.Unlock()
	if sched.parts.Len() == 0 {
		sched.running = false
		return 0, true
	}
	return max(sched.parts.Next(), sched.looked.Add(granularity)).Sub(sched.now()), false
}

// look plays everything due. Reading begins when all is played: it
// needs the lock.
func (sched *Scheduler) look() {
	sched.mu.Lock()
	defer sched.mu.Unlock()
	sched.looking = true
	defer sched.startReading()
	sched.looked = sched.now()
	for sched.parts.Next() <= sched.looked {
		sched.play(sched.parts.First(), sched.looked)
	}
}

// play plays the due packets of a part, and takes it out if there is nothing to come. A panic
// ends its player.
func (sched *Scheduler) play(in *playing, now mono.Time) {
	done := false
	defer func() {
		if !done {
			in.player.stop()
		}
	}()
	defer in.player.to.Contain("a player")
	at := mono.Never
	for at == mono.Never && sched.swap(in) {
		if in.front.done() {
			sched.finish(in)
			break
		}
		if due := sched.playFront(in, now); due > now {
			at = due
		}
	}
	switch {
	case !in.turn.In(): // its player has ended
	case at == mono.Never:
		sched.parts.Remove(&in.turn)
	default:
		sched.parts.Set(&in.turn, at)
	}
	done = true
}

// swap takes the part that was read ahead when the rest was played. It reports whether there is
// anything to play, or nothing because it is the end.
func (sched *Scheduler) swap(in *playing) bool {
	if in.front.done() && in.ready {
		if in.front != nil {
			in.front.Release()
		}
		in.front, in.back, in.ready = in.back, nil, false
		if !in.last {
			sched.enqueue(in)
		}
	}
	return !in.front.done() || in.last
}

// playFront plays the due packets of a part's front. It returns when to go on.
func (sched *Scheduler) playFront(in *playing, now mono.Time) (due mono.Time) {
	p, s := in.player, in.front
	for !s.done() {
		due = p.base.Add(s.items[s.next].at)
		if due > now {
			return due
		}
		if late := now.Sub(due); late > maxLate { // the machine slept, or a disk stalled
			sched.shift(p, late)
		}
		if b := s.packet(); len(b) > 0 && !sched.give(in, b, now) {
			return now.Add(granularity)
		}
		s.shift()
	}
	return now
}

// give gives the destination the packet that a part plays next; false = not now, but soon.
func (sched *Scheduler) give(in *playing, b []byte, now mono.Time) bool {
	to := in.player.to
	switch {
	case !in.may(len(b), now):
		return false
	case in.Messages:
		to.Message(in.Track, in.Binary, b)
		return true
	case in.lent.Load() > maxLent:
		return false
	}
	packet := in.front.lend()
	if !to.Write(in.Track, packet) {
		packet.Release()
		return false
	}
	return true
}

// next is when to resume a part that still has packets due.
func (in *playing) next(now mono.Time) mono.Time {
	if in.front.done() {
		return now
	}
	return in.player.base.Add(in.front.items[in.front.next].at)
}

// may reports whether a part may play n bytes more at once.
func (in *playing) may(n int, now mono.Time) bool {
	if passed := now.Sub(in.since); passed > 0 {
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
	p.base = p.base.Add(by)
	for _, in := range p.parts {
		if in.turn.In() {
			sched.parts.Set(&in.turn, in.turn.At().Add(by))
		}
	}
}

// finish notes that all of a part was played.
func (sched *Scheduler) finish(in *playing) {
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

// end ends a player whose media have ended. Who waits for that is informed when everything
// played is on its way.
func (sched *Scheduler) end(p *Player) {
	ended, err := p.ended, p.err
	p.stop()
	if ended != nil {
		sched.ends = append(sched.ends, func() { sched.tell(p, ended, err) })
	}
}

// tellEnds informs those who wait for the ends of players.
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
