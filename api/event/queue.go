package event

import (
	"sync"

	"bifrons/api/janus"
)

// Limits of an outlet's queue, unless configured otherwise: about ten
// seconds of a busy server. The oldest events make room for new ones, and from
// half of it on there are no more statistics, as the next ones say the same.
const (
	maxEvents = 65536
	maxBytes  = 64 << 20
)

// queue is a bounded queue of events.
type queue struct {
	filled  chan struct{} // capacity 1: there may be something in it
	closing chan struct{} // closed with the queue

	mu     sync.Mutex
	list   []*janus.Notification
	bytes  int
	limit  int // of events
	max    int // of bytes
	closed bool
}

func newQueue() *queue {
	return &queue{filled: make(chan struct{}, 1), closing: make(chan struct{}), limit: maxEvents, max: maxBytes}
}

// size is roughly the memory of an event, in bytes.
func size(n *janus.Notification) int { return len(n.Event) + len(n.OpaqueID) + 128 }

// put adds an event and returns how many were dropped for it, itself perhaps.
func (q *queue) put(n *janus.Notification) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 1
	}
	statistics := n.Type == janus.NotifyMedia && n.Subtype == janus.SubStatistics
	if statistics && (2*len(q.list) >= q.limit || 2*q.bytes >= q.max) {
		return 1
	}
	q.list = append(q.list, n)
	q.bytes += size(n)
	dropped = q.trim()
	select {
	case q.filled <- struct{}{}:
	default:
	}
	return dropped
}

// trim drops the oldest events that are too much, though not the last one.
// q.mu is held.
func (q *queue) trim() (dropped int) {
	for len(q.list) > q.limit || q.bytes > q.max && len(q.list) > 1 {
		q.shift()
		dropped++
	}
	return dropped
}

// shift takes the oldest event. q.mu is held.
func (q *queue) shift() *janus.Notification {
	n := q.list[0]
	q.list[0] = nil
	if q.list = q.list[1:]; len(q.list) == 0 {
		q.list = nil // and its memory
	}
	q.bytes -= size(n)
	return n
}

// take removes the oldest events, at most n. over reports that there will never
// be any again.
func (q *queue) take(n int) (list []*janus.Notification, over bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for n = min(n, len(q.list)); len(list) < n; {
		list = append(list, q.shift())
	}
	return list, q.closed && len(list) == 0
}

// setLimit changes the number of events that are held; 0 = the usual one.
func (q *queue) setLimit(n int) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.limit = n; n <= 0 {
		q.limit = maxEvents
	}
	return q.trim()
}

// close ends the queue; its events can still be taken.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.closing)
	}
}

func (q *queue) depth() (events, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.list), q.bytes
}
