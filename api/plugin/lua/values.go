package lua

import (
	engine "github.com/yuin/gopher-lua"

	"bifrons/api/kit/script"
)

// maxDepth is how deep values may be nested that cross the border.
const maxDepth = 64

// toLua is a value as scripts see it. Values nested too deep are nil.
func (in *interpreter) toLua(v script.Value, depth int) engine.LValue {
	if depth > maxDepth {
		return engine.LNil
	}
	switch v := v.(type) {
	case bool:
		return engine.LBool(v)
	case float64:
		return engine.LNumber(v)
	case string:
		return engine.LString(v)
	case script.Bytes:
		return engine.LString(v.Data)
	case script.Opaque:
		u := in.state.NewUserData()
		u.Value = v
		return u
	case []script.Value:
		t := in.state.CreateTable(len(v), 0)
		for i, x := range v {
			t.RawSetInt(i+1, in.toLua(x, depth+1))
		}
		return t
	case map[string]script.Value:
		t := in.state.CreateTable(0, len(v))
		for k, x := range v {
			t.RawSetString(k, in.toLua(x, depth+1))
		}
		return t
	}
	return engine.LNil
}

// fromLua is a value of a script's for the server. Tables are objects.
func (in *interpreter) fromLua(v engine.LValue, depth int) script.Value {
	switch v := v.(type) {
	case *engine.LNilType:
		return nil
	case engine.LBool:
		return bool(v)
	case engine.LNumber:
		return float64(v)
	case engine.LString:
		return string(v)
	case *engine.LUserData:
		if o, ok := v.Value.(script.Opaque); ok {
			return o
		}
	case *engine.LTable:
		if depth >= maxDepth {
			return script.Alien("a table")
		}
		m := make(map[string]script.Value)
		v.ForEach(func(key, x engine.LValue) {
			if k, ok := key.(engine.LString); ok {
				m[string(k)] = in.fromLua(x, depth+1)
			}
		})
		return m
	}
	return script.Alien("a " + v.Type().String())
}
