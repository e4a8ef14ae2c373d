// Package due keeps timed work, with the earliest at hand.
package due

import "bifrons/rtp/mono"

// Entry is the place of something in a Heap. It is made with Of; the rest is the Heap's.
type Entry[T any] struct {
	Of T

	at    mono.Time
	place int // in the heap, from 1 on; 0 = it is not there
}

// At is when it is due, as was said last.
func (e *Entry[T]) At() mono.Time { return e.at }

// In reports whether it is in a heap.
func (e *Entry[T]) In() bool { return e.place > 0 }

// First reports whether nothing else in its heap is due before.
func (e *Entry[T]) First() bool { return e.place == 1 }

// Heap has entries by the time at which they are due. The zero value is empty. Its owner
// locks.
type Heap[T any] struct{ list []*Entry[T] }

// Len is how many entries there are.
func (h *Heap[T]) Len() int { return len(h.list) }

// First is the item that is due first. There has to be one.
func (h *Heap[T]) First() T { return h.list[0].Of }

// Next is when that is due, mono.Never if there is nothing.
func (h *Heap[T]) Next() mono.Time {
	if len(h.list) == 0 {
		return mono.Never
	}
	return h.list[0].at
}

// Set puts an entry in, or moves it to another time.
func (h *Heap[T]) Set(e *Entry[T], at mono.Time) {
	before := e.at
	e.at = at
	switch {
	case e.place == 0:
		h.list = append(h.list, e)
		e.place = len(h.list)
		h.up(e.place)
	case at < before:
		h.up(e.place)
	case at > before:
		h.down(e.place)
	}
}

// Remove takes an entry out, if it is in.
func (h *Heap[T]) Remove(e *Entry[T]) {
	i, last := e.place, len(h.list)
	if i == 0 {
		return
	}
	h.swap(i, last)
	h.list[last-1] = nil
	h.list = h.list[:last-1]
	e.place = 0
	if i < last {
		h.up(i)
		h.down(i)
	}
}

// before reports whether the entry at place i is due before that at j.
func (h *Heap[T]) before(i, j int) bool { return h.list[i-1].at < h.list[j-1].at }

func (h *Heap[T]) swap(i, j int) {
	h.list[i-1], h.list[j-1] = h.list[j-1], h.list[i-1]
	h.list[i-1].place, h.list[j-1].place = i, j
}

// up moves an entry to where nothing above it is due later.
func (h *Heap[T]) up(i int) {
	for i > 1 && h.before(i, i/2) {
		h.swap(i, i/2)
		i /= 2
	}
}

// down moves an entry to where nothing below it is due before.
func (h *Heap[T]) down(i int) {
	for {
		child := 2 * i
		if child < len(h.list) && h.before(child+1, child) {
			child++
		}
		if child > len(h.list) || !h.before(child, i) {
			return
		}
		h.swap(i, child)
		i = child
	}
}
