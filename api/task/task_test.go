package task

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestSerial(t *testing.T) {
	var tasks Tasks
	s := NewSerial(3, &tasks, quiet())
	block := make(chan struct{})
	started := make(chan struct{})
	var got []int
	s.Do(func() { close(started); <-block })
	<-started
	for i := range 5 {
		if ok := s.Do(func() { got = append(got, i) }); ok != (i < 3) {
			t.Errorf("Do %d: %v", i, ok)
		}
	}
	s.Must(func() { panic("on purpose") })
	s.Must(func() { got = append(got, 9) })
	close(block)
	tasks.Wait()
	if len(got) != 4 || got[0] != 0 || got[1] != 1 || got[2] != 2 || got[3] != 9 {
		t.Errorf("ran %v", got)
	}
}

// A panic ends the goroutine or function that it is in; it is counted and logged, and
// what has failed is ended.
func TestContain(t *testing.T) {
	before := Panics()
	var log strings.Builder
	tasks := Tasks{Log: slog.New(slog.NewTextHandler(&log, nil))}
	tasks.Go(func() { panic("of a task") })
	tasks.Wait()
	ended := false
	func() {
		defer Contain(tasks.Log, "a timer", func() { ended = true })
		panic("of a timer")
	}()
	Contain(tasks.Log, "nothing", func() { t.Error("ended without a panic") })
	if n := Panics() - before; n != 2 || !ended {
		t.Errorf("%d panics counted, ended: %v", n, ended)
	}
	for _, want := range []string{"of a task", "of a timer", "task_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the log: %s", want, log.String())
		}
	}
	if !Within(time.Minute, func() { panic("on purpose") }) {
		t.Error("a function that has panicked is waited for")
	}
}

// Many goroutines give functions to one Serial: they run one at a time, those
// of each goroutine in order, and none is lost.
func TestSerialConcurrently(t *testing.T) {
	var tasks Tasks
	s := NewSerial(1<<20, &tasks, quiet())
	var last [8]int
	running := 0
	var wg sync.WaitGroup
	for g := range last {
		wg.Go(func() {
			for i := range 500 {
				s.Do(func() {
					if running++; running != 1 || last[g] != i {
						t.Errorf("%d running, %d comes after %d", running, i, last[g])
					}
					last[g] = i + 1
					running--
				})
			}
		})
	}
	wg.Wait()
	tasks.Wait()
	for g, n := range last {
		if n != 500 {
			t.Errorf("goroutine %d: %d functions ran", g, n)
		}
	}
}
