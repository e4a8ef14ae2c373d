package bwe

import (
	"time"

	"bifrons/rtp/mono"
)

// Sizes of the history, which must be powers of two: 2048 packets are 4 s of 5 Mbit/s. It
// grows until it covers historyTime, in which feedback has come.
const (
	historyLeast = 256
	historyMost  = 2048
	historyTime  = 1500 * time.Millisecond
)

// forgetAfter is how long nothing may be sent before everything is forgotten, well
// before the 32 bits of a record's time come round.
const forgetAfter = time.Minute

// Class is the purpose of a packet.
type Class uint8

// Classes of packets.
const (
	Audio Class = iota
	Video
	Retransmission
	Padding    // sent for a probe alone, old payload included
	NumClasses = int(iota)
)

// Sent is one packet that left.
type Sent struct {
	Number  uint64 // transport-wide, unwrapped, from 1 on, each greater than the one before
	Size    int    // bytes on the wire; 65535 at most count
	Class   Class
	Cluster uint8 // probe cluster that it belongs to, 1 to 15, 0 for none
}

// States of a packet.
const (
	unknown = iota // never sent, or forgotten
	inFlight
	reportedLost
	reportedReceived
)

// record is one packet of the history, in 8 bytes.
type record struct {
	at    uint32 // microseconds modulo 2^32
	size  uint16
	state uint8 // and the class and the cluster, above
	own   uint8 // wait of its own making, in units of ownTick
}

const (
	stateBits = 2
	classBits = 2
	ownTick   = time.Millisecond
	ownMost   = 200 * time.Millisecond // that is believed
)

func (r *record) is() uint8 { return r.state & (1<<stateBits - 1) }

func (r *record) set(state uint8) { r.state = r.state&^(1<<stateBits-1) | state }

// history has the packets sent. Feedback finds each once.
type history struct {
	last     uint64 // highest number sent, 0 before the first
	lastAt   mono.Time
	reported uint64 // highest number that feedback has reported
	flying   int    // bytes sent after that
	backlog  backlog
	ring     []record // of the last numbers
}

// backlog is the queue that a line would have that carries the estimate and nothing else. A packet that
// waits for it waits for our own burst, as for a key frame, which is no sign of a line that is
// slower.
type backlog struct {
	wait    time.Duration // of the next packet, if it came with the last one
	perByte float64       // ns
}

// carry sets the rate of the line, in bit/s.
func (b *backlog) carry(rate float64) { b.perByte = 8e9 / rate }

// add takes a packet some time after the one before, and returns its wait.
func (b *backlog) add(since time.Duration, size int) time.Duration {
	b.wait = max(0, b.wait-since)
	if b.wait > ownMost { // it is no burst any more
		return ownMost
	}
	wait := b.wait
	b.wait += time.Duration(float64(size) * b.perByte)
	return wait
}

func newHistory() history { return history{ring: make([]record, historyLeast)} }

// sent notes a packet. ok is false if its number does not follow.
func (h *history) sent(now mono.Time, s Sent) (ok bool) {
	if s.Number <= h.last {
		return false
	}
	if h.last != 0 && now.Sub(h.lastAt) > forgetAfter || s.Number-h.last > uint64(len(h.ring)) {
		clear(h.ring)
		h.reported, h.flying = s.Number-1, 0
	} else {
		for n := h.last + 1; n < s.Number; n++ {
			*h.slot(n) = record{}
		}
	}
	at, r := micros(now), h.slot(s.Number)
	if r.is() != unknown && len(h.ring) < historyMost && at-r.at < uint32(historyTime/time.Microsecond) {
		h.grow(s.Number)
		r = h.slot(s.Number)
	}
	if known := uint64(len(h.ring)); s.Number-h.reported > known { // overwritten packets are no longer in flight
		for n := h.reported + 1; n+known <= s.Number; n++ {
			h.pass(n)
		}
	}
	size := uint16(min(max(s.Size, 0), 1<<16-1))
	own := h.backlog.add(now.Sub(h.lastAt), int(size))
	*r = record{
		at: at, size: size, state: inFlight | uint8(s.Class)<<stateBits | s.Cluster<<(stateBits+classBits), own: uint8(own / ownTick),
	}
	h.last, h.lastAt = s.Number, now
	h.flying += int(size)
	return true
}

func (h *history) slot(n uint64) *record { return &h.ring[n&uint64(len(h.ring)-1)] }

// grow makes room for twice as many packets, the next of which has the number n.
func (h *history) grow(n uint64) {
	old := history{ring: h.ring}
	h.ring = make([]record, 2*len(old.ring))
	for range old.ring {
		n--
		*h.slot(n) = *old.slot(n)
	}
}

// waiting is how long a packet would wait now by the backlog.
func (h *history) waiting(now mono.Time) time.Duration { return h.backlog.wait - now.Sub(h.lastAt) }

// pass takes a number out of the packets in flight: everything up to it was reported, or will
// not be.
func (h *history) pass(n uint64) {
	if r := h.slot(n); r.is() != unknown {
		h.flying = max(0, h.flying-int(r.size))
	}
	h.reported = n
}

// verdict is the meaning of feedback on a packet.
type verdict uint8

const (
	newlyReceived verdict = iota
	newlyLost
	foundAgain // received after it was reported lost
	repeated
	tooOld
	neverSent
)

// packet is one packet in feedback.
type packet struct {
	sent    mono.Time
	size    int
	class   Class
	cluster uint8
	own     time.Duration // wait of its own making
}

// report notes the feedback about a packet.
func (h *history) report(now mono.Time, n uint64, received bool) (packet, verdict) {
	if n == 0 || n > h.last {
		return packet{}, neverSent
	}
	if n+uint64(len(h.ring)) <= h.last {
		return packet{}, tooOld
	}
	r := h.slot(n)
	if r.is() == unknown {
		return packet{}, neverSent
	}
	v := newlyReceived
	switch {
	case r.is() == reportedReceived, r.is() == reportedLost && !received:
		return packet{}, repeated
	case r.is() == reportedLost:
		v = foundAgain
	case !received:
		v = newlyLost
	}
	r.set(reportedLost)
	if received {
		r.set(reportedReceived)
	}
	for h.reported < n {
		h.pass(h.reported + 1)
	}
	return packet{
		sent: r.time(now), size: int(r.size), class: Class(r.state >> stateBits & (1<<classBits - 1)),
		cluster: r.state >> (stateBits + classBits), own: time.Duration(r.own) * ownTick,
	}, v
}

func micros(t mono.Time) uint32 { return uint32(int64(t) / int64(time.Microsecond)) }

// time returns when the packet was sent, to the microsecond.
func (r *record) time(now mono.Time) mono.Time {
	age := time.Duration(micros(now)-r.at) * time.Microsecond
	return now - now%mono.Time(time.Microsecond) - mono.Time(age)
}
