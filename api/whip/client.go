package whip

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"bifrons/api/janus"
	"bifrons/api/signalling"
	"bifrons/api/task"
)

// client is a client of the Janus API inside the server: one session with one handle.
type client struct {
	core   *janus.Core
	id     string
	events *task.Serial        // runs the callbacks below
	event  func(m *message)    // of the handle, and of no request
	over   func(reason string) // the session or the connection has ended; may be called twice

	session atomic.Uint64
	handle  uint64 // fixed once attached

	mu         sync.Mutex
	waiting    map[string]chan *message // by transaction
	candidates []candidate              // of ours that were trickled
	complete   chan struct{}            // closed with the last one of them
	last       int
}

var _ janus.Conn = (*client)(nil)

// message is a message of the core, as far as it matters here.
type message struct {
	Janus       string `json:"janus"`
	Transaction string `json:"transaction"`
	Reason      string `json:"reason"`
	Error       *struct {
		Code   int    `json:"code"`
		Reason string `json:"reason"`
	} `json:"error"`
	Data struct {
		ID uint64 `json:"id"`
	} `json:"data"`
	Plugin struct {
		Data json.RawMessage `json:"data"`
	} `json:"plugindata"`
	JSEP      *description `json:"jsep"`
	Candidate *candidate   `json:"candidate"`
}

// description is a JSEP of the Janus API.
type description struct {
	Type    string `json:"type"`
	SDP     string `json:"sdp"`
	Trickle *bool  `json:"trickle,omitempty"`
}

// candidate is one of the Janus API.
type candidate struct {
	MID       string `json:"sdpMid,omitempty"`
	Index     *int   `json:"sdpMLineIndex,omitempty"`
	Text      string `json:"candidate,omitempty"`
	Completed bool   `json:"completed,omitempty"`
}

// refusal is an error that the core or a plugin answered with.
type refusal struct {
	code   int
	reason string
	core   bool // not the plugin; their codes overlap
}

func (r *refusal) Error() string { return fmt.Sprintf("%s (%d)", r.reason, r.code) }

var clients atomic.Uint64 // numbers the clients

func newClient(core *janus.Core, tasks *task.Tasks) *client {
	return &client{core: core, id: strconv.FormatUint(clients.Add(1), 10), events: task.NewSerial(maxEvents, tasks, nil),
		waiting: make(map[string]chan *message), complete: make(chan struct{})}
}

// maxEvents is how many events of one client may wait; more are lost.
const maxEvents = 1000

// Transport names the transport.
func (c *client) Transport() string { return Package }

// ID identifies clients.
func (c *client) ID() string { return c.id }

// SessionBound says nothing new.
func (c *client) SessionBound(uint64) {}

// SessionOver ends the client.
func (c *client) SessionOver(_ uint64, why janus.Over) {
	c.events.Must(func() { c.over("its session has ended") })
}

// Deliver takes an event. It answers a request, or is given to event.
func (c *client) Deliver(_ uint64, e janus.Event) {
	m := &message{}
	if json.Unmarshal(e.Bytes(), m) != nil {
		return
	}
	switch {
	case m.Janus == "trickle":
		c.trickled(m.Candidate)
	case m.Transaction != "" && c.answers(m):
	case m.Janus == "hangup" && m.Reason == string(signalling.ReasonUnused):
		// The answer says so already.
	case m.Janus == "hangup":
		c.events.Must(func() { c.over("its connection has ended: " + m.Reason) })
	default:
		c.events.Do(func() { c.event(m) })
	}
}

// trickled keeps a candidate of the server's, for a description that has none.
func (c *client) trickled(x *candidate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.complete:
		return
	default:
	}
	switch {
	case x == nil:
	case x.Completed:
		close(c.complete)
	case len(c.candidates) < maxCandidates:
		c.candidates = append(c.candidates, *x)
	}
}

// answers gives a message to whoever waits for it.
func (c *client) answers(m *message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting, ok := c.waiting[m.Transaction]
	if ok {
		delete(c.waiting, m.Transaction)
		waiting <- m
	}
	return ok
}

// expect makes a transaction whose event is waited for.
func (c *client) expect() (transaction string, events chan *message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	transaction, events = strconv.Itoa(c.last), make(chan *message, 1)
	c.waiting[transaction] = events
	return transaction, events
}

func (c *client) forget(transaction string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, transaction)
}

// request is a request of the Janus API.
type request struct {
	Janus       string       `json:"janus"`
	Transaction string       `json:"transaction"`
	Session     uint64       `json:"session_id,omitempty"`
	Handle      uint64       `json:"handle_id,omitempty"`
	Plugin      string       `json:"plugin,omitempty"`
	Opaque      string       `json:"opaque_id,omitempty"`
	Body        any          `json:"body,omitempty"`
	JSEP        *description `json:"jsep,omitempty"`
	Candidates  []candidate  `json:"candidates,omitempty"`
}

// ask makes a request and returns the reply.
func (c *client) ask(ctx context.Context, r request) (*message, error) {
	r.Session, r.Handle = c.session.Load(), c.handle
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	replies := make(chan []byte, 1)
	c.core.Handle(c, janus.Request{Trusted: true, Body: body}, func(msg []byte) { replies <- msg })
	var msg []byte
	select {
	case msg = <-replies:
	default: // only then may the context end it: the session that was made has to be known
		select {
		case msg = <-replies:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	m := &message{}
	if err := json.Unmarshal(msg, m); err != nil {
		return nil, err
	}
	return m, m.failure()
}

// failure is the error that a message is, nil if it is none.
func (m *message) failure() error {
	if m.Error != nil {
		return &refusal{m.Error.Code, m.Error.Reason, true}
	}
	var said struct {
		Code  int    `json:"error_code"`
		Error string `json:"error"`
	}
	if len(m.Plugin.Data) > 0 && json.Unmarshal(m.Plugin.Data, &said) == nil && said.Code != 0 {
		return &refusal{said.Code, said.Error, false}
	}
	return nil
}

// message sends a message to the plugin and waits for the event that answers it.
func (c *client) message(ctx context.Context, body any, j *description) (*message, error) {
	transaction, events := c.expect()
	defer c.forget(transaction)
	m, err := c.ask(ctx, request{Janus: "message", Transaction: transaction, Body: body, JSEP: j})
	if err != nil || m.Janus != "ack" {
		return m, err
	}
	select {
	case m = <-events:
		return m, m.failure()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// attach makes the session and the handle.
func (c *client) attach(ctx context.Context, plugin, opaque string) error {
	m, err := c.ask(ctx, request{Janus: "create", Transaction: "create"})
	if err != nil {
		return err
	}
	s := c.core.Session(m.Data.ID)
	if s == nil {
		return errors.New("the session has ended")
	}
	s.SetTimeout(0) // it ends with the resource
	c.session.Store(m.Data.ID)
	if m, err = c.ask(ctx, request{Janus: "attach", Transaction: "attach", Plugin: plugin, Opaque: opaque}); err != nil {
		return err
	}
	c.handle = m.Data.ID
	return nil
}

// close ends the session.
func (c *client) close() {
	if s := c.core.Session(c.session.Load()); s != nil {
		s.Destroy()
	}
}

const maxCandidates = 128

// whole is a description of the server's with its candidates, which come separately
// where that is how the server is set up.
func (c *client) whole(ctx context.Context, text string) (string, error) {
	if strings.Contains(text, "a=candidate:") || strings.Contains(text, "a=end-of-candidates") {
		return text, nil
	}
	c.mu.Lock()
	complete := c.complete
	c.mu.Unlock()
	select {
	case <-complete:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var lines bytes.Buffer
	for _, x := range c.candidates {
		fmt.Fprintf(&lines, "a=%s\r\n", strings.TrimPrefix(x.Text, "a="))
	}
	lines.WriteString("a=end-of-candidates\r\n")
	return insert(text, lines.String()), nil
}

// again forgets our candidates: others follow after a restart.
func (c *client) anew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.candidates, c.complete = nil, make(chan struct{})
}
