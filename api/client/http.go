package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// HTTPOptions are settings of HTTP. The zero value makes requests only.
type HTTPOptions struct {
	Client *http.Client // nil = one of its own

	// Poll is how many events the answer to a long poll may have, 0 = never polls. If
	// not, whatever the server sends by itself is lost, and the session lives as long as
	// the server keeps one that nobody asks about.
	Poll int
}

type httpConn struct {
	base   string
	opt    HTTPOptions
	client *http.Client
	in     chan []byte
	failed chan error // of the poll
	ctx    context.Context
	stop   context.CancelFunc

	mu      sync.Mutex
	closed  bool
	polled  uint64 // the session
	running sync.WaitGroup
}

// HTTP makes requests of a URL, such as "http://host:8088/janus". The answers to long
// polls of the first session that it is asked about are messages, too.
func HTTP(base string, o HTTPOptions) Conn {
	c := &httpConn{base: base, opt: o, client: o.Client, in: make(chan []byte), failed: make(chan error, 1)}
	if c.client == nil {
		c.client = &http.Client{Transport: new(http.Transport)}
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

func (c *httpConn) path(session, handle uint64) string {
	switch {
	case session == 0:
		return c.base
	case handle == 0:
		return fmt.Sprintf("%s/%d", c.base, session)
	}
	return fmt.Sprintf("%s/%d/%d", c.base, session, handle)
}

// Send returns when the reply is there to be received.
func (c *httpConn) Send(ctx context.Context, session, handle uint64, m Object) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	body, _, err := c.do(ctx, http.MethodPost, c.path(session, handle), bytes.NewReader(text))
	if err != nil {
		return err
	}
	if err := c.deliver(ctx, body); err != nil {
		return err
	}
	if session != 0 && c.opt.Poll > 0 {
		c.poll(session)
	}
	return nil
}

func (c *httpConn) do(ctx context.Context, method, url string, body io.Reader) (text []byte, status int, err error) {
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, 0, err
	}
	resp, err := c.client.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err = b.ReadFrom(io.LimitReader(resp.Body, most)); err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return b.Bytes(), resp.StatusCode, err
}

func (c *httpConn) deliver(ctx context.Context, text []byte) error {
	select {
	case c.in <- text:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// poll starts polling for the first session.
func (c *httpConn) poll(session uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.polled != 0 {
		return
	}
	c.polled = session
	c.running.Go(func() {
		url := fmt.Sprintf("%s?maxev=%d", c.path(session, 0), c.opt.Poll)
		for {
			text, status, err := c.do(c.ctx, http.MethodGet, url, nil)
			if status == http.StatusNotFound { // the session is over
				return
			}
			var list []json.RawMessage
			if err == nil && bytes.HasPrefix(text, []byte("[")) {
				err = json.Unmarshal(text, &list)
			} else {
				list = []json.RawMessage{text}
			}
			if err != nil {
				c.failed <- err
				return
			}
			for _, m := range list {
				if c.deliver(c.ctx, m) != nil {
					return
				}
			}
		}
	})
}

func (c *httpConn) Receive() ([]byte, error) {
	select {
	case text := <-c.in:
		return text, nil
	case err := <-c.failed:
		return nil, err
	case <-c.ctx.Done():
		return nil, c.ctx.Err()
	}
}

func (c *httpConn) Close(bool) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.running.Wait()
	c.client.CloseIdleConnections()
	return nil
}
