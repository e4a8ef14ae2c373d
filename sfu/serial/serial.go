// Package serial hands values to a function one after another, for those who must not
// wait for it. It knows nothing of the engine.
package serial

import (
	"math"
	"sync"
)

// NoLimit is for Put, where something else bounds how many values there are.
const NoLimit = math.MaxInt

// Queue hands values to a function in the order in which they were put, on a goroutine
// that lives only while there are some. Its methods may be called from any goroutine,
// and with any lock held: they never call the function themselves.
type Queue[T any] struct {
	start func(run func())
	take  func(T)

	mu      sync.Mutex
	waiting []T
	running bool
}

// New makes a Queue. start runs a function on a goroutine of its own; take gets the
// values. A panic in take has to be kept there.
func New[T any](start func(run func()), take func(T)) *Queue[T] {
	return &Queue[T]{start: start, take: take}
}

// Put adds a value; false if so many are waiting already. The ones that take has do not
// count, nor do those that it gets before it looks at new ones.
func (q *Queue[T]) Put(v T, limit int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= limit {
		return false
	}
	q.waiting = append(q.waiting, v)
	if !q.running {
		q.running = true
		q.start(q.run)
	}
	return true
}

// Clear forgets the waiting values.
func (q *Queue[T]) Clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = nil
}

func (q *Queue[T]) run() {
	for list := q.next(); len(list) > 0; list = q.next() {
		for _, v := range list {
			q.take(v)
		}
	}
}

// next is everything that waits. With nothing the goroutine ends.
func (q *Queue[T]) next() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.waiting
	q.waiting = nil
	q.running = len(list) > 0
	return list
}
