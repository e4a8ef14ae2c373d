package shard

import (
	"sync"

	"bifrons/rtp/mono"
)

// command runs on the shard's loop.
type command func(now mono.Time)

// mailbox hands commands from other goroutines to the loop, in order.
type mailbox struct {
	mu     sync.Mutex
	queue  []command
	spare  []command // the slice that the loop drained last
	closed bool
}

// post queues c. It reports whether the loop needs a wake-up, and false for ok
// when the loop has ended.
func (m *mailbox) post(c command) (wake, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false, false
	}
	m.queue = append(m.queue, c)
	return len(m.queue) == 1, true
}

// take returns everything that is queued; the slice is lent until done.
func (m *mailbox) take() []command {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := m.queue
	m.queue, m.spare = m.spare[:0], nil
	return q
}

// done gives the slice of take back.
func (m *mailbox) done(q []command) {
	clear(q)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spare = q[:0]
}

// close refuses further commands and returns the ones that are left.
func (m *mailbox) close() []command {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	q := m.queue
	m.queue = nil
	return q
}
