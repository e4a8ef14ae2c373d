package task

import (
	"log/slog"
	"sync"
	"time"
)

// Pacer runs a function as often as it is asked to, but not more often than Burst times
// and then once in a Period: requests in between become one run in the end. The
// lock that is given with the function guards it.
type Pacer struct {
	Burst  int
	Period time.Duration
	Log    *slog.Logger // for panics; nil = slog.Default()

	timer *time.Timer // of the run that is due; nil if none is
	next  time.Time   // when there may be one
}

// Do runs f with mu held, as it is by the caller: now, or later on a goroutine of its
// own. Always the same function has to be given.
func (p *Pacer) Do(mu sync.Locker, f func()) {
	if p.timer != nil {
		return
	}
	now := time.Now()
	if first := now.Add(-time.Duration(p.Burst-1) * p.Period); p.next.Before(first) {
		p.next = first
	}
	wait := p.next.Sub(now)
	p.next = p.next.Add(p.Period)
	if wait <= 0 {
		f()
		return
	}
	log := p.Log
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		defer Contain(log, "a timer", nil)
		mu.Lock()
		defer mu.Unlock()
		if p.timer == timer {
			p.timer = nil
			f()
		}
	})
	p.timer = timer
}

// Stop forgets the run that is due. The lock is held.
func (p *Pacer) Stop() {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}
