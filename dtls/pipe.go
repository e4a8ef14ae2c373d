package dtls

import (
	"net"
	"os"
	"sync"
	"time"
)

const (
	pipeLimit  = 64   // datagrams
	usualSize  = 1600 // bytes; buffers of this size are pooled
	packetSize = 8192 // the largest datagram pion/dtls reads
)

var buffers = sync.Pool{New: func() any { return new([usualSize]byte) }}

// datagram is one queued datagram. buf is set if b lies in a pooled buffer.
type datagram struct {
	b   []byte
	buf *[usualSize]byte
}

func newDatagram(b []byte) datagram {
	if len(b) > usualSize {
		return datagram{b: append([]byte(nil), b...)}
	}
	buf := buffers.Get().(*[usualSize]byte)
	return datagram{b: buf[:copy(buf[:], b)], buf: buf}
}

func (d datagram) release() {
	if d.buf != nil {
		buffers.Put(d.buf)
	}
}

// pipe leads between the endpoint and pion/dtls: a bounded queue inwards, a
// callback outwards.
type pipe struct {
	send    func([]byte)
	onClose func() // called once, by the first Close
	sending sync.Mutex

	mu        sync.Mutex
	arrived   sync.Cond
	queue     *[pipeLimit]datagram // nil while there is no traffic
	head, len int
	closed    bool
}

func newPipe(send func([]byte), onClose func()) *pipe {
	p := &pipe{send: send, onClose: onClose}
	p.arrived.L = &p.mu
	return p
}

// push copies b into the queue. It never waits; false means full or closed.
func (p *pipe) push(b []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.len == pipeLimit {
		return false
	}
	if p.queue == nil {
		p.queue = new([pipeLimit]datagram)
	}
	p.queue[(p.head+p.len)%pipeLimit] = newDatagram(b)
	p.len++
	p.arrived.Signal()
	return true
}

func (p *pipe) pop() datagram {
	d := p.queue[p.head]
	p.queue[p.head] = datagram{}
	p.head = (p.head + 1) % pipeLimit
	p.len--
	return d
}

func (p *pipe) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

func (p *pipe) isEmpty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.len == 0
}

// write hands b to the callback.
func (p *pipe) write(b []byte) error {
	p.sending.Lock()
	defer p.sending.Unlock()
	if p.isClosed() {
		return net.ErrClosed
	}
	p.send(b)
	return nil
}

// Close ends reads and writes and empties the queue.
func (p *pipe) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	for p.len > 0 {
		p.pop().release()
	}
	p.arrived.Broadcast()
	p.mu.Unlock()
	p.onClose()
	return nil
}

// drained returns when the closed pipe's last call of send has returned.
func (p *pipe) drained() {
	p.sending.Lock()
	defer p.sending.Unlock()
}

// pipeEnd is the net.PacketConn of one connection of pion/dtls. A pipe has one
// end at a time. Its fields are guarded by the pipe's lock.
type pipeEnd struct {
	*pipe
	waiting   bool   // a read waits
	cancelled bool   // a read deadline has been set
	held      bool   // reads wait although there is something
	detached  bool   // the pipe is no longer this end's
	alert     []byte // the last one written since then
	over      bool   // closed since then
}

// release lets reads continue.
func (e *pipeEnd) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held = false
	e.arrived.Broadcast()
}

// farewell is the alert that was written after detach.
func (e *pipeEnd) farewell() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.alert
}

// detach takes the pipe away from its end, unless that has something to read or
// is at work on data it read. Of later writes to the end, alerts
// are kept; a flight that is repeated late is not.
func (e *pipeEnd) detach() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.detached = !e.closed && e.waiting && e.len == 0; e.detached {
		e.queue = nil
	}
	return e.detached
}

// ReadFrom waits for the next datagram.
func (e *pipeEnd) ReadFrom(b []byte) (int, net.Addr, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		switch {
		case e.closed, e.over:
			return 0, nil, net.ErrClosed
		case e.cancelled:
			return 0, nil, os.ErrDeadlineExceeded
		case e.len > 0 && !e.detached && !e.held:
			d := e.pop()
			n := copy(b, d.b)
			d.release()
			return n, peerAddr{}, nil
		}
		e.waiting = true
		e.arrived.Wait()
		e.waiting = false
	}
}

// WriteTo sends b.
func (e *pipeEnd) WriteTo(b []byte, _ net.Addr) (int, error) {
	e.mu.Lock()
	if e.detached {
		if len(b) > 0 && b[0] == alertRecord {
			e.alert = append(e.alert[:0], b...)
		}
		e.mu.Unlock()
		return len(b), nil
	}
	e.mu.Unlock()
	return len(b), e.write(b)
}

// Close closes the pipe, if it is still this end's.
func (e *pipeEnd) Close() error {
	e.mu.Lock()
	if e.detached {
		e.over = true
		e.arrived.Broadcast()
		e.mu.Unlock()
		return nil
	}
	e.mu.Unlock()
	return e.pipe.Close()
}

// SetReadDeadline serves the one use pion/dtls has for it: a deadline in the
// past interrupts a read, the zero time takes that back. Other deadlines count
// as past.
func (e *pipeEnd) SetReadDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cancelled = !t.IsZero()
	e.arrived.Broadcast()
	return nil
}

// SetWriteDeadline does nothing: writes do not wait.
func (e *pipeEnd) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline is SetReadDeadline.
func (e *pipeEnd) SetDeadline(t time.Time) error { return e.SetReadDeadline(t) }

// LocalAddr is the same as that of the peer: the endpoint knows no addresses.
func (e *pipeEnd) LocalAddr() net.Addr { return peerAddr{} }

// peerAddr stands for whatever path ICE has chosen.
type peerAddr struct{}

func (peerAddr) Network() string { return "ice" }
func (peerAddr) String() string  { return "ice" }
