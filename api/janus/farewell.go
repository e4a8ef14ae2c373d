package janus

import (
	"context"
	"sync"
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
// and a detached event. It returns when their connections have these events, or
// when ctx ends.
func (c *Core) Farewell(ctx context.Context, reason string) {
	c.SetAccepting(false)
	var all sync.WaitGroup
	for _, s := range c.Sessions() {
		var ends []func(context.Context)
		for _, h := range s.Handles() {
			ends = append(ends, h.farewell(reason))
		}
		all.Go(func() {
			for _, end := range ends {
				end(ctx)
			}
		})
	}
	all.Wait()
}

// farewell closes the peer connection. The function it returns waits for that, and
// detaches the handle.
func (h *Handle) farewell(reason string) (end func(context.Context)) {
	conn := h.endpoint.Connection()
	h.Hangup(reason)
	return func(ctx context.Context) {
		if conn != nil {
			select {
			case <-conn.Done():
			case <-ctx.Done():
			}
		}
		done := make(chan struct{})
		h.Run(func() { // behind the hangup event
			h.Detach()
			h.Run(func() { close(done) }) // behind the detached event
		})
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
}
