package client

import (
	"context"
	"fmt"
)

// Handle is one handle of a plugin.
type Handle struct {
	client *Client
	id     uint64
	more   chan struct{} // an event has come

	// Held under the client's lock.
	events []*Message
	deaf   bool
}

// ID is the id that the server gave it.
func (h *Handle) ID() uint64 { return h.id }

// Send sends a request about the handle, and does not wait for the reply.
func (h *Handle) Send(ctx context.Context, m Object) (*Pending, error) {
	p := new(Pending)
	return p, h.client.send(ctx, h.client.Session(), h.id, m, p)
}

// Request sends a request about the handle, and waits for the first reply.
func (h *Handle) Request(ctx context.Context, m Object) (*Message, error) {
	return h.client.ask(ctx, h.client.Session(), h.id, m, new(Pending))
}

func message(body, jsep Object) Object {
	m := Object{"janus": "message", "body": body}
	if jsep != nil {
		m["jsep"] = jsep
	}
	return m
}

// Message sends the plugin a message, with a description unless that is nil, and waits
// for the first reply: an ack, if the plugin answers by an event.
func (h *Handle) Message(ctx context.Context, body, jsep Object) (*Message, error) {
	return h.Request(ctx, message(body, jsep))
}

// Ask is Message, but waits for the plugin's answer. A refusal of the core or the plugin
// is an error.
func (h *Handle) Ask(ctx context.Context, body, jsep Object) (*Message, error) {
	m, err := granted(h.client.ask(ctx, h.client.Session(), h.id, message(body, jsep), &Pending{last: true}))
	if err != nil {
		err = fmt.Errorf("%v: %w", body["request"], err)
	}
	return m, err
}

// Detach ends the handle.
func (h *Handle) Detach(ctx context.Context) error {
	_, err := granted(h.Request(ctx, Object{"janus": "detach"}))
	if err == nil {
		c := h.client
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.handles, h.id)
	}
	return err
}

// Ignore drops the events of the handle, those to come, too.
func (h *Handle) Ignore() {
	h.client.mu.Lock()
	defer h.client.mu.Unlock()
	h.deaf, h.events = true, nil
}

// signal wakes whoever waits for events. The client's lock is held.
func (h *Handle) signal() {
	select {
	case h.more <- struct{}{}:
	default:
	}
}

// Events takes the events that have come and were not read.
func (h *Handle) Events() []*Message {
	h.client.mu.Lock()
	defer h.client.mu.Unlock()
	list := h.events
	h.events = nil
	return list
}

// first takes the oldest event, nil if there is none, and says why none will come.
func (h *Handle) first() (*Message, error) {
	c := h.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(h.events) == 0 {
		return nil, c.failed
	}
	m := h.events[0]
	if h.events = h.events[1:]; len(h.events) > 0 {
		h.signal()
	}
	return m, nil
}

// Next waits for an event and takes it.
func (h *Handle) Next(ctx context.Context) (*Message, error) {
	for {
		m, err := h.first()
		if m != nil || err != nil {
			return m, err
		}
		select {
		case <-h.more:
		case <-h.client.over:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Await takes events until one is as wanted, and returns that.
func (h *Handle) Await(ctx context.Context, wanted func(*Message) bool) (*Message, error) {
	for {
		m, err := h.Next(ctx)
		if err != nil || wanted(m) {
			return m, err
		}
	}
}
