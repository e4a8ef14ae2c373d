// Package script runs applications that are written as a script, in any language: the functions that scripts
// may call, those called in them, their participants with media and data, and the limits on
// all that. A plugin adds an interpreter.
package script

import (
	"errors"
	"time"

	"bifrons/api/module"
)

// Value is a value that passes between a script and the server: nil, a bool, a float64, a string,
// which holds bytes, a map[string]Value, a []Value, an Opaque, or an Alien.
type Value = any

// Opaque is a value of the server's that scripts only pass on.
type Opaque struct{ Value any }

// Alien is a value of a script's that has no meaning outside, such as a function. Its text is
// its type.
type Alien string

// Interpreter is one script that was loaded. But for Interrupt its methods are called by one
// goroutine at a time.
type Interpreter interface {
	// Run runs the script's file, which defines its functions.
	Run() error

	// Has reports whether the script has a global function.
	Has(function string) bool

	// Call calls it. An exception is an error whose text has file and line.
	Call(function string, args []Value) (returned []Value, err error)

	// Interrupt has a call that runs return with an error that wraps why, which the script
	// cannot catch, as soon as it is in code of the script; without one, the next.
	Interrupt(why error)

	// Resume takes back an Interrupt.
	Resume()

	// Memory is the root of all values of the script, to be measured.
	Memory() []any

	Close()
}

// Setup are the settings of an interpreter.
type Setup struct {
	Path      string   // of the script
	Folders   []string // where modules are looked for
	Functions []Function
	Modules   []Module // that scripts find where there is no file of the name

	// Invoke calls one of the functions. If that fails the script gets an error in the manner of
	// its language.
	Invoke func(f *Function, args []Value) (Value, error)

	// Refused takes the error of a function that the script gets as no more than a
	// number, and where in the script that was.
	Refused func(where string, err error)

	// Log takes the script's output, with a level of the Janus log (1 fatal to 7 debug).
	Log func(level int, text string)
}

// Module is a library that scripts can require.
type Module struct {
	Name      string
	Functions []Function
}

// Language has the differences between plugins for scripts.
type Language struct {
	Info module.Info // where the script does not say

	// New makes an interpreter, which has not run anything.
	New func(s Setup) Interpreter

	// Compile checks the text of a script without running it.
	Compile func(path string) error

	// Outcome is a script's answer to a message. Failure is the text of errors for
	// which the script has none.
	Outcome func(returned []Value, err error) Outcome
	Failure string

	// Strict has arguments of a wrong type refused instead of converted.
	Strict bool

	// Functions are the functions that only this language has, and Without the names of those that
	// it does not have.
	Functions []Function
	Without   []string
}

// Outcome is the answer to a message: an object as JSON text, an error, or, if both are "", that
// events will follow. Wrong is an error of the script, nil if it was logged already.
type Outcome struct {
	Data, Failure string
	Wrong         error
}

// Errors of calls that were interrupted.
var (
	ErrTime   = errors.New("it took too long and was stopped")
	ErrMemory = errors.New("it took too much memory and was stopped")
)

// ErrBusy is the error of a call that has not begun in time, as others run.
var ErrBusy = errors.New("the script is busy")

// Limits that no setting changes.
const (
	maxTimers = 4096             // that wait
	maxPokes  = 1024             // calls of resumeScheduler that wait
	maxPushes = 4096             // events that wait at one handle
	maxBytes  = 4 << 20          // of these
	patience  = 10 * time.Second // for the turn of a call, beside the time of the call itself
)

// settings are those of the file.
type settings struct {
	Script string `cfg:"script"`
	Path   string `cfg:"path"`
	Config string `cfg:"config"`
	Events bool   `cfg:"events"`

	// Time that one call may take, and the memory that the script may hold, in MB.
	Time   time.Duration `cfg:"time_limit" range:"10..600000" unit:"ms"`
	Memory int           `cfg:"memory_limit" range:"8..65536"`
}

// defaults are the settings where the file says nothing.
func defaults() settings { return settings{Time: 5 * time.Second, Memory: 256, Events: true} }
