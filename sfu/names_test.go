package sfu

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// bureau is names with a name server that answers when it is told to.
type bureau struct {
	names
	answer    chan struct{} // one look-up for each
	now, most atomic.Int64
	mu        sync.Mutex
	asked     []string
}

func newBureau() *bureau {
	b := &bureau{answer: make(chan struct{})}
	b.lookup = func(ctx context.Context, _, host string) ([]netip.Addr, error) {
		if a, err := netip.ParseAddr(host); err == nil {
			return []netip.Addr{a}, nil
		}
		b.mu.Lock()
		b.asked = append(b.asked, host)
		b.most.Store(max(b.most.Load(), b.now.Add(1)))
		b.mu.Unlock()
		defer b.now.Add(-1)
		select {
		case <-b.answer:
			return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return b
}

// TestNamesAreShared has many who name hosts without end. Whoever names one only
// waits for no more than a turn of each of them.
func TestNamesAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBureau()
		var all sync.WaitGroup
		var refused atomic.Int64
		const greedy, each = 100, 50
		for owner := range greedy {
			for i := range each {
				all.Go(func() {
					_, err := b.find(t.Context(), owner, "ip", fmt.Sprintf("%d-%d.example", owner, i))
					if errors.Is(err, ErrTooManyNames) {
						refused.Add(1)
					}
				})
			}
		}
		synctest.Wait()
		if n := b.now.Load(); n != maxLookups {
			t.Errorf("%d look-ups at the same time", n)
		}
		if n := refused.Load(); n != greedy*(each-maxOwnNames) {
			t.Errorf("%d refused", n)
		}
		if a, err := b.find(t.Context(), "busy", "ip", "192.0.2.7"); err != nil || a[0].String() != "192.0.2.7" {
			t.Error("an address waits: ", a, err)
		}
		done := make(chan error, 1)
		all.Go(func() {
			_, err := b.find(t.Context(), "modest", "ip", "modest.example")
			done <- err
		})
		synctest.Wait()
		answers := 0
		for len(done) == 0 {
			b.answer <- struct{}{}
			synctest.Wait()
			if answers++; answers > maxLookups+greedy+maxOwnLookups+100 {
				t.Fatal("no turn after", answers, "answers")
			}
			asked := false
			b.mu.Lock()
			for _, host := range b.asked {
				asked = asked || host == "modest.example"
			}
			b.mu.Unlock()
			if asked {
				break
			}
		}
		if answers > greedy+1 {
			t.Errorf("the turn came after %d answers to %d others", answers, greedy)
		}
		for b.now.Load() > 0 {
			b.answer <- struct{}{}
			synctest.Wait()
		}
		all.Wait()
		if b.most.Load() > maxLookups || b.running != 0 || b.waiting != 0 || len(b.owners) != 0 || len(b.line) != 0 {
			t.Errorf("%d at a time; left over: %d running, %d waiting, %d owners, %d in line", b.most.Load(), b.running, b.waiting, len(b.owners), len(b.line))
		}
	})
}

// TestNamesExpire gives up those that wait too long, and leaves nothing.
func TestNamesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBureau()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var all sync.WaitGroup
		var failed atomic.Int64
		for owner := range 50 {
			for range maxOwnNames {
				all.Go(func() {
					if _, err := b.find(ctx, owner, "ip", "name.example"); errors.Is(err, context.DeadlineExceeded) {
						failed.Add(1)
					}
				})
			}
		}
		begun := time.Now()
		all.Wait()
		if n := failed.Load(); n != 50*maxOwnNames || time.Since(begun) != 3*time.Second {
			t.Errorf("%d failed after %v", n, time.Since(begun))
		}
		if b.running != 0 || b.waiting != 0 || len(b.owners) != 0 || len(b.line) != 0 {
			t.Errorf("left over: %d running, %d waiting, %d owners, %d in line", b.running, b.waiting, len(b.owners), len(b.line))
		}
	})
}
