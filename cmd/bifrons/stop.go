package main

import (
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"bifrons/api/task"
	"bifrons/api/whip"
)

const (
	// partLimit is how long each part of the server gets to end.
	partLimit = 15 * time.Second
	// lastWord is what a server that drains has left when it is told to stop again.
	lastWord = 3 * time.Second
	// logLimit is how long the end of the process waits for the log.
	logLimit = 200 * time.Millisecond
)

// ender makes sure that the process can always be ended by signals.
type ender struct {
	exit     func(reason string) // at once; may return in tests
	draining atomic.Bool         // the second signal is an order to hurry up, not more
	server   atomic.Pointer[server]
}

// relay passes signals on, of which the one to stop may be followed by a second
// one while the server drains. Any other that follows ends the process, whatever
// the rest of it is doing; so does the time after the second one.
func (e *ender) relay(from <-chan os.Signal, to chan<- os.Signal) {
	stops := 0
	var late <-chan time.Time
	for {
		select {
		case sig, ok := <-from:
			switch {
			case !ok:
				return
			case sig == syscall.SIGHUP:
				if len(to) < cap(to)-2 { // there is always room for those to stop
					to <- sig
				}
				continue
			}
			switch stops++; {
			case stops == 1:
				to <- sig
			case stops == 2 && e.draining.Load():
				to <- sig
				late = time.After(lastWord)
			default:
				e.exit("told to stop again")
				return
			}
		case <-late:
			e.exit("told to stop again a while ago")
			return
		}
	}
}

// exitNow returns what ends the process at once, behind a line in the log.
func (e *ender) exitNow(log *slog.Logger, cleanUp func()) func(reason string) {
	return func(reason string) {
		part := ""
		if s := e.server.Load(); s != nil {
			if p := s.closing.Load(); p != nil {
				part = *p
			}
		}
		task.Within(logLimit, func() { log.Warn("ended at once", "reason", reason, "waited_for", part) })
		cleanUp()
		os.Exit(1)
	}
}

// end ends a part of the server, and goes on without it if that takes too long.
func (s *server) end(part string, f func()) {
	s.closing.Store(&part)
	if !task.Within(partLimit, f) {
		s.log.Warn("does not end, closing without it", "part", part)
	}
}

// Close stops everything, what clients see first, and waits for it, though not
// for ever.
func (s *server) Close() {
	if s.whip != nil {
		s.end(whip.Package, s.whip.Close)
	}
	for _, c := range slices.Backward(s.carriers) { // HTTP before the WebSockets
		s.end(c.Info().Package, c.Close)
	}
	if s.admin != nil {
		s.end("Admin API", s.admin.Close)
	}
	if s.core != nil {
		s.end("sessions and plugins", s.core.Close)
	}
	s.end("event handlers", s.closeEvents)
	if s.engine != nil {
		s.end("media", s.engine.Close)
	}
	if s.json != nil {
		s.end("JSON log", s.json.Close)
	}
}
