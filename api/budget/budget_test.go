package budget

import (
	"context"
	"sync"
	"testing"
	"time"
)

func TestTake(t *testing.T) {
	b := New(1 << 20)
	const large = Small + 1
	n := 0
	for ; b.Take(large); n++ {
	}
	if used := b.Used(); used > 3<<18 || used < 3<<18-large {
		t.Errorf("large ones take %d bytes", used)
	}
	for b.Take(Small) {
		n++
	}
	if used := b.Used(); used <= 1<<20-Small || used > 1<<20 {
		t.Errorf("all take %d bytes", used)
	}
	b.Give(b.Used())
	if !b.Take(large) {
		t.Error("nothing came back")
	}
	var none *Budget
	none.Give(7)
	none.Work(large)()
	if !none.Take(1<<40) || !none.Wait(t.Context(), 1<<40, 0) || none.Used() != 0 || none.Refused() != 0 {
		t.Error("no budget has an end")
	}
}

func TestWait(t *testing.T) {
	b := New(100)
	if !b.Take(100) {
		t.Fatal("no room")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if b.Wait(ended, 1, time.Hour) || b.Wait(t.Context(), 1, time.Millisecond) {
		t.Error("took what is not there")
	}
	if n := b.Refused(); n != 2 {
		t.Errorf("%d were refused", n)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if !b.Wait(t.Context(), 60, time.Hour) {
				t.Error("waited in vain")
			}
			b.Give(60)
		})
	}
	b.Give(100)
	all.Wait()
	if n := b.Used(); n != 0 {
		t.Errorf("%d bytes are left over", n)
	}
}

// Of those who work on much, only some do it at a time.
func TestWork(t *testing.T) {
	b := New(1)
	var mu sync.Mutex
	now, most := 0, 0
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			defer b.Work(Small + 1)()
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			b.Work(Small)() // needs no place
			mu.Lock()
			now--
			mu.Unlock()
		})
	}
	all.Wait()
	if most > cap(b.workers) {
		t.Errorf("%d at a time", most)
	}
}
