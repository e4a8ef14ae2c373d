package serial

import (
	"slices"
	"sync"
	"testing"

	"bifrons/rtp/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// Values come in order and one at a time, however many put them.
func TestOrder(t *testing.T) {
	const putters, each = 8, 500
	var tasks sync.WaitGroup
	var got [putters][]int
	last := make(chan struct{})
	n := 0
	type value struct{ by, i int }
	q := New(tasks.Go, func(v value) {
		got[v.by] = append(got[v.by], v.i)
		if n++; n == putters*each {
			close(last)
		}
	})
	var all sync.WaitGroup
	for by := range putters {
		all.Go(func() {
			for i := range each {
				if !q.Put(value{by, i}, NoLimit) {
					t.Error("refused")
				}
			}
		})
	}
	all.Wait()
	<-last
	tasks.Wait()
	for by, list := range got {
		if len(list) != each || !slices.IsSorted(list) {
			t.Errorf("of %d came %d, sorted: %v", by, len(list), slices.IsSorted(list))
		}
	}
}

// The limit is for what waits, and what waits can be forgotten.
func TestLimit(t *testing.T) {
	var tasks sync.WaitGroup
	started, block := make(chan struct{}), make(chan struct{})
	var got []int
	q := New(tasks.Go, func(v int) {
		if got = append(got, v); v == 0 {
			close(started)
			<-block
		}
	})
	q.Put(0, 1)
	<-started
	for i, want := range []bool{true, true, false} {
		if ok := q.Put(i+1, 2); ok != want {
			t.Errorf("value %d: %v", i+1, ok)
		}
	}
	q.Clear()
	if !q.Put(9, 1) {
		t.Error("no room after Clear")
	}
	close(block)
	tasks.Wait()
	if !slices.Equal(got, []int{0, 9}) {
		t.Errorf("came %v", got)
	}
}

// The goroutine ends when there is nothing to do, and another one begins later.
func TestGoroutines(t *testing.T) {
	var tasks sync.WaitGroup
	starts := 0
	q := New(func(run func()) { starts++; tasks.Go(run) }, func(int) {})
	for range 3 {
		q.Put(1, NoLimit)
		tasks.Wait()
	}
	if starts != 3 {
		t.Errorf("%d goroutines", starts)
	}
}
