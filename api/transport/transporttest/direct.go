package transporttest

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"bifrons/api/client"
	"bifrons/api/janus"
)

// direct is a connection to a core without anything in between.
type direct struct {
	core *janus.Core

	mu     sync.Mutex
	list   [][]byte
	more   chan struct{} // capacity 1
	closed chan struct{}
	once   sync.Once
}

var (
	_ janus.Conn  = (*direct)(nil)
	_ client.Conn = (*direct)(nil)
)

// Direct is a client of the core itself.
func (l *Lab) Direct() *client.Client {
	l.T.Helper()
	return l.Dial(&direct{core: l.Core, more: make(chan struct{}, 1), closed: make(chan struct{})}, nil)
}

func (d *direct) Transport() string               { return "janus.transport.direct" }
func (d *direct) ID() string                      { return "1" }
func (d *direct) SessionBound(uint64)             {}
func (d *direct) SessionOver(uint64, janus.Over)  {}
func (d *direct) Deliver(_ uint64, e janus.Event) { d.put(e.Bytes()) }

func (d *direct) put(text []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, text)
	select {
	case d.more <- struct{}{}:
	default:
	}
}

func (d *direct) take() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == 0 {
		return nil
	}
	text := d.list[0]
	d.list = d.list[1:]
	return text
}

func (d *direct) Send(_ context.Context, session, handle uint64, m client.Object) error {
	if session != 0 {
		m["session_id"] = session
	}
	if handle != 0 {
		m["handle_id"] = handle
	}
	text, err := json.Marshal(m)
	if err == nil {
		d.core.Handle(d, janus.Request{Body: text}, d.put)
	}
	return err
}

func (d *direct) Receive() ([]byte, error) {
	for {
		if text := d.take(); text != nil {
			return text, nil
		}
		select {
		case <-d.more:
		case <-d.closed:
			return nil, errors.New("closed")
		}
	}
}

func (d *direct) Close(bool) error {
	d.once.Do(func() {
		close(d.closed)
		d.core.Gone(d)
	})
	return nil
}
