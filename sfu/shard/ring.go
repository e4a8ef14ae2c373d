package shard

import "sync/atomic"

// ring is a bounded queue with one producer and one consumer, which may be two
// goroutines. Neither ever waits for the other.
type ring[T any] struct {
	slots []T
	head  atomic.Uint64 // put in so far
	tail  atomic.Uint64 // taken out so far
}

// full tells the producer that there is no room.
func (r *ring[T]) full() bool { return r.head.Load()-r.tail.Load() == uint64(len(r.slots)) }

// put puts v in; the producer has found that there is room.
func (r *ring[T]) put(v *T) {
	head := r.head.Load()
	r.slots[head%uint64(len(r.slots))] = *v
	r.head.Store(head + 1)
}

// waiting tells how many are to be taken.
func (r *ring[T]) waiting() uint64 { return r.head.Load() - r.tail.Load() }

// front lends the consumer what was put in first and waits, until shift.
func (r *ring[T]) front() *T { return &r.slots[r.tail.Load()%uint64(len(r.slots))] }

// shift takes the front out.
func (r *ring[T]) shift() {
	var zero T
	*r.front() = zero
	r.tail.Store(r.tail.Load() + 1)
}
