package pfunix

import (
	"errors"
	"sync"
	"syscall"

	"bifrons/api/plugin"
)

// Limits of what waits to be written to one client. Above pauseAt the requests
// of a connected client are not read any more; one that does not take its
// events either is cut off at the other two.
const (
	pauseAt     = 256
	maxMessages = 8192
	maxBytes    = 8 << 20
)

// outbox writes packets to one client in order, on a goroutine that exists
// only while there are any.
type outbox struct {
	write func(msg []byte) error // may block, but not for ever
	cut   func()                 // called once, when nothing can be written any more
	large func(size int)         // called for a packet that the kernel finds too large
	tasks *plugin.Tasks
	lossy bool // what is too much is lost, and nobody is cut off

	mu      sync.Mutex
	queue   [][]byte
	bytes   int
	writing bool
	ending  bool          // cut when all is written
	ended   bool          // nothing is taken any more
	room    chan struct{} // closed when the queue got shorter, nil if nobody waits
}

// send queues a packet, which the outbox then owns.
func (o *outbox) send(msg []byte) {
	o.mu.Lock()
	if o.ended || o.ending {
		o.mu.Unlock()
		return
	}
	if len(o.queue) >= maxMessages || o.bytes+len(msg) > maxBytes && len(o.queue) > 0 {
		o.mu.Unlock()
		if !o.lossy {
			o.stop()
		}
		return
	}
	o.queue = append(o.queue, msg)
	o.bytes += len(msg)
	o.wake()
	o.mu.Unlock()
}

// wake starts the writing goroutine. o.mu is held.
func (o *outbox) wake() {
	if !o.writing {
		o.writing = true
		o.tasks.Go(o.run)
	}
}

func (o *outbox) run() {
	for {
		msg, ok := o.next()
		if !ok {
			return
		}
		switch err := o.write(msg); {
		case err == nil:
		case isTooLarge(err):
			o.large(len(msg))
		default:
			o.stop()
		}
	}
}

func (o *outbox) next() ([]byte, bool) {
	o.mu.Lock()
	if len(o.queue) == 0 || o.ended {
		o.queue, o.writing = nil, false
		last := o.ending && !o.ended
		o.mu.Unlock()
		if last {
			o.stop()
		}
		return nil, false
	}
	msg := o.queue[0]
	o.queue[0] = nil
	o.queue = o.queue[1:]
	o.bytes -= len(msg)
	if o.room != nil && len(o.queue) < pauseAt {
		close(o.room)
		o.room = nil
	}
	o.mu.Unlock()
	return msg, true
}

// waitForRoom holds requests back while the client does not read the replies;
// false when it was cut off.
func (o *outbox) waitForRoom() bool {
	for {
		o.mu.Lock()
		if o.ended || len(o.queue) < pauseAt {
			defer o.mu.Unlock()
			return !o.ended
		}
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		<-room
	}
}

// isTooLarge tells that the kernel does not take a packet of this size.
func isTooLarge(err error) bool {
	return errors.Is(err, syscall.EMSGSIZE) || errors.Is(err, syscall.ENOBUFS)
}

// finish cuts the client off once everything is written.
func (o *outbox) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended {
		o.ending = true
		o.wake()
	}
}

// stop cuts the client off at once.
func (o *outbox) stop() {
	o.mu.Lock()
	over := o.ended
	o.ended, o.queue, o.bytes = true, nil, 0
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	o.mu.Unlock()
	if !over {
		o.cut()
	}
}
