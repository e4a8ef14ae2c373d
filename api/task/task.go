// Package task runs functions on goroutines that somebody counts.
package task

import (
	"bifrons/sfu/serial"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Serial runs functions one after another, in the order in which they were
// given, on a goroutine that lives only while there is something to do.
type Serial struct {
	limit int
	log   *slog.Logger
	queue *serial.Queue[func()]
}

// NewSerial makes a Serial that holds at most limit waiting functions that
// were given to Do. tasks counts its goroutine.
func NewSerial(limit int, tasks *Tasks, log *slog.Logger) *Serial {
	s := &Serial{limit: limit, log: log}
	s.queue = serial.New(tasks.Go, s.call)
	return s
}

// Do runs f after everything before it; false if too many are waiting.
func (s *Serial) Do(f func()) bool { return s.queue.Put(f, s.limit) }

// Must runs f after everything before it, however much that is: for events
// whose number is bounded by their subjects.
func (s *Serial) Must(f func()) { s.queue.Put(f, serial.NoLimit) }

// call keeps a panic from costing more than the one function.
func (s *Serial) call(f func()) {
	defer Contain(s.log, "a handle", nil)
	f()
}

var panics atomic.Uint64

// Panics counts the panics that Contain has kept from ending the process.
func Panics() uint64 { return panics.Load() }

// Contain keeps a panic of a goroutine or timer from ending the process: it is counted
// and logged, and end, unless nil, ends the failed object. It has to be deferred. A nil
// log is slog.Default().
func Contain(log *slog.Logger, what string, end func()) {
	r := recover()
	if r == nil {
		return
	}
	panics.Add(1)
	if log == nil {
		log = slog.Default()
	}
	log.Error("panic, its object is closed", "in", what, "panic", r, "stack", string(debug.Stack()))
	if end != nil {
		end()
	}
}

// Tasks counts goroutines. Unlike with a sync.WaitGroup, new ones may be
// started while somebody waits. A panic ends the goroutine that it is in. The zero
// value is ready.
type Tasks struct {
	Log *slog.Logger // for panics; nil = slog.Default()

	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n gets 0, nil if nobody waits
}

// Go runs f on a goroutine.
func (t *Tasks) Go(f func()) {
	t.mu.Lock()
	t.n++
	t.mu.Unlock()
	go func() {
		defer t.done()
		defer Contain(t.Log, "a task", nil)
		f()
	}()
}

func (t *Tasks) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n--; t.n == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

// Wait waits until no goroutine is left.
func (t *Tasks) Wait() {
	if idle := t.whenIdle(); idle != nil {
		<-idle
	}
}

// WaitFor waits until no goroutine is left, or for that long; false if there are
// some then.
func (t *Tasks) WaitFor(limit time.Duration) bool {
	late := time.NewTimer(limit)
	defer late.Stop()
	idle := t.whenIdle()
	if idle == nil {
		return true
	}
	select {
	case <-idle:
		return true
	case <-late.C:
		return false
	}
}

// whenIdle is closed when no goroutine is left, nil if there is none now.
func (t *Tasks) whenIdle() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == 0 {
		return nil
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	return t.idle
}

// Within runs f, and goes on without it if it takes longer than limit; then it
// reports false.
func Within(limit time.Duration, f func()) bool {
	var t Tasks
	t.Go(f)
	return t.WaitFor(limit)
}
