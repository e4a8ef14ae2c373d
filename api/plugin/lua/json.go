package lua

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	engine "github.com/yuin/gopher-lua"

	"bifrons/api/json"
)

// The module json, as that of luajson: null within tables is json.util.null, and a table is an
// array if it has elements from 1 on or was one of JSON.

var errDeep = errors.New("JSON is nested too deep")

// encode is json.encode.
func (in *interpreter) encode(L *engine.LState) int {
	b, err := in.appendJSON(nil, L.CheckAny(1), 0)
	if err != nil {
		L.RaiseError("%s", err.Error())
	}
	L.Push(engine.LString(b))
	return 1
}

// decode is json.decode.
func (in *interpreter) decode(L *engine.LState) int {
	text := L.CheckString(1)
	// The text has to be an object or array, which scripts need not know.
	doc, err := json.Parse([]byte("[" + text + "]"))
	if err != nil {
		L.RaiseError("no JSON: %s", err.Error())
		return 0
	}
	defer doc.Release()
	list := json.Array(doc.Root())
	if len(list) != 1 {
		L.RaiseError("no JSON: %d values", len(list))
		return 0
	}
	if json.IsNull(list[0]) {
		L.Push(engine.LNil)
	} else {
		L.Push(in.fromJSON(list[0]))
	}
	return 1
}

// fromJSON is a value of JSON as scripts see it. Its depth was checked when it was parsed.
func (in *interpreter) fromJSON(v *json.Value) engine.LValue {
	switch {
	case json.IsObject(v):
		t := in.state.NewTable()
		o, _ := v.Object()
		o.Visit(func(key []byte, x *json.Value) { t.RawSetString(string(key), in.fromJSON(x)) })
		return t
	case json.IsArray(v):
		t := in.state.NewTable()
		for i, x := range json.Array(v) {
			t.RawSetInt(i+1, in.fromJSON(x))
		}
		t.Metatable = in.array
		return t
	case json.IsBool(v):
		return engine.LBool(json.True(v))
	case json.IsNull(v):
		return in.null
	}
	if s, ok := json.String(v); ok {
		return engine.LString(s)
	}
	n, _ := v.Float64()
	return engine.LNumber(n)
}

// appendJSON writes a value of a script's.
func (in *interpreter) appendJSON(b []byte, v engine.LValue, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errDeep
	}
	switch v := v.(type) {
	case *engine.LNilType:
		return append(b, "null"...), nil
	case engine.LBool:
		return strconv.AppendBool(b, bool(v)), nil
	case engine.LNumber:
		return appendNumber(b, float64(v))
	case engine.LString:
		return json.AppendString(b, string(v)), nil
	case *engine.LFunction:
		if v == in.null {
			return append(b, "null"...), nil
		}
	case *engine.LTable:
		if v.Metatable == in.array || v.Len() > 0 && v.RawGetInt(1) != engine.LNil {
			if only, n := elements(v); only {
				return in.appendArray(b, v, n, depth)
			}
		}
		return in.appendObject(b, v, depth)
	}
	return nil, fmt.Errorf("there is no JSON for a %s", v.Type())
}

// elements reports whether a table has nothing but elements, and up to which.
func elements(t *engine.LTable) (only bool, last int) {
	only = true
	t.ForEach(func(key, _ engine.LValue) {
		n, ok := key.(engine.LNumber)
		if i := int(n); ok && n >= 1 && n == engine.LNumber(i) {
			last = max(last, i)
		} else {
			only = false
		}
	})
	return only && last <= 2*t.Len()+16, last
}

func (in *interpreter) appendArray(b []byte, t *engine.LTable, n, depth int) (_ []byte, err error) {
	b = append(b, '[')
	for i := 1; i <= n; i++ {
		if i > 1 {
			b = append(b, ',')
		}
		if b, err = in.appendJSON(b, t.RawGetInt(i), depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func (in *interpreter) appendObject(b []byte, t *engine.LTable, depth int) (_ []byte, err error) {
	b = append(b, '{')
	first := true
	for key, v := t.Next(engine.LNil); key != engine.LNil; key, v = t.Next(key) {
		var name string
		switch k := key.(type) {
		case engine.LString:
			name = string(k)
		case engine.LNumber:
			name = k.String()
		default:
			return nil, fmt.Errorf("there is no JSON for a key that is a %s", key.Type())
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(json.AppendString(b, name), ':')
		if b, err = in.appendJSON(b, v, depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// appendNumber writes whole numbers as such, which Janus's clients expect of ids.
func appendNumber(b []byte, n float64) ([]byte, error) {
	switch {
	case math.IsNaN(n) || math.IsInf(n, 0):
		return nil, errors.New("there is no JSON for a number that is none")
	case n == math.Trunc(n) && math.Abs(n) < 1<<63:
		return strconv.AppendInt(b, int64(n), 10), nil
	}
	return strconv.AppendFloat(b, n, 'g', -1, 64), nil
}
