package janus

import (
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"bifrons/api/json"
)

// Session is one session of a client: some handles, and the connection that
// their events go to.
type Session struct {
	core    *Core
	id      uint64
	active  atomic.Int64 // last activity, as time since the Core was made; its complement = timed out
	timeout atomic.Int64 // time.Duration, -1 = the Core's, 0 = never

	outbox outbox // all events but the last go through it

	mu      sync.Mutex
	conn    Conn          // nil while it is gone
	lost    time.Duration // when it went, as time since the Core was made
	over    bool
	handles map[uint64]*Handle
}

// ID is the session's id.
func (s *Session) ID() uint64 { return s.id }

// SetTimeout gives the session a timeout of its own: 0 = never, negative = the
// Core's.
func (s *Session) SetTimeout(d time.Duration) { s.timeout.Store(int64(max(d, -1))) }

// Timeout is the timeout in effect, 0 = never.
func (s *Session) Timeout() time.Duration {
	if d := time.Duration(s.timeout.Load()); d >= 0 {
		return d
	}
	return s.core.SessionTimeout()
}

// Conn is the connection that events go to, nil if it is gone.
func (s *Session) Conn() Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn
}

// Handle finds a handle, nil if there is none.
func (s *Session) Handle(id uint64) *Handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handles[id]
}

// Handles returns the session's handles by id.
func (s *Session) Handles() []*Handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Handle, 0, len(s.handles))
	for _, h := range s.handles {
		list = append(list, h)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].id < list[j].id })
	return list
}

// deliver gives an event to the connection, or loses it. It is called by the
// outbox.
func (s *Session) deliver(event Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil && !s.over {
		s.conn.Deliver(s.id, event)
	}
}

// Session finds a session, nil if there is none.
func (c *Core) Session(id uint64) *Session {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.sessions[id]
}

// Sessions returns all sessions by id.
func (c *Core) Sessions() []*Session {
	c.mu.RLock()
	defer c.mu.RUnlock()
	list := make([]*Session, 0, len(c.sessions))
	for _, s := range c.sessions {
		list = append(list, s)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].id < list[j].id })
	return list
}

func (c *Core) create(q *query) {
	if !c.Accepting() {
		q.fail(ErrNotAccepting, "Currently not accepting new sessions")
		return
	}
	if !c.authorised(q) {
		return
	}
	wanted := uint64(q.Root.Num("id"))
	s := &Session{core: c, id: wanted, handles: make(map[uint64]*Handle)}
	s.outbox.deliver = s.deliver
	s.timeout.Store(-1)
	s.touch()
	switch c.insert(s, q.Conn) {
	case ErrSessionConflict:
		q.SessionID = wanted
		q.fail(ErrSessionConflict, "Session ID already in use")
		return
	case ErrNotAccepting:
		q.fail(ErrNotAccepting, "Currently not accepting new sessions")
		return
	}
	s.notifyCreated(q)
	q.ok("success", func(w *json.Writer) {
		w.Object("data")
		w.Uint("id", s.id)
		w.End()
	})
}

// insert makes a session known, under a random id if it has none.
func (c *Core) insert(s *Session, conn Conn) Code {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrNotAccepting
	}
	if s.id != 0 && c.sessions[s.id] != nil {
		return ErrSessionConflict
	}
	for s.id == 0 || c.sessions[s.id] != nil {
		s.id = randomID()
	}
	c.sessions[s.id] = s
	c.bind(s, conn)
	return 0
}

// bind makes conn the session's connection. c.mu is held.
func (c *Core) bind(s *Session, conn Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.conn; old != nil && old != conn {
		c.unbind(s, old)
		old.SessionOver(s.id, OverClaimed)
	}
	s.conn = conn
	if c.bound[conn] == nil {
		c.bound[conn] = make(map[uint64]*Session)
	}
	c.bound[conn][s.id] = s
	conn.SessionBound(s.id)
}

// unbind forgets that a connection has a session. c.mu is held.
func (c *Core) unbind(s *Session, conn Conn) {
	delete(c.bound[conn], s.id)
	if len(c.bound[conn]) == 0 {
		delete(c.bound, conn)
	}
}

func (c *Core) claim(q *query) {
	c.mu.Lock()
	alive := c.sessions[q.SessionID] == q.session
	if alive {
		c.bind(q.session, q.Conn)
	}
	c.mu.Unlock()
	if !alive {
		q.failf(ErrSessionNotFound, "No such session %d", q.SessionID)
		return
	}
	q.ok("success", nil)
}

func (c *Core) destroy(q *query) {
	q.session.destroy(OverDestroyed, "destroyed")
	q.ok("success", nil)
}

// Destroy ends the session and all its handles without another event. It
// reports whether the session still was there.
func (s *Session) Destroy() bool { return s.destroy(OverDestroyed, "destroyed") }

// destroy ends the session once. Event handlers hear of it by a name, after the
// ends of its handles; "" = not at all.
func (s *Session) destroy(why Over, name string) bool {
	c := s.core
	c.mu.Lock()
	if c.sessions[s.id] != s {
		c.mu.Unlock()
		return false
	}
	delete(c.sessions, s.id)
	s.mu.Lock()
	conn := s.conn
	if conn != nil {
		c.unbind(s, conn)
		if why == OverTimeout {
			conn.Deliver(s.id, Event{Head: timeoutEvent(s.id)})
		}
		conn.SessionOver(s.id, why)
	}
	s.over, s.conn = true, nil
	handles := s.handles
	s.handles = nil
	s.mu.Unlock()
	c.mu.Unlock()
	var left atomic.Int64
	left.Store(int64(len(handles)) + 1)
	ended := func() {
		if left.Add(-1) == 0 && name != "" {
			s.notify(name)
		}
	}
	for _, h := range handles {
		if !h.end(ended) {
			ended()
		}
	}
	ended()
	return true
}

// Gone reports that a connection is closed and will not come back: its sessions
// are destroyed, or kept for a while to be claimed.
func (c *Core) Gone(conn Conn) {
	now := c.elapsed(c.cfg.Now())
	c.mu.Lock()
	var over []*Session
	for _, s := range c.bound[conn] {
		if c.cfg.ReclaimTimeout <= 0 {
			over = append(over, s)
			continue
		}
		s.mu.Lock()
		s.conn, s.lost = nil, now
		conn.SessionOver(s.id, OverGone)
		s.mu.Unlock()
	}
	if c.cfg.ReclaimTimeout > 0 {
		delete(c.bound, conn)
	}
	c.mu.Unlock()
	for _, s := range over {
		s.destroy(OverGone, "destroyed")
	}
}
