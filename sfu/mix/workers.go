package mix

import (
	"sync"
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/due"
)

const (
	// grid is the unit of the times of frames, so that conferences share
	// wake-ups.
	grid = 5 * time.Millisecond
	// maxBehind is how late a frame may be and still be mixed.
	maxBehind = 5 * Frame
)

// Workers are goroutines that mix the frames of conferences in time, as many at once
// as there are goroutines. They are there only while there is something to mix. The
// fields are set before the first use.
type Workers struct {
	Max int              // goroutines
	Go  func(f func())   // starts one
	Now func() mono.Time // the clock
	// Panicked gets the value that a conference panicked with, which is over then.
	Panicked func(c *Conference, r any)

	mu       sync.Mutex
	jobs     due.Heap[*Job]
	running  int
	idle     int           // that wait for the one that has the timer
	awake    sync.Cond     // for those
	watched  bool          // one has the timer
	wake     chan struct{} // has something when that should look again
	initOnce sync.Once
}

// Job is a conference with its place among others.
type Job struct {
	w     *Workers
	c     *Conference
	turn  due.Entry[*Job]
	runs  bool // its frame is being mixed
	again bool // there is something to do even if that says otherwise
}

// Add makes the conference that a Job mixes; wake is to be given to New.
func (w *Workers) Add() (j *Job, wake func()) {
	w.initOnce.Do(func() {
		w.awake.L = &w.mu
		w.wake = make(chan struct{}, 1)
	})
	j = &Job{w: w}
	j.turn.Of = j
	return j, j.kick
}

// Mix says which conference it is.
func (j *Job) Mix(c *Conference) { j.c = c }

// kick has the conference mixed from now on.
func (j *Job) kick() {
	w := j.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if j.runs || j.turn.In() {
		j.again = true
		return
	}
	now := w.Now()
	w.push(j, now-now%mono.Time(grid)+mono.Time(grid))
}

// push has a job wait until it is due, and sees to it that somebody waits for it.
func (w *Workers) push(j *Job, at mono.Time) {
	w.jobs.Set(&j.turn, at)
	switch {
	case w.watched:
		if j.turn.First() {
			select {
			case w.wake <- struct{}{}:
			default:
			}
		}
	case w.idle > 0:
		w.awake.Signal()
	case w.running < w.Max:
		w.running++
		w.Go(w.run)
	}
}

// run is one goroutine. One at a time has the timer; who takes a frame to mix leaves the
// timer to another.
func (w *Workers) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.jobs.Len() > 0 {
		if w.watched {
			w.idle++
			w.awake.Wait()
			w.idle--
			continue
		}
		if wait := w.jobs.Next().Sub(w.Now()); wait > 0 {
			w.watch(timer, wait)
			continue
		}
		w.mix(w.jobs.First())
	}
	w.running--
	w.awake.Broadcast()
}

// watch waits until something may be due.
func (w *Workers) watch(timer *time.Timer, wait time.Duration) {
	w.watched = true
	w.mu.Unlock()
	timer.Reset(wait)
	select {
	case <-timer.C:
	case <-w.wake:
	}
	w.mu.Lock()
	w.watched = false
}

// mix mixes a frame of a conference, without the lock.
func (w *Workers) mix(j *Job) {
	w.jobs.Remove(&j.turn)
	j.runs, j.again = true, false
	if w.jobs.Len() > 0 {
		w.help()
	}
	now := w.Now()
	at := j.turn.At()
	late := now.Sub(at)
	skipped := 0
	if late > maxBehind {
		skipped = int(late / Frame)
		at = at.Add(time.Duration(skipped) * Frame)
	}
	w.mu.Unlock()
	busy := w.tick(j, now, at, late, skipped)
	w.mu.Lock()
	j.runs = false
	if busy || j.again {
		w.push(j, at.Add(Frame))
	}
}

// help has another goroutine take the timer.
func (w *Workers) help() {
	switch {
	case w.idle > 0:
		w.awake.Signal()
	case w.running < w.Max:
		w.running++
		w.Go(w.run)
	}
}

// tick mixes, and keeps a panic from going further.
func (w *Workers) tick(j *Job, now, at mono.Time, late time.Duration, skipped int) (busy bool) {
	defer func() {
		if r := recover(); r != nil {
			w.Panicked(j.c, r)
			busy = false
		}
	}()
	if late >= Frame {
		j.c.NoteLate(skipped)
	}
	busy = j.c.Tick(now, at)
	j.c.NoteTime(w.Now().Sub(now))
	return busy
}
