package script

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"bifrons/api/json"
	"bifrons/api/task"
)

// run is one script that is loaded. Its interpreter belongs to the plugin's executor.
type run struct {
	p       *Plugin
	set     settings
	interp  Interpreter
	has     [numCallbacks]bool // functions that it has; fixed once it is loaded
	over    atomic.Bool        // another script has taken its place, or none
	pokes   atomic.Int32       // calls of resumeScheduler that wait
	large   bool               // it holds too much memory
	relayed int                // packets in the call that runs

	watch    watch
	measured uint64    // memory of the process when the script's was last measured
	looked   time.Time // when that was last looked at

	mu     sync.Mutex
	timers map[*time.Timer]struct{}
}

// load runs a script, up to its init. It belongs to the executor.
func (p *Plugin) load(set settings) (*run, error) {
	r := &run{p: p, set: set, timers: make(map[*time.Timer]struct{})}
	r.interp = p.lang.New(Setup{
		Path: set.Script, Folders: folders(set.Path), Functions: p.functions, Modules: modules,
		Invoke: r.invoke, Refused: p.refused, Log: p.write,
	})
	r.watch.init(r.interp, set)
	r.looked, r.measured = time.Now(), liveHeap()
	if err := r.begin(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// begin has the script define its functions, and calls init.
func (r *run) begin() error {
	if _, err := r.guarded(r.set.Script, func() ([]Value, error) { return nil, r.interp.Run() }); err != nil {
		return err
	}
	for c := range callbacks {
		r.has[c] = r.interp.Has(callbacks[c].name)
		if callbacks[c].required && !r.has[c] {
			return fmt.Errorf("%s: the function %s is missing", r.set.Script, callbacks[c].name)
		}
	}
	var config Value
	if r.set.Config != "" {
		config = r.set.Config
	}
	_, err := r.guarded(callbacks[cbInit].name, func() ([]Value, error) {
		return r.interp.Call(callbacks[cbInit].name, []Value{config})
	})
	return err
}

// close ends the script, as far as the server knows it.
func (r *run) close() {
	r.over.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	for t := range r.timers {
		t.Stop()
	}
	clear(r.timers)
	r.interp.Close()
}

// call calls a function of the script, if it exists. Its exceptions are logged. It belongs to
// the executor.
func (r *run) call(c callback, args ...Value) ([]Value, error) {
	if !r.has[c] || r.over.Load() {
		return nil, nil
	}
	return r.callNamed(callbacks[c].name, args...)
}

func (r *run) callNamed(name string, args ...Value) ([]Value, error) {
	out, err := r.guarded(name, func() ([]Value, error) { return r.interp.Call(name, args) })
	if err != nil {
		r.p.failed(name, err)
	}
	r.weigh(errors.Is(err, ErrMemory))
	return out, err
}

// guarded runs a part of the script, within its limits. A panic is an error.
func (r *run) guarded(name string, f func() ([]Value, error)) (out []Value, err error) {
	defer r.watch.begin()()
	defer func() {
		if v := recover(); v != nil {
			out, err = nil, fmt.Errorf("%s: %v", name, v)
		}
	}()
	r.p.stats.calls.Add(1)
	r.relayed = 0
	return f()
}

// watch interrupts a call that takes too long, or too much memory.
type watch struct {
	interp Interpreter
	limit  time.Duration
	memory uint64 // bytes

	mu      sync.Mutex
	call    int // its number
	running bool
	begun   time.Time
	heap    uint64 // of the process when it began, what is in use
	all     uint64 // including garbage
	timer   *time.Timer
}

// step is how often a call that lasts is looked at.
const step = 50 * time.Millisecond

func (w *watch) init(interp Interpreter, set settings) {
	w.interp, w.limit, w.memory = interp, set.Time, uint64(set.Memory)<<20
}

// begin watches a call until end is called.
func (w *watch) begin() (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.interp.Resume()
	w.call++
	w.running, w.begun, w.heap, w.all = true, time.Now(), 0, 0
	n := w.call
	w.timer = time.AfterFunc(min(step, w.limit), func() { w.look(n) })
	return w.end
}

func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = false
	w.timer.Stop()
	w.interp.Resume()
}

// look looks at a call. The memory counts from the first look on.
func (w *watch) look(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.running || n != w.call {
		return
	}
	live, all := heap()
	if w.heap == 0 || live < w.heap {
		w.heap = live
	}
	if w.all == 0 || all < w.all {
		w.all = all
	}
	if all-w.all > w.memory { // a collection shows how much of it is in use
		w.all = all
		go runtime.GC()
	}
	left := w.limit - time.Since(w.begun)
	switch {
	case left <= 0:
		w.interp.Interrupt(ErrTime)
	case live-w.heap > w.memory:
		w.interp.Interrupt(ErrMemory)
	default:
		w.timer.Reset(min(step, left))
	}
}

// ask has f run on the executor and waits for it; false if its turn has not come. Then it is
// not run any more.
func (p *Plugin) ask(limit time.Duration, f func(r *run)) bool {
	var begun atomic.Bool // by either side
	done := make(chan struct{})
	p.exec.Must(func() {
		if begun.Swap(true) {
			return
		}
		defer close(done)
		f(p.run)
	})
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-done:
		return true
	case <-late.C:
	}
	if !begun.Swap(true) {
		return false
	}
	// It runs, and a call has a limit of its own. A call that this does not stop, because it waits
	// outside the script's code, is not waited for either.
	late.Reset(patience + 2*p.limit())
	select {
	case <-done:
		return true
	case <-late.C:
		return false
	}
}

// poke queues a call of resumeScheduler.
func (r *run) poke() {
	if r.pokes.Add(1) > maxPokes { // there are enough
		r.pokes.Add(-1)
		return
	}
	r.p.exec.Must(func() {
		r.pokes.Add(-1)
		_, _ = r.call(cbResumeScheduler)
	})
}

// after queues a call of a function with an argument, nil = none, for later.
func (r *run) after(d time.Duration, function string, arg Value) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over.Load():
		return errors.New("the script has ended")
	case len(r.timers) >= maxTimers:
		return fmt.Errorf("more than %d timers wait", maxTimers)
	}
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.timers, t)
		r.p.exec.Must(func() {
			if r.over.Load() {
				return
			}
			if arg == nil {
				_, _ = r.callNamed(function)
			} else {
				_, _ = r.callNamed(function, arg)
			}
		})
	})
	r.timers[t] = struct{}{}
	return nil
}

// stats are the counts of all scripts of a plugin.
type stats struct {
	calls, failed, stopped, restarted atomic.Uint64

	mu     sync.Mutex
	last   string               // error
	told   map[string]time.Time // when an error of a function was last logged
	untold map[string]int       // since then
}

// failed notes an error of a function and logs it, for each function once a second
// at most.
func (p *Plugin) failed(function string, err error) {
	s := &p.stats
	s.failed.Add(1)
	if errors.Is(err, ErrTime) || errors.Is(err, ErrMemory) {
		s.stopped.Add(1)
	}
	left, tell := s.note(function, err.Error())
	if !tell {
		return
	}
	p.Gateway.Logger().Error("error in a script", "plugin", p.pkg(), "function", function, "error", err, "more", left)
	p.Events.Notify(p.Nobody(), func(w *json.Writer) {
		w.Str("event", "script-error")
		w.Str("function", function)
		w.Str("error", err.Error())
	})
}

// refused reports a function that has returned a number for an error, once a second at most.
func (p *Plugin) refused(where string, err error) {
	if left, tell := p.stats.note("refused", err.Error()); tell {
		p.Gateway.Logger().Warn("a function refuses a request of a script", "plugin", p.pkg(), "at", where, "error", err, "more", left)
	}
}

// note remembers an error, and reports whether it is time to log it, and how many of the
// function were not logged.
func (s *stats) note(function, text string) (left int, tell bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = function + ": " + text
	if s.told == nil || len(s.told) > 1000 { // a script may make up names
		s.told, s.untold = make(map[string]time.Time), make(map[string]int)
	}
	now := time.Now()
	if last, ok := s.told[function]; ok && now.Sub(last) < time.Second {
		s.untold[function]++
		return 0, false
	}
	left = s.untold[function]
	s.told[function], s.untold[function] = now, 0
	return left, true
}

// newExecutor makes the executor of a plugin.
func (p *Plugin) newExecutor() {
	p.tasks.Log = p.Gateway.Logger()
	p.exec = task.NewSerial(0, &p.tasks, p.Gateway.Logger())
}
