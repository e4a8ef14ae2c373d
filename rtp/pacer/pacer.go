// Package pacer says when the packets of video leave where the line to a peer is near its
// limit: those of a frame spread over a short while, so that they fill no queue at once.
// It holds no packets, only their numbers, and neither reads a clock nor allocates after its
// first use.
package pacer

import (
	"time"

	"bifrons/rtp/mono"
)

const (
	// Spread is over how long a frame leaves at most.
	Spread = 30 * time.Millisecond
	// Burst is how much may leave at once, in time at the pacing rate.
	Burst = 5 * time.Millisecond
	// size is how many packets can wait; it must be a power of two.
	size = 256
)

// Item is a packet that waits.
type Item struct {
	Seq    uint32
	Stream uint16 // of the packet; numbers of streams are the caller's
	Bytes  uint16
}

// Pacer spreads the packets of one transport. The zero Pacer is ready for use, by one
// goroutine.
type Pacer struct {
	ring    *[size]Item
	head, n int
	bytes   int       // that wait
	least   uint64    // bit/s at which these leave in time
	next    mono.Time // when the next packet may leave
}

// Waiting is how many packets wait.
func (p *Pacer) Waiting() int { return p.n }

// Pass reports whether a packet may leave now, at so many bit/s, and counts it if so. It may
// not while others wait.
func (p *Pacer) Pass(now mono.Time, bytes int, rate uint64) bool {
	if p.n > 0 || now < p.next {
		return false
	}
	p.leave(now, bytes, rate)
	return true
}

// Put has a packet wait. It returns false if there is no room for it: then it should leave.
func (p *Pacer) Put(it Item) bool {
	if p.n == size {
		return false
	}
	if p.ring == nil {
		p.ring = new([size]Item)
	}
	p.ring[(p.head+p.n)&(size-1)] = it
	p.n++
	p.bytes += int(it.Bytes)
	p.least = max(p.least, uint64(float64(p.bytes)*8/Spread.Seconds()))
	return true
}

// Take returns a packet whose turn it is, at so many bit/s or faster if that took too long.
func (p *Pacer) Take(now mono.Time, rate uint64) (Item, bool) {
	if p.n == 0 || now < p.next {
		return Item{}, false
	}
	it := p.ring[p.head]
	p.head = (p.head + 1) & (size - 1)
	p.n--
	p.bytes -= int(it.Bytes)
	p.leave(now, int(it.Bytes), max(rate, p.least))
	if p.n == 0 {
		p.least = 0
	}
	return it, true
}

// Spend counts a packet that leaves now for another reason, at so many bit/s.
func (p *Pacer) Spend(now mono.Time, bytes int, rate uint64) { p.leave(now, bytes, rate) }

func (p *Pacer) leave(now mono.Time, bytes int, rate uint64) {
	p.next = max(p.next, now.Add(-Burst)).Add(time.Duration(float64(bytes) * 8e9 / float64(max(rate, 1))))
}

// Next is when the next packet may leave, whether there is one or not.
func (p *Pacer) Next() mono.Time { return p.next }
