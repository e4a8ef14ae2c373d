// Package spare keeps objects that are no longer in use for whoever needs such a one next, so
// that nothing is allocated for it.
package spare

import "sync"

// List has spare things. It may be used from anywhere; the zero value is empty.
type List[T any] struct {
	mu   sync.Mutex
	list []sized[T]
	sum  int
}

type sized[T any] struct {
	thing T
	size  int
}

// Take returns the thing that was given last; false if there is none.
func (l *List[T]) Take() (thing T, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.list) - 1
	if last < 0 {
		return thing, false
	}
	x := l.list[last]
	l.list[last] = sized[T]{}
	l.list = l.list[:last]
	l.sum -= x.size
	return x.thing, true
}

// Give keeps a thing, unless the sizes of all were more than most then. The unit of a size
// is the owner's: 1 for each thing, or bytes.
func (l *List[T]) Give(thing T, size, most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sum+size > most {
		return
	}
	l.list = append(l.list, sized[T]{thing, size})
	l.sum += size
}
