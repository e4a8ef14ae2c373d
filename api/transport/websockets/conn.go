package websockets

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"bifrons/api/janus"
	"bifrons/api/transport"
)

// Limits of the data queued for one client. Above pauseAt its requests
// are not read any more; a client that does not take its events either is
// disconnected at the other two.
const (
	pauseAt      = 256
	maxMessages  = 8192
	maxBytes     = 8 << 20
	writeTimeout = 30 * time.Second
	keptBuffer   = 16 << 10 // bytes of a message whose memory serves the next one
)

// conn is one client. Its requests are handled one after another in the
// order of their arrival, by the goroutine that reads; another one writes.
type conn struct {
	server *Server
	ws     *websocket.Conn
	admin  bool
	id     uint64

	visitor *transport.Visitor
	used    chan struct{} // closed when it has, or had, a session
	use     sync.Once

	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	seen   atomic.Int64 // when something last came from the client, in nanoseconds since start
	start  time.Time

	mu     sync.Mutex
	queue  *transport.Queue // to be written
	over   bool             // nothing is queued any more
	filled chan struct{}    // capacity 1: the queue is not empty
	room   chan struct{}    // capacity 1: the queue got shorter
}

var _ janus.Conn = (*conn)(nil)

func newConn(s *Server, admin bool, v *transport.Visitor) *conn {
	c := &conn{
		server: s, admin: admin, id: s.nextID.Add(1), start: time.Now(),
		visitor: v, used: make(chan struct{}),
		filled: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
	c.queue = transport.NewQueue(s.cfg.Queues, c.shed)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// run serves the client until it or the server ends the connection.
func (c *conn) run() {
	var helpers sync.WaitGroup
	helpers.Go(c.write)
	helpers.Go(c.awaitUse)
	if c.server.cfg.PingTrigger > 0 && c.server.cfg.PingTimeout > 0 {
		helpers.Go(c.ping)
	}
	c.read()
	c.cancel()
	c.server.core.Gone(c)
	c.ws.CloseNow()
	helpers.Wait()
}

func (c *conn) read() {
	for {
		msg, release, err := c.receive()
		if err == nil {
			err = c.handle(msg)
		}
		release()
		if errors.Is(err, transport.ErrBusy) {
			c.ws.Close(websocket.StatusTryAgainLater, "the server is busy")
		}
		if err != nil {
			return
		}
	}
}

// receive reads a message, which may not take longer than BodyTimeout once it
// has begun.
func (c *conn) receive() (msg []byte, release func(), err error) {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	_, r, err := c.ws.Reader(ctx)
	if err != nil {
		return nil, func() {}, err
	}
	late := time.AfterFunc(c.server.cfg.BodyTimeout, cancel)
	defer late.Stop()
	return transport.Receive(ctx, r, 0, c.server.cfg.Bodies)
}

// handle runs the requests of a message.
func (c *conn) handle(msg []byte) error {
	c.touch()
	if c.admin {
		c.inUse()
	}
	for _, part := range split(msg) {
		if err := c.waitForRoom(); err != nil {
			return err
		}
		c.server.core.Handle(c, janus.Request{Admin: c.admin, Body: part}, c.send)
	}
	return nil
}

// inUse notes that the connection is good for something.
func (c *conn) inUse() {
	c.use.Do(func() {
		close(c.used)
		c.visitor.Active()
	})
}

// awaitUse ends a connection that nobody uses.
func (c *conn) awaitUse() {
	late := time.NewTimer(c.server.cfg.SessionTimeout)
	defer late.Stop()
	select {
	case <-c.used:
	case <-c.ctx.Done():
	case <-late.C:
		c.server.cfg.Log.Debug("a connection without a session is closed", "transport", Package)
		c.ws.Close(websocket.StatusPolicyViolation, "no session")
		c.cancel()
	}
}

// waitForRoom holds requests back while the client does not read the replies.
func (c *conn) waitForRoom() error {
	for {
		c.mu.Lock()
		n := c.queue.Len()
		c.mu.Unlock()
		if n < pauseAt {
			return c.ctx.Err()
		}
		select {
		case <-c.room:
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
}

// send queues an answer.
func (c *conn) send(msg []byte) { c.put(janus.Event{Head: msg}) }

// put queues a message. A client that is too far behind is cut off.
func (c *conn) put(e janus.Event) {
	if !c.push(e) {
		c.shed()
		return
	}
	signal(c.filled)
	c.server.cfg.Queues.Relieve()
}

func (c *conn) push(e janus.Event) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return true // and lost
	}
	n := c.queue.Len()
	if n >= maxMessages || c.queue.Bytes()+e.Len() > maxBytes && n > 0 {
		return false
	}
	c.queue.Push(e)
	return true
}

// shed cuts the client off, and drops what it has not read.
func (c *conn) shed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel()
	if !c.over {
		c.over = true
		c.queue.Close()
	}
}

func (c *conn) write() {
	defer c.shed()
	var buf []byte
	for {
		e, ok := c.next()
		if !ok {
			return
		}
		msg := e.Append(buf[:0])
		if buf = msg; cap(buf) > keptBuffer {
			buf = nil
		}
		ctx, cancel := context.WithTimeout(c.ctx, writeTimeout)
		err := c.ws.Write(ctx, websocket.MessageText, c.server.control.Relayout(msg))
		cancel()
		if err != nil {
			return
		}
		c.mu.Lock()
		c.queue.Done()
		c.mu.Unlock()
		signal(c.room)
	}
}

// next is the oldest message, which it waits for; not ok when the connection
// has ended.
func (c *conn) next() (e janus.Event, ok bool) {
	for c.ctx.Err() == nil {
		c.mu.Lock()
		e, ok = c.queue.Begin()
		c.mu.Unlock()
		if ok {
			return e, true
		}
		select {
		case <-c.filled:
		case <-c.ctx.Done():
		}
	}
	return e, false
}

// pingLate is how late the end of a ping is only when the process did not run.
const pingLate = 250 * time.Millisecond

// ping looks after a silent client.
func (c *conn) ping() {
	trigger, timeout := c.server.cfg.PingTrigger, c.server.cfg.PingTimeout
	t := time.NewTimer(trigger)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-c.ctx.Done():
			return
		}
		seen := c.seen.Load()
		if rest := trigger - (time.Since(c.start) - time.Duration(seen)); rest > 0 {
			t.Reset(rest)
			continue
		}
		ctx, cancel := context.WithTimeout(c.ctx, timeout)
		begun := time.Now()
		err := c.ws.Ping(ctx)
		cancel()
		switch {
		case err == nil || c.seen.Load() != seen:
			t.Reset(trigger)
		case time.Since(begun) > timeout+pingLate && c.ctx.Err() == nil:
			t.Reset(0) // the process was stopped, the answer may wait in the socket
		default:
			c.cancel()
			return
		}
	}
}

// touch notes that the client is alive.
func (c *conn) touch() { c.seen.Store(int64(time.Since(c.start))) }

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Transport names the transport.
func (c *conn) Transport() string { return Package }

// ID is the connection's number.
func (c *conn) ID() string { return strconv.FormatUint(c.id, 10) }

// Deliver sends an event.
func (c *conn) Deliver(_ uint64, event janus.Event) { c.put(event) }

// SessionBound keeps the connection; it takes the events of any session.
func (c *conn) SessionBound(uint64) { c.inUse() }

// SessionOver needs nothing: the connection stays, whatever its sessions do.
func (c *conn) SessionOver(uint64, janus.Over) {}
