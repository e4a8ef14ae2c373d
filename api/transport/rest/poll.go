package rest

import (
	"context"
	"sync"
	"time"

	"bifrons/api/janus"
	"bifrons/api/transport"
)

// Limits of a queue while nobody polls; the oldest events go first.
const (
	maxEvents = 10_000
	maxBytes  = 8 << 20
)

// maxResponse is how many bytes of events one poll gets, if there are several.
const maxResponse = 1 << 20

// overGrace is how long the last word of a session that timed out waits for a
// client that is just between two polls.
const overGrace = 10 * time.Second

// hub has the event queues of all sessions that are bound to HTTP.
type hub struct {
	account  *transport.Account
	mu       sync.Mutex
	sessions map[uint64]*queue
	closed   bool
}

type queue struct {
	*transport.Queue
	waiters []*waiter
	over    bool // the session is gone; its last event waits to be fetched, or polls for their end
}

// waiter is a pending long poll.
type waiter struct {
	max   int
	ready chan []janus.Event // capacity 1; gets its events, or nil for a keepalive
}

func newHub(a *transport.Account) *hub { return &hub{account: a, sessions: map[uint64]*queue{}} }

// newQueue makes an empty queue. If all together have too much, it loses the
// older half.
func (h *hub) newQueue() *queue {
	q := &queue{}
	q.Queue = transport.NewQueue(h.account, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		q.Drop((q.Len() + 1) / 2)
	})
	return q
}

// bind makes an empty queue for a session.
func (h *hub) bind(session uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.sessions[session]; old != nil {
		old.release()
		old.Close()
	}
	h.sessions[session] = h.newQueue()
}

// deliver queues an event and lets all pending polls of the session go.
func (h *hub) deliver(session uint64, event janus.Event) {
	defer h.account.Relieve()
	h.mu.Lock()
	defer h.mu.Unlock()
	q := h.sessions[session]
	if q == nil || q.over {
		return
	}
	q.Push(event)
	for q.Len() > maxEvents || q.Bytes() > maxBytes && q.Len() > 1 {
		q.Drop(1)
	}
	if len(q.waiters) > 0 {
		first := q.waiters[0]
		first.ready <- q.takeSome(first.max)
		q.waiters = q.waiters[1:]
		q.release()
	}
}

// end forgets a session. Of one that timed out, the last event stays a while.
// The polls of one that was destroyed wait for their timeout: a client that
// gets an answer to its poll before that to its destroy polls once more, in
// vain.
func (h *hub) end(session uint64, why janus.Over) {
	h.mu.Lock()
	defer h.mu.Unlock()
	q := h.sessions[session]
	if q == nil {
		return
	}
	if why == janus.OverDestroyed && len(q.waiters) > 0 && !h.closed {
		q.Drop(q.Len())
		q.over = true
		return
	}
	q.release()
	if why != janus.OverTimeout || q.Len() == 0 || h.closed {
		h.forget(session, q)
		return
	}
	q.Drop(q.Len() - 1)
	q.over = true
	time.AfterFunc(overGrace, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.sessions[session] == q {
			h.forget(session, q)
		}
	})
}

// forget removes a session's queue. h.mu is held.
func (h *hub) forget(session uint64, q *queue) {
	delete(h.sessions, session)
	q.Close()
}

// lastWord takes the event that a session left behind when it timed out.
func (h *hub) lastWord(session uint64) []janus.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	q := h.sessions[session]
	if q == nil || !q.over || q.Len() == 0 {
		return nil
	}
	last := q.Take(q.Len())
	h.forget(session, q)
	return last
}

// wait returns up to max events, oldest first; none after timeout, or when
// another poll got the events. ok is false if the session is not bound
// here. Events are put back if ctx ends before they could be used.
func (h *hub) wait(ctx context.Context, session uint64, max int, timeout time.Duration) (events []janus.Event, ok bool) {
	h.mu.Lock()
	q := h.sessions[session]
	if q == nil || q.over || h.closed || q.Len() > 0 {
		defer h.mu.Unlock()
		if q == nil || q.over {
			return nil, false
		}
		return q.takeSome(max), true
	}
	w := &waiter{max: max, ready: make(chan []janus.Event, 1)}
	q.waiters = append(q.waiters, w)
	h.mu.Unlock()

	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case events = <-w.ready:
		return events, true
	case <-t.C:
		return h.leave(session, q, w), true
	case <-ctx.Done():
		h.giveBack(session, q, h.leave(session, q, w))
		return nil, true
	}
}

// leave ends a wait; it returns events that came in the last moment.
func (h *hub) leave(session uint64, q *queue, w *waiter) []janus.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, other := range q.waiters {
		if other == w {
			q.waiters = append(q.waiters[:i], q.waiters[i+1:]...)
			break
		}
	}
	if q.over && len(q.waiters) == 0 && q.Len() == 0 && h.sessions[session] == q {
		h.forget(session, q)
	}
	select {
	case events := <-w.ready:
		return events
	default:
		return nil
	}
}

// giveBack returns events to the front of a queue, or to the next poll.
func (h *hub) giveBack(session uint64, q *queue, events []janus.Event) {
	if len(events) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sessions[session] != q || q.over {
		return
	}
	q.Unshift(events)
	if len(q.waiters) > 0 {
		first := q.waiters[0]
		first.ready <- q.takeSome(first.max)
		q.waiters = q.waiters[1:]
	}
}

// empty reports whether no event waits to be fetched.
func (h *hub) empty() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, q := range h.sessions {
		if q.Len() > 0 {
			return false
		}
	}
	return true
}

// close lets all pending polls go; later ones do not wait.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for session, q := range h.sessions {
		q.release()
		if q.over {
			h.forget(session, q)
		}
	}
}

// takeSome removes up to n events that are no more than one response should
// have, but for the first; the rest is for the next poll.
func (q *queue) takeSome(n int) []janus.Event { return q.TakeUpTo(n, maxResponse) }

// release sends all waiters home without events.
func (q *queue) release() {
	for _, w := range q.waiters {
		w.ready <- nil
	}
	q.waiters = nil
}
