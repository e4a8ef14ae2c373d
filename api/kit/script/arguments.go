package script

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Type is the type of a function's argument.
type Type uint8

// Types of arguments.
const (
	Any      Type = iota
	Number        // a whole number
	Bool          //
	Text          // a string
	Optional      // a string, or nothing
	Buffer        // a string of bytes
)

func (t Type) String() string {
	return [...]string{"anything", "a number", "a boolean", "a string", "a string or nothing", "a string of bytes"}[t]
}

// Function is one that scripts may call.
type Function struct {
	Name  string
	Types []Type // of the arguments, of which there are no more
	Least int    // arguments
	Run   func(c *Call) (Value, error)
}

// Call is one call of a function by a script.
type Call struct {
	args []Value
	run  *run // nil for those of modules
}

// most is how many arguments there may be.
func (f *Function) most() int { return len(f.Types) }

// invoke runs a function for a script.
func (r *run) invoke(f *Function, args []Value) (Value, error) {
	c := Call{args: args, run: r}
	if len(args) < f.Least || len(args) > f.most() {
		return nil, fmt.Errorf("%s: %d arguments, not %s", f.Name, len(args), f.count())
	}
	for i := range args {
		v, ok := convert(args[i], f.Types[i], r.p.lang.Strict)
		if !ok {
			return nil, fmt.Errorf("%s: argument %d is %s, not %s", f.Name, i+1, typeName(args[i]), f.Types[i])
		}
		args[i] = v
	}
	v, err := f.Run(&c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	return v, nil
}

// count is how many arguments there have to be.
func (f *Function) count() string {
	if f.Least == f.most() {
		return strconv.Itoa(f.Least)
	}
	return fmt.Sprintf("%d to %d", f.Least, f.most())
}

func typeName(v Value) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case bool:
		return "a boolean"
	case float64:
		return "a number"
	case string:
		return "a string"
	case Alien:
		return string(v)
	}
	return "an object"
}

// convert converts an argument to its type; strict means that it must have it already.
func convert(v Value, t Type, strict bool) (Value, bool) {
	switch t {
	case Number:
		return toNumber(v, strict)
	case Bool:
		if on, ok := v.(bool); ok || strict {
			return on, ok
		}
		return v != nil, true
	case Text, Buffer:
		return toText(v, strict)
	case Optional:
		if v == nil {
			return nil, true
		}
		return toText(v, strict)
	}
	return v, true
}

func toText(v Value, strict bool) (Value, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), !strict
	}
	return nil, false
}

func toNumber(v Value, strict bool) (Value, bool) {
	n, ok := v.(float64)
	if s, is := v.(string); is && !strict {
		var err error
		n, err = strconv.ParseFloat(strings.TrimSpace(s), 64)
		ok = err == nil
	}
	if !ok || math.IsNaN(n) || math.IsInf(n, 0) || math.Abs(n) > 1<<53 {
		return nil, false
	}
	return math.Trunc(n), true
}

// How the functions see their arguments, which have the types of the table.

func (c *Call) has(i int) bool { return i < len(c.args) && c.args[i] != nil }

func (c *Call) text(i int) string {
	if !c.has(i) {
		return ""
	}
	return c.args[i].(string)
}

func (c *Call) number(i int) int64 { return int64(c.args[i].(float64)) }

func (c *Call) bool(i int) bool { return c.args[i].(bool) }

// buffer is the beginning of a text or of bytes, as long as another argument says.
func (c *Call) buffer(i, length int) ([]byte, error) {
	data, n := c.text(i), c.number(length)
	if n < 0 {
		return nil, fmt.Errorf("%d is no length", n)
	}
	// Some languages count characters.
	if n >= int64(len(data)) || c.run.p.lang.Strict && n >= int64(utf8.RuneCountInString(data)) {
		return []byte(data), nil
	}
	return []byte(data[:n]), nil
}
