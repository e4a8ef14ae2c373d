// Package client is a client of the Janus API over any of its transports, for tests and
// measurements. It knows no testing.TB: everything that can fail returns an error, and
// everything that waits does so until its context is over.
package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"
)

// Conn carries messages between a client and a server.
type Conn interface {
	// Send sends a request about a session and a handle, 0 = about none. The request
	// is the Conn's from then on.
	Send(ctx context.Context, session, handle uint64, request Object) error
	// Receive waits for the next message, until the Conn is closed. It is for one
	// goroutine.
	Receive() ([]byte, error)
	// Close ends it: politely, or at once.
	Close(polite bool) error
}

// Texter is a Conn that also sends what is no request, as it is. By HTTP there is none: its
// ids are in the path.
type Texter interface {
	SendText(ctx context.Context, text []byte) error
}

var _ = []Texter{webSocket{}, (*unixSocket)(nil), (*rabbit)(nil), (*mqtt3)(nil), (*mqtt5)(nil), nanomsg{}}

// mostEvents is how many events of a handle wait to be read.
const mostEvents = 4096

// ErrUnread is the end of a client that does not read the events of a handle.
var ErrUnread = errors.New("nobody reads the events of a handle")

// Client makes requests over one Conn, and has a session at most.
type Client struct {
	conn    Conn
	tap     func(*Message)
	stopped chan struct{} // Close has been called
	closing sync.Once
	running sync.WaitGroup
	over    chan struct{} // nothing comes any more

	mu      sync.Mutex
	serial  uint64
	session uint64
	waiting map[string]*Pending // by transaction
	handles map[uint64]*Handle
	failed  error // why nothing comes any more
}

// New makes a client. Its reader calls tap, unless that is nil, with every message, in
// order and before anybody else gets it; nothing more is read until tap returns.
func New(conn Conn, tap func(*Message)) *Client {
	c := &Client{
		conn: conn, tap: tap, stopped: make(chan struct{}), over: make(chan struct{}),
		waiting: make(map[string]*Pending), handles: make(map[uint64]*Handle),
	}
	c.running.Go(c.read)
	return c
}

// Close closes the connection politely, and waits for all goroutines. It may be called
// again.
func (c *Client) Close() { c.end(true) }

// Abort is Close without a word to the server.
func (c *Client) Abort() { c.end(false) }

func (c *Client) end(polite bool) {
	c.closing.Do(func() {
		close(c.stopped)
		_ = c.conn.Close(polite)
	})
	c.running.Wait()
}

// Session is the id of the session, 0 = none.
func (c *Client) Session() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// Err is why nothing comes any more, nil as long as something may.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

func (c *Client) read() {
	for {
		text, err := c.conn.Receive()
		var m *Message
		if err == nil {
			if m, err = parse(text); err != nil {
				err = fmt.Errorf("%w: %.200s", err, text)
			}
		}
		if err == nil {
			if c.tap != nil {
				c.tap(m)
			}
			err = c.take(m)
		}
		if err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.failed = err
			close(c.over)
			return
		}
	}
}

// take gives a message to who waits for it.
func (c *Client) take(m *Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.waiting[m.Transaction]; p != nil && p.wants(m) {
		if m.Janus == "ack" && p.last {
			return nil
		}
		delete(c.waiting, m.Transaction)
		if p.attached != nil && m.Janus == "success" { // before any of its events
			p.attached.id = m.Data.ID
			c.handles[m.Data.ID] = p.attached
		}
		p.reply <- m
		return nil
	}
	h := c.handles[m.Sender]
	if h == nil || h.deaf {
		return nil
	}
	if len(h.events) == mostEvents {
		return fmt.Errorf("%w: %d", ErrUnread, h.id)
	}
	h.events = append(h.events, m)
	h.signal()
	return nil
}

// Pending is a request under way.
type Pending struct {
	client      *Client
	transaction string
	what        string
	last        bool    // the last reply counts, not the first one
	attached    *Handle // that it makes
	reply       chan *Message
}

// wants reports whether a message with its transaction is the reply, and no event that
// comes behind the first one.
func (p *Pending) wants(m *Message) bool { return p.last || m.Janus != "event" }

// Wait waits for the reply. A refusal is a reply, too: see Message.Err.
func (p *Pending) Wait(ctx context.Context) (*Message, error) {
	c := p.client
	select {
	case m := <-p.reply:
		return m, nil
	case <-c.over:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, p.transaction)
	select {
	case m := <-p.reply: // at the same moment
		return m, nil
	default:
	}
	if c.failed != nil {
		return nil, fmt.Errorf("no reply to %s: %w", p.what, c.failed)
	}
	return nil, fmt.Errorf("no reply to %s: %w", p.what, ctx.Err())
}

// send sends a request, to which it adds the transaction.
func (c *Client) send(ctx context.Context, session, handle uint64, m Object, p *Pending) error {
	m = maps.Clone(m)
	p.client, p.what, p.reply = c, fmt.Sprint(m["janus"]), make(chan *Message, 1)
	c.mu.Lock()
	c.serial++
	p.transaction = "t" + strconv.FormatUint(c.serial, 10)
	m["transaction"] = p.transaction
	c.waiting[p.transaction] = p
	err := c.failed
	c.mu.Unlock()
	if err == nil {
		err = c.conn.Send(ctx, session, handle, m)
	}
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, p.transaction)
		return fmt.Errorf("%s: %w", p.what, err)
	}
	return nil
}

func (c *Client) ask(ctx context.Context, session, handle uint64, m Object, p *Pending) (*Message, error) {
	if err := c.send(ctx, session, handle, m, p); err != nil {
		return nil, err
	}
	return p.Wait(ctx)
}

// sessionless are the requests that belong to no session.
var sessionless = map[any]bool{"create": true, "info": true, "ping": true}

// about is the session of a request.
func (c *Client) about(m Object) uint64 {
	if sessionless[m["janus"]] {
		return 0
	}
	return c.Session()
}

// Send sends a request about the session, if there is one, and does not wait for the
// reply.
func (c *Client) Send(ctx context.Context, m Object) (*Pending, error) {
	p := new(Pending)
	return p, c.send(ctx, c.about(m), 0, m, p)
}

// Request sends a request as Send does, and waits for the first reply. A refusal is a
// reply, too: see Message.Err.
func (c *Client) Request(ctx context.Context, m Object) (*Message, error) {
	return c.ask(ctx, c.about(m), 0, m, new(Pending))
}

// RequestAbout is Request about a session and a handle that need not be the client's.
func (c *Client) RequestAbout(ctx context.Context, session, handle uint64, m Object) (*Message, error) {
	return c.ask(ctx, session, handle, m, new(Pending))
}

// granted turns a refusal into an error.
func granted(m *Message, err error) (*Message, error) {
	if err == nil {
		err = m.Err()
	}
	return m, err
}

// Create makes the session.
func (c *Client) Create(ctx context.Context) error {
	m, err := granted(c.Request(ctx, Object{"janus": "create"}))
	if err == nil {
		c.use(m.Data.ID)
	}
	return err
}

// Claim takes over the session of another connection.
func (c *Client) Claim(ctx context.Context, session uint64) error {
	_, err := granted(c.RequestAbout(ctx, session, 0, Object{"janus": "claim"}))
	if err == nil {
		c.use(session)
	}
	return err
}

func (c *Client) use(session uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = session
}

// Destroy ends the session.
func (c *Client) Destroy(ctx context.Context) error {
	_, err := granted(c.Request(ctx, Object{"janus": "destroy"}))
	return err
}

// KeepAlive tells the server every so often, until Close, that the session is in use.
func (c *Client) KeepAlive(every time.Duration) {
	c.running.Go(func() {
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				ctx, cancel := context.WithTimeout(context.Background(), every)
				_, _ = c.Request(ctx, Object{"janus": "keepalive"})
				cancel()
			case <-c.stopped:
				return
			case <-c.over:
				return
			}
		}
	})
}

// Attach makes a handle of a plugin.
func (c *Client) Attach(ctx context.Context, plugin string) (*Handle, error) {
	h := &Handle{client: c, more: make(chan struct{}, 1)}
	m := Object{"janus": "attach", "plugin": plugin}
	if _, err := granted(c.ask(ctx, c.Session(), 0, m, &Pending{attached: h})); err != nil {
		return nil, err
	}
	return h, nil
}
