package janus

import "time"

const (
	// watchdogPeriod is how often sessions are looked at for timeouts.
	watchdogPeriod = 2 * time.Second

	// watchdogLate is how late the watchdog has to be for the process to count
	// as stopped or starved, and pauseGrace how long no session ends after that:
	// messages of clients wait in sockets meanwhile, or are sent again by TCP.
	watchdogLate = watchdogPeriod / 4
	pauseGrace   = 10 * time.Second
)

func (c *Core) watchdog() {
	t := time.NewTicker(watchdogPeriod)
	defer t.Stop()
	last, grace := c.cfg.Now(), time.Time{}
	for {
		select {
		case <-t.C:
		case <-c.stop:
			return
		}
		now := c.cfg.Now()
		if late := now.Sub(last) - watchdogPeriod; late > watchdogLate {
			c.log.Warn("the server did not run for a while, sessions get more time", "late", late.Round(time.Millisecond))
			grace = now.Add(pauseGrace)
		}
		last = now
		if !now.Before(grace) {
			c.guarded(func() { c.sweep(now) })
		}
	}
}

// elapsed is the time since the Core was made, by the monotonic clock.
func (c *Core) elapsed(now time.Time) time.Duration { return now.Sub(c.started) }

// touch counts as activity; false if the session has timed out.
func (s *Session) touch() bool {
	now := int64(s.core.elapsed(s.core.cfg.Now()))
	for {
		switch last := s.active.Load(); {
		case last < 0:
			return false
		case now <= last || s.active.CompareAndSwap(last, now):
			return true
		}
	}
}

// LastActivity is when the client last showed that it is there.
func (s *Session) LastActivity() time.Time {
	last := s.active.Load()
	if last < 0 {
		last = ^last
	}
	return s.core.started.Add(time.Duration(last))
}

// overdue reports whether the session has to end, unless its last activity is
// another by then.
func (s *Session) overdue(now time.Time) (last int64, yes bool) {
	last = s.active.Load()
	at := s.core.elapsed(now)
	if limit := s.Timeout(); limit > 0 && at-time.Duration(last) >= limit {
		return last, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	reclaim := s.core.cfg.ReclaimTimeout
	return last, s.conn == nil && reclaim > 0 && at-s.lost >= reclaim
}

// expire makes an end of the session's activity if it is overdue still.
func (s *Session) expire(now time.Time) bool {
	last, yes := s.overdue(now)
	return yes && last >= 0 && s.active.CompareAndSwap(last, ^last)
}

// sweep ends the sessions that have timed out.
func (c *Core) sweep(now time.Time) {
	for _, s := range c.overdue(now) {
		if !s.expire(now) || !s.destroy(OverTimeout, "timeout") {
			continue
		}
		c.log.Info("session timed out: its client neither polled nor sent a keepalive",
			"session", s.id, "silent", now.Sub(s.LastActivity()).Round(time.Second))
	}
}

func (c *Core) overdue(now time.Time) []*Session {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var list []*Session
	for _, s := range c.sessions {
		if _, yes := s.overdue(now); yes {
			list = append(list, s)
		}
	}
	return list
}
