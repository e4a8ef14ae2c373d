package mix

import (
	"container/heap"
	"sync"
	"time"

	"bifrons/rtp/mono"
)

const (
	// grid is what the times of frames are multiples of, so that conferences share
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
	// Panicked is told what a conference panicked with, which is over then.
	Panicked func(c *Conference, r any)

	mu       sync.Mutex
	jobs     jobHeap
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
	due   mono.Time
	index int  // in the heap, -1 = it is not there
	runs  bool // its frame is being mixed
	again bool // there is something to do even if that says otherwise
}

// Add makes the conference that a Job mixes; wake is to be given to New.
func (w *Workers) Add() (j *Job, wake func()) {
	w.initOnce.Do(func() {
		w.awake.L = &w.mu
		w.wake = make(chan struct{}, 1)
	})
	j = &Job{w: w, index: -1}
	return j, j.kick
}

// Mix says which conference it is.
func (j *Job) Mix(c *Conference) { j.c = c }

// kick has the conference mixed from now on.
func (j *Job) kick() {
	w := j.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if j.runs || j.index >= 0 {
		j.again = true
		return
	}
	now := w.Now()
	j.due = now - now%mono.Time(grid) + mono.Time(grid)
	w.push(j)
}

// push puts a job back, and sees to it that somebody waits for it.
func (w *Workers) push(j *Job) {
	heap.Push(&w.jobs, j)
	switch {
	case w.watched:
		if j.index == 0 {
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
	for len(w.jobs) > 0 {
		if w.watched {
			w.idle++
			w.awake.Wait()
			w.idle--
			continue
		}
		if wait := w.jobs[0].due.Sub(w.Now()); wait > 0 {
			w.watch(timer, wait)
			continue
		}
		w.mix(heap.Pop(&w.jobs).(*Job))
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
	j.runs, j.again = true, false
	if len(w.jobs) > 0 {
		w.help()
	}
	now := w.Now()
	at := j.due
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
		j.due = at.Add(Frame)
		w.push(j)
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

// jobHeap has the jobs, the one that is due first at its top.
type jobHeap []*Job

func (h jobHeap) Len() int           { return len(h) }
func (h jobHeap) Less(i, j int) bool { return h[i].due < h[j].due }

func (h jobHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *jobHeap) Push(x any) {
	j := x.(*Job)
	j.index = len(*h)
	*h = append(*h, j)
}

// Pop implements heap.Interface.
func (h *jobHeap) Pop() any {
	last := len(*h) - 1
	j := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	j.index = -1
	return j
}
