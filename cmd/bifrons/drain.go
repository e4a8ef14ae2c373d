package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

const (
	// farewellLimit is how long the handles may take to end.
	farewellLimit = 5 * time.Second
	// farewellTimeout is how long polling clients have to fetch their last events.
	farewellTimeout = 2 * time.Second
)

var errDraining = errors.New("the server is about to stop")

// drain lets the sessions that there are come to their end, for a while: new
// ones are refused. It returns when there are none, when the time is over, or
// with the next signal.
func (s *server) drain(limit time.Duration, signals <-chan os.Signal) {
	s.core.SetAccepting(false)
	if n := len(s.core.Sessions()); n > 0 && limit > 0 {
		s.log.Info("no new sessions, waiting for the others to end", "sessions", n, "limit", limit)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		s.core.Idle(ctx)
	}()
	for {
		select {
		case <-idle:
			return
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				cancel()
				<-idle
				return
			}
		}
	}
}

// goodbye informs all clients that their calls are over, before their connections
// are closed.
func (s *server) goodbye() {
	ctx, cancel := context.WithTimeout(context.Background(), farewellLimit)
	defer cancel()
	s.core.Farewell(ctx, "Server is stopping")
	ctx, cancel = context.WithTimeout(context.Background(), farewellTimeout)
	defer cancel()
	for _, c := range s.carriers {
		if f, ok := c.(flusher); ok {
			f.Flush(ctx)
		}
	}
}

// ready says why the server should get no new clients.
func (s *server) ready() error {
	if !s.core.Accepting() {
		return errDraining
	}
	return nil
}
