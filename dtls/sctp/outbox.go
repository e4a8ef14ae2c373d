package sctp

import (
	"sync/atomic"
	"time"
)

// Bounds on messages waiting to be sent.
const (
	// maxHeld is how much an association may hold of messages that have not arrived, in
	// bytes, the bookkeeping included.
	maxHeld = 1 << 20
	// minHeld is how much each may hold even if the others use up the budget.
	minHeld = 32 << 10

	// handWindow and handMessages are how many bytes and messages are given to SCTP
	// before earlier ones have arrived. There they need much more memory.
	handWindow   = 256 << 10
	handMessages = 512

	// messageCost is the memory for a message besides its bytes, and fragmentCost
	// that for each packet that SCTP makes of it.
	messageCost  = 96
	fragmentCost = 320

	// stallTime is how long a peer may acknowledge nothing before
	// the association is given up.
	stallTime = 30 * time.Second

	// refillTime is how often SCTP is given more while messages wait, and watchTime
	// how often it is looked whether the peer acknowledges.
	refillTime = 20 * time.Millisecond
	watchTime  = time.Second
)

// Budget bounds the outgoing messages of all associations together, in bytes.
type Budget struct {
	most int64
	held atomic.Int64
}

// NewBudget makes a Budget of some bytes.
func NewBudget(bytes int64) *Budget { return &Budget{most: bytes} }

// take adds n bytes; without force only if there is room for them.
func (b *Budget) take(n int, force bool) bool {
	if b == nil {
		return true
	}
	if held := b.held.Add(int64(n)); held > b.most && !force {
		b.held.Add(int64(-n))
		return false
	}
	return true
}

func (b *Budget) give(n int) {
	if b != nil {
		b.held.Add(int64(-n))
	}
}

// message is one to be sent.
type message struct {
	label, protocol string
	binary          bool
	payload         []byte
	shared          bool // the payload never changes
}

// cost is the memory that a message takes until it has arrived.
func (m *message) cost() int {
	return messageCost + len(m.label) + len(m.protocol) + len(m.payload) + fragmentCost*(1+len(m.payload)/mtu)
}

// outbox has the messages that have not arrived yet. Association.mu guards it.
type outbox struct {
	budget  *Budget
	held    int       // cost of all
	waiting []message // in the order of Send
	handed  []handed  // to SCTP, oldest first
	written uint64    // bytes that SCTP was given so far
	arrived uint64    // of those
	moved   time.Time // when arrived last grew, or handed began
	told    bool      // that everything has arrived
}

// handed is a message that was given to SCTP.
type handed struct {
	end  uint64 // of it, in written
	cost int
}

// reserve makes room for a message; false if there is none.
func (o *outbox) reserve(cost int) bool {
	if o.held+cost > maxHeld || !o.budget.take(cost, o.held+cost <= minHeld) {
		return false
	}
	o.held += cost
	return true
}

func (o *outbox) release(cost int) {
	o.held -= cost
	o.budget.give(cost)
}

// settle gives back the room of delivered data; buffered is the data that SCTP still has,
// in bytes.
func (o *outbox) settle(now time.Time, buffered int) {
	if arrived := o.written - min(uint64(buffered), o.written); arrived > o.arrived {
		o.arrived, o.moved = arrived, now
	}
	n := 0
	for ; n < len(o.handed) && o.handed[n].end <= o.arrived; n++ {
		o.release(o.handed[n].cost)
	}
	if o.handed = o.handed[n:]; len(o.handed) == 0 {
		o.handed = nil
	}
}

// room reports whether SCTP may be given more.
func (o *outbox) room() bool {
	return o.written-o.arrived < handWindow && len(o.handed) < handMessages
}

// hand notes a message that SCTP was given.
func (o *outbox) hand(now time.Time, cost int) {
	if len(o.handed) == 0 {
		o.moved = now
	}
	o.handed = append(o.handed, handed{o.written, cost})
}

// stalled reports whether the peer has not acknowledged anything for too long.
func (o *outbox) stalled(now time.Time) bool {
	return len(o.handed) > 0 && now.Sub(o.moved) >= stallTime
}

// next is when the outbox has to be looked at again, 0 = not until something
// happens.
func (o *outbox) next() time.Duration {
	switch {
	case len(o.handed) > 0 && len(o.waiting) > 0:
		return refillTime
	case len(o.handed) > 0:
		return watchTime
	}
	return 0
}

// pop takes the oldest message that waits.
func (o *outbox) pop() message {
	m := o.waiting[0]
	o.waiting[0] = message{}
	if o.waiting = o.waiting[1:]; len(o.waiting) == 0 {
		o.waiting = nil
	}
	return m
}

// clear forgets everything.
func (o *outbox) clear() {
	o.release(o.held)
	o.waiting, o.handed = nil, nil
}
