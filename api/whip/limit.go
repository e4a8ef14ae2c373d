package whip

import (
	"sync"
	"time"
)

// rates bounds the requests of each address: so many a second, and twice as many at once.
type rates struct {
	rate float64

	mu      sync.Mutex
	buckets map[string]*bucket
}

// bucket is what an address has left.
type bucket struct {
	left float64
	at   time.Time
}

// maxBuckets is how many addresses are remembered; those that rest are forgotten first.
const maxBuckets = 20_000

func newRates(rate float64) *rates { return &rates{rate: rate, buckets: make(map[string]*bucket)} }

// allow takes one request of an address, if it has any left.
func (r *rates) allow(address string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buckets[address]
	if b == nil {
		r.makeRoom(now)
		b = &bucket{left: 2 * r.rate, at: now}
		r.buckets[address] = b
	}
	b.left, b.at = r.filled(b, now), now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// filled is what a bucket has by now.
func (r *rates) filled(b *bucket, now time.Time) float64 {
	return min(2*r.rate, b.left+now.Sub(b.at).Seconds()*r.rate)
}

// makeRoom forgets the addresses that have all they may have, or else everybody.
func (r *rates) makeRoom(now time.Time) {
	if len(r.buckets) < maxBuckets {
		return
	}
	for address, b := range r.buckets {
		if r.filled(b, now) >= 2*r.rate {
			delete(r.buckets, address)
		}
	}
	if len(r.buckets) >= maxBuckets {
		clear(r.buckets)
	}
}
