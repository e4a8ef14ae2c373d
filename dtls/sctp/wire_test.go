package sctp

import (
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"bifrons/rtp/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// wire is one end of a connection that keeps records apart, as DTLS does, takes
// 10 ms for each and may lose some.
type wire struct {
	peer  *wire
	lose  func() bool         // under the lock; may be nil
	watch func(record []byte) // sees what is written; may be nil

	mu      sync.Mutex
	arrived sync.Cond
	queue   [][]byte
	expired bool
	closed  bool
}

func newWires(lose func() bool) (*wire, *wire) {
	a, b := &wire{lose: lose}, &wire{lose: lose}
	a.peer, b.peer = b, a
	a.arrived.L, b.arrived.L = &a.mu, &b.mu
	return a, b
}

var losing sync.Mutex

func (w *wire) lost() bool {
	losing.Lock()
	defer losing.Unlock()
	return w.lose != nil && w.lose()
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	closed := w.closed
	w.mu.Unlock()
	if closed {
		return 0, net.ErrClosed
	}
	if w.watch != nil {
		w.watch(b)
	}
	record := append([]byte(nil), b...)
	if !w.lost() {
		time.AfterFunc(10*time.Millisecond, func() { w.peer.arrive(record) })
	}
	return len(b), nil
}

func (w *wire) arrive(record []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed && len(w.queue) < 1000 {
		w.queue = append(w.queue, record)
		w.arrived.Broadcast()
	}
}

func (w *wire) Read(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) == 0 && !w.closed && !w.expired {
		w.arrived.Wait()
	}
	switch {
	case w.closed:
		return 0, net.ErrClosed
	case w.expired:
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(b, w.queue[0])
	w.queue = w.queue[1:]
	return n, nil
}

// unread is how many records nobody has read.
func (w *wire) unread() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue)
}

func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.arrived.Broadcast()
	return nil
}

func (w *wire) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expired = !t.IsZero() && !t.After(time.Now())
	w.arrived.Broadcast()
	return nil
}

func (w *wire) SetWriteDeadline(time.Time) error { return nil }
func (w *wire) SetDeadline(t time.Time) error    { return w.SetReadDeadline(t) }
func (w *wire) LocalAddr() net.Addr              { return nil }
func (w *wire) RemoteAddr() net.Addr             { return nil }
