// Package link is the queue between a loop, which must not wait, and the
// goroutine that writes its datagrams to a slower way than its own socket.
package link

import (
	"encoding/binary"
	"net/netip"
	"sync"
)

// Batch is datagrams that wait to be written.
type Batch struct {
	// Framed are the datagrams behind each other, each after its length in 2
	// bytes (RFC 4571).
	Framed []byte
	// To are their destinations, in order.
	To []netip.AddrPort
}

// Next cuts the first datagram off. It returns nil when there is none left.
func (b *Batch) Next() (to netip.AddrPort, datagram []byte) {
	if len(b.To) == 0 {
		return netip.AddrPort{}, nil
	}
	n := int(binary.BigEndian.Uint16(b.Framed))
	to, datagram = b.To[0], b.Framed[2:2+n:2+n]
	b.To, b.Framed = b.To[1:], b.Framed[2+n:]
	return to, datagram
}

// Outbox is a bounded queue of datagrams, for one writer.
type Outbox struct {
	limit int
	ready chan struct{} // holds a token while there is something to do

	mu     sync.Mutex
	queue  Batch
	spare  Batch // the previous one of the writer
	closed bool
}

// NewOutbox makes an Outbox for up to limit bytes.
func NewOutbox(limit int) *Outbox {
	return &Outbox{limit: limit, ready: make(chan struct{}, 1)}
}

// Put queues a copy of b. It reports false if there is no room, or if the
// Outbox is closed. It never waits.
func (o *Outbox) Put(to netip.AddrPort, b []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(b) > 0xFFFF || len(o.queue.Framed)+2+len(b) > o.limit {
		return false
	}
	o.queue.Framed = binary.BigEndian.AppendUint16(o.queue.Framed, uint16(len(b)))
	o.queue.Framed = append(o.queue.Framed, b...)
	o.queue.To = append(o.queue.To, to)
	o.wake()
	return true
}

// Take waits for datagrams and returns all that are queued, lent until the next
// call. It returns false when the Outbox is closed and empty.
func (o *Outbox) Take() (Batch, bool) {
	for range o.ready {
		o.mu.Lock()
		b, closed := o.queue, o.closed
		if len(b.To) > 0 {
			o.queue = Batch{o.spare.Framed[:0], o.spare.To[:0]}
			o.spare = b
			if closed {
				o.wake()
			}
			o.mu.Unlock()
			return b, true
		}
		o.mu.Unlock()
		if closed {
			o.wake()
			break
		}
	}
	return Batch{}, false
}

// Close ends the queue; its datagrams can still be taken.
func (o *Outbox) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.wake()
}

func (o *Outbox) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}
