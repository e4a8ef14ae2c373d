// Package budget bounds the memory and work that clients cause in the server: each
// limit for one of them is multiplied by their number, the sum is not.
package budget

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Small is the size in bytes up to which a request is an everyday one: those
// get the last quarter of a Budget to themselves, so that whoever fills it with
// large ones keeps nobody else from doing what calls need.
const Small = 64 << 10

// Budget is a number of bytes that many share. The nil Budget has no end.
type Budget struct {
	limit   int64
	workers chan struct{}
	refused atomic.Uint64

	mu   sync.Mutex
	used int64
	room chan struct{} // closed at the next Give, nil if nobody waits
}

// New makes a Budget of limit bytes.
func New(limit int64) *Budget {
	return &Budget{limit: limit, workers: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

// Take takes n bytes if they are there; Give gives them back.
func (b *Budget) Take(n int64) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.take(n)
}

func (b *Budget) take(n int64) bool {
	limit := b.limit
	if n > Small {
		limit -= limit / 4
	}
	if b.used+n > limit {
		return false
	}
	b.used += n
	return true
}

// Wait is Take, but waits for others to give back until ctx ends or patience
// is over. Whoever waits must not hold a resource that others wait for, or be content with
// a failure.
func (b *Budget) Wait(ctx context.Context, n int64, patience time.Duration) bool {
	if b.Take(n) {
		return true
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		b.mu.Lock()
		if b.take(n) {
			b.mu.Unlock()
			return true
		}
		if b.room == nil {
			b.room = make(chan struct{})
		}
		room := b.room
		b.mu.Unlock()
		select {
		case <-room:
			continue
		case <-late.C:
		case <-ctx.Done():
		}
		b.refused.Add(1)
		return false
	}
}

// Give gives n bytes back.
func (b *Budget) Give(n int64) {
	if b == nil || n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
}

// Work waits for one of the few places for those who work on n bytes, and
// returns what leaves it; small ones need none. It keeps many large requests at
// a time from taking all processors away from the media. Nobody may wait for
// anything else in between.
func (b *Budget) Work(n int) (done func()) {
	if b == nil || n <= Small {
		return func() {}
	}
	b.workers <- struct{}{}
	return func() { <-b.workers }
}

// Used is the number of bytes that are taken.
func (b *Budget) Used() int64 {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// Refused counts those who have waited in vain.
func (b *Budget) Refused() uint64 {
	if b == nil {
		return 0
	}
	return b.refused.Load()
}
