package transport

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"bifrons/api/janus"
)

// Limits of the messages that wait while nobody takes them. The oldest makes room.
const (
	relayMessages = 32768
	relayBytes    = 32 << 20
)

// Requests are not taken while so much waits to be sent.
const (
	relayPauseMessages = 1024
	relayPauseBytes    = 4 << 20
)

// recentRequests is how many requests are remembered, to recognise repeated ones.
const recentRequests = 1024

// Core is the part of the core that a Relay uses; janus.Core implements it.
type Core interface {
	Handle(conn janus.Conn, r janus.Request, reply func(msg []byte))
}

// RelayConfig sets up a Relay.
type RelayConfig struct {
	Package string // of the transport
	ID      string // of the connection, in events for event handlers
	Queues  *Account
	Log     *slog.Logger
}

// Relay is the one connection of a transport by a broker: all sessions share it, and it is
// never gone, however often the clients behind it come and go. Messages wait in a
// bounded queue.
type Relay struct {
	cfg  RelayConfig
	core Core
	seed maphash.Seed

	recent map[uint64]struct{} // sums of the last requests; for one goroutine
	order  []uint64            // those, the oldest first

	mu       sync.Mutex
	queue    *Queue
	limit    int // of messages
	finished bool
	filled   chan struct{} // capacity 1: there is something to send, or it is finished
	room     chan struct{} // closed when the queue got shorter, nil if nobody waits
	dropped  int           // since the last warning
	told     time.Time
}

var _ janus.Conn = (*Relay)(nil)

// NewRelay makes a Relay.
func NewRelay(cfg RelayConfig, core Core) *Relay {
	r := &Relay{cfg: cfg, core: core, limit: relayMessages, seed: maphash.MakeSeed(), recent: make(map[uint64]struct{}), filled: make(chan struct{}, 1)}
	r.queue = NewQueue(cfg.Queues, r.shed)
	return r
}

// Transport names the transport.
func (r *Relay) Transport() string { return r.cfg.Package }

// ID is that of the connection.
func (r *Relay) ID() string { return r.cfg.ID }

// Deliver sends an event.
func (r *Relay) Deliver(_ uint64, event janus.Event) { r.put(event) }

// SessionBound needs nothing: all sessions are here.
func (r *Relay) SessionBound(uint64) {}

// SessionOver needs nothing.
func (r *Relay) SessionOver(uint64, janus.Over) {}

// Ready waits until a request may be taken; false if ctx is over before.
func (r *Relay) Ready(ctx context.Context) bool {
	for {
		r.mu.Lock()
		if r.finished || r.queue.Len() < relayPauseMessages && r.queue.Bytes() < relayPauseBytes {
			defer r.mu.Unlock()
			return !r.finished && ctx.Err() == nil
		}
		if r.room == nil {
			r.room = make(chan struct{})
		}
		room := r.room
		r.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return false
		}
	}
}

// Handle takes a request, by one goroutine at a time; body is lent until it returns. One that
// may come for the second time (again) is taken if it has not been, as far as is remembered.
// The answer is an Event with that To.
func (r *Relay) Handle(admin bool, body []byte, again bool, to func() any) {
	if !r.remember(body) && again {
		r.cfg.Log.Debug("a request has come again", "transport", r.cfg.Package)
		return
	}
	r.core.Handle(r, janus.Request{Admin: admin, Body: body}, func(msg []byte) { r.put(janus.Event{Head: msg, To: to()}) })
}

// remember notes a request; false if it is known.
func (r *Relay) remember(body []byte) bool {
	sum := maphash.Bytes(r.seed, body)
	if _, known := r.recent[sum]; known {
		return false
	}
	if len(r.order) == recentRequests {
		delete(r.recent, r.order[0])
		r.order = r.order[1:]
	}
	r.recent[sum] = struct{}{}
	r.order = append(r.order, sum)
	return true
}

func (r *Relay) put(e janus.Event) {
	r.push(e)
	r.cfg.Queues.Relieve()
}

func (r *Relay) push(e janus.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished {
		return
	}
	r.queue.Push(e)
	r.trim()
	r.signal()
}

// trim drops the excess, though not all. r.mu is held.
func (r *Relay) trim() {
	for n := r.queue.Len(); n > r.limit || n > 1 && r.queue.Bytes() > relayBytes; n-- {
		r.drop(1)
	}
}

// Limit changes how many messages may wait; 0 = the usual number.
func (r *Relay) Limit(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limit = n; n <= 0 || n > relayMessages {
		r.limit = relayMessages
	}
	r.trim()
}

// shed loses the older half, as all clients together have too much.
func (r *Relay) shed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop((r.queue.Len() + 1) / 2)
}

// drop loses the oldest, and says so now and then. r.mu is held.
func (r *Relay) drop(n int) {
	r.queue.Drop(n)
	r.dropped += n
	if now := time.Now(); r.told.IsZero() || now.Sub(r.told) >= warnPeriod {
		r.cfg.Log.Warn("too much waits to be sent, the oldest is lost", "transport", r.cfg.Package, "messages", r.dropped)
		r.told, r.dropped = now, 0
	}
}

// signal wakes whoever waits in Next. r.mu is held.
func (r *Relay) signal() {
	select {
	case r.filled <- struct{}{}:
	default:
	}
}

// Next waits for the next message to send, and takes it; false if ctx is over before, or if
// there will never be anything again.
func (r *Relay) Next(ctx context.Context) (e janus.Event, ok bool) {
	for ctx.Err() == nil {
		e, ok, over := r.take()
		if ok || over {
			return e, ok
		}
		select {
		case <-r.filled:
		case <-ctx.Done():
		}
	}
	return e, false
}

func (r *Relay) take() (e janus.Event, ok, over bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.queue.Take(1)
	if len(list) == 0 {
		return e, false, r.finished
	}
	if r.room != nil && r.queue.Len() < relayPauseMessages && r.queue.Bytes() < relayPauseBytes {
		close(r.room)
		r.room = nil
	}
	return list[0], true, false
}

// Finish ends it: no more requests are taken and nothing is queued any more. Waiting messages can
// still be sent.
func (r *Relay) Finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = true
	if r.room != nil {
		close(r.room)
		r.room = nil
	}
	r.signal()
}

// Close drops the waiting messages. Nobody may be in Next.
func (r *Relay) Close() {
	r.Finish()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue.Close()
}
