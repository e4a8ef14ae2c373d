package transport

import (
	"slices"

	"bifrons/api/janus"
)

// Queue holds the data that waits for one client, oldest first. Its owner guards it, and
// closes it in the end.
type Queue struct {
	events []janus.Event
	bytes  int
	claim  *Claim
	busy   bool // the first event is being written
}

// NewQueue makes a Queue that counts in an Account. shed is called when the
// client has to lose some, as with Account.Open.
func NewQueue(a *Account, shed func()) *Queue { return &Queue{claim: a.Open(shed)} }

// Push appends an event, and drops the one that it replaces. The owner calls
// Relieve of the Account after it has let go of its lock.
func (q *Queue) Push(e janus.Event) {
	if e.Topic != "" {
		q.replace(&e)
	}
	q.events = append(q.events, e)
	q.bytes += e.Len()
	q.claim.Add(&e)
}

// replace drops the event that e makes superfluous, unless it is on its way.
func (q *Queue) replace(e *janus.Event) {
	first := 0
	if q.busy {
		first = 1
	}
	for i := first; i < len(q.events); i++ {
		if e.Replaces(&q.events[i]) {
			q.forget(&q.events[i])
			q.events = slices.Delete(q.events, i, i+1)
			return
		}
	}
}

// Begin returns the first event, which counts until it is Done.
func (q *Queue) Begin() (e janus.Event, ok bool) {
	if len(q.events) == 0 {
		return e, false
	}
	q.busy = true
	return q.events[0], true
}

// Done removes the event that Begin returned.
func (q *Queue) Done() {
	if q.busy {
		q.busy = false
		q.Drop(1)
	}
}

// Unshift puts events back to the front.
func (q *Queue) Unshift(events []janus.Event) {
	for i := range events {
		q.bytes += events[i].Len()
		q.claim.Add(&events[i])
	}
	q.events = append(slices.Clone(events), q.events...)
}

// Take removes up to n events from the front.
func (q *Queue) Take(n int) []janus.Event {
	out := slices.Clone(q.events[:min(n, len(q.events))])
	q.Drop(len(out))
	return out
}

// TakeUpTo is Take with as many events as fit into so many bytes, one at least.
func (q *Queue) TakeUpTo(n, bytes int) []janus.Event {
	fit := 0
	for fit < min(n, len(q.events)) {
		if bytes -= q.events[fit].Len(); bytes < 0 && fit > 0 {
			break
		}
		fit++
	}
	return q.Take(fit)
}

// Drop removes up to n events from the front, for good.
func (q *Queue) Drop(n int) {
	n = min(n, len(q.events))
	for i := range n {
		q.forget(&q.events[i])
	}
	clear(q.events[:n])
	if q.events = q.events[n:]; len(q.events) == 0 {
		q.events = nil // with the memory of a time when there were many
	}
}

func (q *Queue) forget(e *janus.Event) {
	q.bytes -= e.Len()
	q.claim.Remove(e)
}

// Len is the number of events.
func (q *Queue) Len() int { return len(q.events) }

// Bytes is their length, shared data included.
func (q *Queue) Bytes() int { return q.bytes }

// Close drops everything. Nothing may be pushed afterwards.
func (q *Queue) Close() {
	q.busy = false
	q.Drop(len(q.events))
	q.claim.Close()
}
