package pfunix

import (
	"errors"
	"sync"
	"syscall"

	"bifrons/api/janus"
	"bifrons/api/task"
	"bifrons/api/transport"
)

// Limits of the data queued for one client. Above pauseAt the requests
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
	tasks *task.Tasks
	lossy bool // the excess is lost, and nobody is cut off

	queues *transport.Account
	layout func(msg []byte) []byte

	mu      sync.Mutex
	queue   *transport.Queue // nil while there is nothing
	writing bool
	ending  bool          // cut when all is written
	ended   bool          // nothing is taken any more
	room    chan struct{} // closed when the queue got shorter, nil if nobody waits
}

// send queues an answer.
func (o *outbox) send(msg []byte) { o.put(janus.Event{Head: msg}) }

// put queues a packet.
func (o *outbox) put(e janus.Event) {
	if !o.push(e) && !o.lossy {
		o.stop()
	}
	o.queues.Relieve()
}

// push is put; false if there is too much.
func (o *outbox) push(e janus.Event) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended || o.ending {
		return true // and lost
	}
	if n := o.len(); n >= maxMessages || n > 0 && o.queue.Bytes()+e.Len() > maxBytes {
		return false
	}
	if o.queue == nil {
		o.queue = transport.NewQueue(o.queues, o.shed)
	}
	o.queue.Push(e)
	o.wake()
	return true
}

// len is how much waits. o.mu is held.
func (o *outbox) len() int {
	if o.queue == nil {
		return 0
	}
	return o.queue.Len()
}

// shed drops everything queued, as all clients together have too much.
func (o *outbox) shed() {
	if !o.lossy {
		o.stop()
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop()
}

// drop loses all that waits. o.mu is held.
func (o *outbox) drop() {
	if o.queue != nil {
		o.queue.Close()
		o.queue = nil
	}
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
		e, ok := o.next()
		if !ok {
			return
		}
		msg := o.layout(e.Bytes())
		switch err := o.write(msg); {
		case err == nil:
		case isTooLarge(err):
			o.large(len(msg))
		default:
			o.stop()
		}
	}
}

// next removes the packet that was written before, and returns the next one.
func (o *outbox) next() (e janus.Event, ok bool) {
	o.mu.Lock()
	if o.queue != nil {
		o.queue.Done()
	}
	if o.room != nil && o.len() < pauseAt {
		close(o.room)
		o.room = nil
	}
	if o.len() == 0 || o.ended {
		o.drop()
		o.writing = false
		last := o.ending && !o.ended
		o.mu.Unlock()
		if last {
			o.stop()
		}
		return e, false
	}
	defer o.mu.Unlock()
	return o.queue.Begin()
}

// waitForRoom holds requests back while the client does not read the replies;
// false when it was cut off.
func (o *outbox) waitForRoom() bool {
	for {
		o.mu.Lock()
		if o.ended || o.len() < pauseAt {
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

// isTooLarge reports whether the kernel does not take a packet of this size.
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
	o.ended = true
	o.drop()
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	o.mu.Unlock()
	if !over {
		o.cut()
	}
}
