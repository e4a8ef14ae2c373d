package janus

import (
	"context"
	"time"
)

// idlePoll is how often Idle looks.
const idlePoll = 50 * time.Millisecond

// Idle waits until there are no sessions, or ctx ends; it reports which.
func (c *Core) Idle(ctx context.Context) bool {
	t := time.NewTicker(idlePoll)
	defer t.Stop()
	for len(c.Sessions()) > 0 {
		select {
		case <-t.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// Farewell refuses new sessions, and closes all peer connections and detaches
// all handles of those that there are: clients get a hangup event with the reason,
// and a detached event. It returns when their connections have these events.
func (c *Core) Farewell(reason string) {
	c.SetAccepting(false)
	var ends []func()
	for _, s := range c.Sessions() {
		for _, h := range s.Handles() {
			ends = append(ends, h.farewell(reason))
		}
	}
	for _, end := range ends {
		end()
	}
}

// farewell closes the peer connection. What it returns waits for that, and
// detaches the handle.
func (h *Handle) farewell(reason string) (end func()) {
	h.mu.Lock()
	conn := h.conn
	h.mu.Unlock()
	h.Hangup(reason)
	return func() {
		if conn != nil {
			<-conn.done
		}
		done := make(chan struct{})
		h.Run(func() { // behind the hangup event
			h.Detach()
			h.Run(func() { close(done) }) // behind the detached event
		})
		<-done
	}
}
