package lua

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	engine "github.com/yuin/gopher-lua"

	"bifrons/api/kit/script"
)

// interpreter is a script with its state.
type interpreter struct {
	set   script.Setup
	state *engine.LState
	stop  stop
	array *engine.LTable    // metatable of tables that are arrays of JSON even if they are empty
	null  *engine.LFunction // null of JSON within a table
}

// maxElements is how many elements of a table are an array, and how many a list may have. An
// element of the engine's arrays takes memory for all before it, and scripts have tables with
// random numbers as keys.
const maxElements = 1 << 18

// bound sets the limits that the engine has for all interpreters.
var bound = sync.OnceFunc(func() { engine.MaxArrayIndex = maxElements })

// Limits of a thread of a script. The engine bounds nothing else.
const (
	maxFrames   = 1 << 10 // calls within each other; the trace of an error takes their number squared
	maxRegistry = 1 << 20 // values on its stack
)

func newInterpreter(set script.Setup) script.Interpreter {
	bound()
	in := &interpreter{set: set, state: engine.NewState(engine.Options{
		CallStackSize: maxFrames, MinimizeStackMemory: true,
		RegistrySize: 1 << 10, RegistryGrowStep: 1 << 10, RegistryMaxSize: maxRegistry,
		SkipOpenLibs: true,
	})}
	in.stop.done.Store(new(make(chan struct{})))
	in.open()
	in.state.SetContext(&in.stop)
	return in
}

// Run runs the script's file.
func (in *interpreter) Run() error {
	proto, err := load(in.set.Path)
	if err != nil {
		return err
	}
	_, err = in.call(in.state.NewFunctionFromProto(proto), nil)
	return err
}

// Has reports whether the script has a global function.
func (in *interpreter) Has(function string) bool {
	_, ok := in.state.GetGlobal(function).(*engine.LFunction)
	return ok
}

// Call calls it.
func (in *interpreter) Call(function string, args []script.Value) ([]script.Value, error) {
	f, ok := in.state.GetGlobal(function).(*engine.LFunction)
	if !ok {
		return nil, fmt.Errorf("%s: there is no function %s", in.set.Path, function)
	}
	return in.call(f, args)
}

func (in *interpreter) call(f *engine.LFunction, args []script.Value) ([]script.Value, error) {
	L := in.state
	top := L.GetTop()
	defer L.SetTop(top)
	values := make([]engine.LValue, len(args))
	for i, v := range args {
		values[i] = in.toLua(v, 0)
	}
	err := L.CallByParam(engine.P{Fn: f, NRet: engine.MultRet, Protect: true}, values...)
	if err != nil {
		return nil, in.explain(err)
	}
	out := make([]script.Value, L.GetTop()-top)
	for i := range out {
		out[i] = in.fromLua(L.Get(top+1+i), 0)
	}
	return out, nil
}

// explain is an error without the trace of calls, and with the reason of an interrupt.
func (in *interpreter) explain(err error) error {
	if e, ok := errors.AsType[*engine.ApiError](err); ok {
		err = errors.New(e.Object.String())
		if e.Type == engine.ApiErrorPanic { // lacks the line
			err = fmt.Errorf("%s %w", place(e.StackTrace), err)
		}
	}
	if why := in.stop.why(); why != nil {
		return &interrupted{text: err.Error(), why: why}
	}
	return err
}

// place is where a trace begins: a file with a line.
func place(trace string) string {
	for line := range strings.Lines(trace) {
		if at, _, ok := strings.Cut(strings.TrimSpace(line), " in "); ok && !strings.HasPrefix(at, "[G]") {
			return at
		}
	}
	return "somewhere:"
}

// interrupted is the error of a call that was interrupted, where it was.
type interrupted struct {
	text string
	why  error
}

func (e *interrupted) Error() string { return e.text }
func (e *interrupted) Unwrap() error { return e.why }

// Interrupt has the call that runs end.
func (in *interpreter) Interrupt(why error) { in.stop.interrupt(why) }

// Resume takes that back.
func (in *interpreter) Resume() { in.stop.resume() }

// Memory is all that can be reached.
func (in *interpreter) Memory() []any { return []any{in.state.G, in.state.Env} }

// Close has nothing to do: the garbage collector closes open files.
func (in *interpreter) Close() {}

// stop is the context of all threads, whose end is taken back when the next call begins. The
// engine asks for it at each instruction.
type stop struct {
	done atomic.Pointer[chan struct{}]

	mu  sync.Mutex
	err error // nil = nothing is to stop
}

var _ context.Context = (*stop)(nil)

func (s *stop) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }
func (s *stop) Done() <-chan struct{}                   { return *s.done.Load() }
func (s *stop) Value(any) any                           { return nil }

func (s *stop) Err() error { return s.why() }

func (s *stop) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *stop) interrupt(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = why
		close(*s.done.Load())
	}
}

func (s *stop) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		s.err = nil
		s.done.Store(new(make(chan struct{})))
	}
}
