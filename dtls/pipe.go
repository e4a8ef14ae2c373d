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

// pipe is the net.PacketConn under pion/dtls: a bounded queue inwards, a
// callback outwards.
type pipe struct {
	send    func([]byte)
	onClose func() // called once, by the first Close
	sending sync.Mutex

	mu        sync.Mutex
	arrived   sync.Cond
	queue     [pipeLimit]datagram
	head, len int
	cancelled bool // a read deadline has been set
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
	p.queue[(p.head+p.len)%pipeLimit] = newDatagram(b)
	p.len++
	p.arrived.Signal()
	return true
}

// ReadFrom waits for the next datagram.
func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.closed:
			return 0, nil, net.ErrClosed
		case p.cancelled:
			return 0, nil, os.ErrDeadlineExceeded
		case p.len > 0:
			d := p.pop()
			n := copy(b, d.b)
			d.release()
			return n, peerAddr{}, nil
		}
		p.arrived.Wait()
	}
}

func (p *pipe) pop() datagram {
	d := p.queue[p.head]
	p.queue[p.head] = datagram{}
	p.head = (p.head + 1) % pipeLimit
	p.len--
	return d
}

// WriteTo hands b to the callback.
func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	p.sending.Lock()
	defer p.sending.Unlock()
	if p.isClosed() {
		return 0, net.ErrClosed
	}
	p.send(b)
	return len(b), nil
}

func (p *pipe) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
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

// SetReadDeadline serves the one use pion/dtls has for it: a deadline in the
// past interrupts a read, the zero time takes that back. Other deadlines count
// as past.
func (p *pipe) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancelled = !t.IsZero()
	p.arrived.Broadcast()
	return nil
}

// SetWriteDeadline does nothing: writes do not wait.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline is SetReadDeadline.
func (p *pipe) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// LocalAddr is the same as that of the peer: the endpoint knows no addresses.
func (p *pipe) LocalAddr() net.Addr { return peerAddr{} }

// peerAddr stands for whatever path ICE has chosen.
type peerAddr struct{}

func (peerAddr) Network() string { return "ice" }
func (peerAddr) String() string  { return "ice" }
