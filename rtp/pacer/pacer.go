// Package pacer says when the packets of video leave where the line to a peer is near its
// limit: those of a frame spread over a short while, so that they fill no queue at once.
// Frames that are larger than the queue leave as fast as the rest of the line carries
// them, while others go on beside them. It holds no packets, only their numbers, and neither reads a
// clock nor allocates after its first use.
package pacer

import (
	"time"

	"bifrons/rtp/mono"
)

const (
	// Spread is over how long a frame leaves at most, unless it is large.
	Spread = 30 * time.Millisecond
	// Burst is how much may leave at once, in time at the pacing rate.
	Burst = 5 * time.Millisecond
	// LargeBurst is the same for large frames, in time at the line's rate, and LargeSpread how
	// long these take at most.
	LargeBurst  = 100 * time.Millisecond
	LargeSpread = 3 * time.Second
	// largeDebt is how long such wait at most for what others have sent.
	largeDebt = 500 * time.Millisecond
	// How many packets can wait, and of large frames. They must be powers of two.
	size      = 256
	largeSize = 1024
)

// Item is a packet that waits.
type Item struct {
	Seq    uint32
	Stream uint16 // of the packet; numbers of streams are the caller's
	Bytes  uint16
}

// queue is a ring of items.
type queue struct {
	ring    []Item
	head, n int
}

func (q *queue) put(it Item, size int) bool {
	if q.n == size {
		return false
	}
	if q.ring == nil {
		q.ring = make([]Item, size)
	}
	q.ring[(q.head+q.n)&(size-1)] = it
	q.n++
	return true
}

func (q *queue) take() Item {
	it := q.ring[q.head]
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return it
}

// forget takes the items of a stream out and returns their bytes.
func (q *queue) forget(stream uint16) (bytes int) {
	for range q.n {
		if it := q.take(); it.Stream == stream {
			bytes += int(it.Bytes)
		} else {
			q.put(it, len(q.ring))
		}
	}
	return bytes
}

// Pacer spreads the packets of one transport. The zero Pacer is ready for use, by one
// goroutine.
type Pacer struct {
	small, large queue
	bytes        int       // of small frames that wait
	largeBytes   int       // of large ones
	least        uint64    // bit/s at which these leave in time
	next         mono.Time // when the next packet may leave
	nextLarge    mono.Time // when the next one of a large frame may
	leastLarge   uint64    // bit/s at which such leave in time
	rate         uint64    // bit/s of everything while such wait, else 0
}

// Waiting is how many packets wait.
func (p *Pacer) Waiting() int { return p.small.n + p.large.n }

// Large is how many packets of large frames wait, and of the same streams behind these.
func (p *Pacer) Large() int { return p.large.n }

// Pass reports whether a packet may leave now, at so many bit/s, and counts it if so. It may
// not while others wait, except for those of large frames.
func (p *Pacer) Pass(now mono.Time, bytes int, rate uint64) bool {
	if p.small.n > 0 || now < p.next {
		return false
	}
	p.leave(now, bytes, rate)
	return true
}

// Put has a packet wait. It returns false if there is no room for it: then it should leave.
func (p *Pacer) Put(it Item) bool {
	if !p.small.put(it, size) {
		return false
	}
	p.bytes += int(it.Bytes)
	p.least = max(p.least, uint64(float64(p.bytes)*8/Spread.Seconds()))
	return true
}

// PutLarge is Put for a packet of a large frame, or of a stream of which such wait. rate is that
// of the line in bit/s.
func (p *Pacer) PutLarge(now mono.Time, it Item, rate uint64) bool {
	if p.large.n == 0 {
		p.nextLarge = max(p.nextLarge, now.Add(-LargeBurst))
	}
	if !p.large.put(it, largeSize) {
		return false
	}
	p.largeBytes += int(it.Bytes)
	p.leastLarge = max(p.leastLarge, uint64(float64(p.largeBytes)*8/LargeSpread.Seconds()))
	p.rate = max(rate, p.leastLarge, 1)
	return true
}

// Forget has the packets of a stream wait no more.
func (p *Pacer) Forget(stream uint16) {
	p.bytes -= p.small.forget(stream)
	p.largeBytes -= p.large.forget(stream)
	p.settle()
}

// settle ends what is of packets that wait, if none does.
func (p *Pacer) settle() {
	if p.small.n == 0 {
		p.least = 0
	}
	if p.large.n == 0 {
		p.leastLarge, p.rate = 0, 0
	}
}

// Take returns a packet whose turn it is, at so many bit/s or faster if that took too long.
func (p *Pacer) Take(now mono.Time, rate uint64) (it Item, ok bool) {
	switch {
	case now < p.next:
		return it, false
	case p.small.n > 0:
		it = p.small.take()
		p.bytes -= int(it.Bytes)
		p.leave(now, int(it.Bytes), max(rate, p.least))
		p.settle()
		return it, true
	case p.large.n > 0 && now >= p.nextLarge:
		it = p.large.take()
		p.largeBytes -= int(it.Bytes)
		p.leave(now, int(it.Bytes), rate)
		p.settle()
		return it, true
	}
	return it, false
}

func (p *Pacer) leave(now mono.Time, bytes int, rate uint64) {
	p.next = max(p.next, now.Add(-Burst)).Add(timeOf(bytes, rate))
	if p.rate > 0 {
		next := max(p.nextLarge, now.Add(-LargeBurst)).Add(timeOf(bytes, p.rate))
		p.nextLarge = max(p.nextLarge, min(next, now.Add(largeDebt)))
	}
}

func timeOf(bytes int, rate uint64) time.Duration {
	return time.Duration(float64(bytes) * 8e9 / float64(max(rate, 1)))
}

// Next is when the next packet may leave, whether there is one or not.
func (p *Pacer) Next() mono.Time {
	if p.small.n == 0 && p.large.n > 0 {
		return max(p.next, p.nextLarge)
	}
	return p.next
}
