// Package ring is the queue between two loops.
package ring

import "sync/atomic"

// Ring is a bounded queue with one producer and one consumer, which may be two
// goroutines. Neither ever waits for the other.
type Ring[T any] struct {
	slots []T
	head  atomic.Uint64 // put in so far
	tail  atomic.Uint64 // taken out so far
}

// Make makes room for n things that wait.
func (r *Ring[T]) Make(n int) { r.slots = make([]T, n) }

// Full reports to the producer that there is no room.
func (r *Ring[T]) Full() bool { return r.head.Load()-r.tail.Load() == uint64(len(r.slots)) }

// Put puts v in; the producer has found that there is room.
func (r *Ring[T]) Put(v *T) {
	head := r.head.Load()
	r.slots[head%uint64(len(r.slots))] = *v
	r.head.Store(head + 1)
}

// Waiting says how many are to be taken.
func (r *Ring[T]) Waiting() uint64 { return r.head.Load() - r.tail.Load() }

// Front lends the consumer the oldest entry, until Shift.
func (r *Ring[T]) Front() *T { return &r.slots[r.tail.Load()%uint64(len(r.slots))] }

// Shift takes the front out.
func (r *Ring[T]) Shift() {
	var zero T
	*r.Front() = zero
	r.tail.Store(r.tail.Load() + 1)
}
