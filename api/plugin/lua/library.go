package lua

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	engine "github.com/yuin/gopher-lua"

	"bifrons/api/kit/script"
)

// maxRepeated is how long a string may get by string.rep, which nothing interrupts.
const maxRepeated = 16 << 20

// compat has the functions of the standard libraries that scripts for Lua 5.3 expect.
//
//go:embed lib/compat.lua
var compat string

// Modules in Lua that scripts find where there is no file of the name.
var (
	//go:embed lib/ansicolors.lua
	ansiColors string
	//go:embed lib/termcolors.lua
	termColors string
)

// folders of libraries that are looked for in folders that scripts do not name.
var systemFolders = []string{"/usr/local/share/lua/5.3", "/usr/share/lua/5.3"}

// open opens the libraries and registers the functions.
func (in *interpreter) open() {
	L := in.state
	for _, lib := range []struct {
		name string
		open engine.LGFunction
	}{
		{engine.LoadLibName, engine.OpenPackage}, // has to be the first
		{engine.BaseLibName, engine.OpenBase}, {engine.TabLibName, engine.OpenTable}, {engine.IoLibName, engine.OpenIo},
		{engine.OsLibName, engine.OpenOs}, {engine.StringLibName, engine.OpenString}, {engine.MathLibName, engine.OpenMath},
		{engine.DebugLibName, engine.OpenDebug}, {engine.CoroutineLibName, engine.OpenCoroutine},
	} {
		L.Push(L.NewFunction(lib.open))
		L.Push(engine.LString(lib.name))
		L.Call(1, 0)
	}
	for i := range in.set.Functions {
		f := &in.set.Functions[i]
		L.SetGlobal(f.Name, L.NewFunction(in.function(f)))
	}
	in.array, in.null = L.NewTable(), L.NewFunction(func(L *engine.LState) int {
		L.Push(in.null)
		return 1
	})
	L.SetGlobal("print", L.NewFunction(in.print))
	in.field("os", "exit", func(L *engine.LState) int {
		L.RaiseError("os.exit would end the server")
		return 0
	})
	in.field("string", "rep", repeat)
	in.field("coroutine", "create", in.withThread(in.original("coroutine", "create"), thread))
	in.field("coroutine", "wrap", in.withThread(in.original("coroutine", "wrap"), threadOfWrap))
	in.preload()
	if err := L.DoString(compat); err != nil {
		panic(err)
	}
}

func (in *interpreter) field(table, name string, f engine.LGFunction) {
	in.state.SetField(in.state.GetGlobal(table), name, in.state.NewFunction(f))
}

func (in *interpreter) original(table, name string) engine.LGFunction {
	return in.state.GetField(in.state.GetGlobal(table), name).(*engine.LFunction).GFunction
}

// function is a function of the server's. One that fails returns -1.
func (in *interpreter) function(f *script.Function) engine.LGFunction {
	return func(L *engine.LState) int {
		v, err := in.set.Invoke(f, in.arguments(L))
		if err != nil {
			in.set.Refused(strings.TrimRight(L.Where(1), ": "), err)
			v = float64(-1)
		}
		L.Push(in.toLua(v, 0))
		return 1
	}
}

// moduleFunction is one of a module. One that fails throws.
func (in *interpreter) moduleFunction(f *script.Function) engine.LGFunction {
	return func(L *engine.LState) int {
		v, err := in.set.Invoke(f, in.arguments(L))
		if err != nil {
			L.RaiseError("%s", err.Error())
		}
		L.Push(in.toLua(v, 0))
		return 1
	}
}

func (in *interpreter) arguments(L *engine.LState) []script.Value {
	args := make([]script.Value, L.GetTop())
	for i := range args {
		args[i] = in.fromLua(L.Get(i+1), 0)
	}
	return args
}

// print writes to the log.
func (in *interpreter) print(L *engine.LState) int {
	words := make([]string, L.GetTop())
	for i := range words {
		words[i] = L.ToStringMeta(L.Get(i + 1)).String()
	}
	in.set.Log(4, strings.Join(words, "\t"))
	return 0
}

func repeat(L *engine.LState) int {
	s, n, sep := L.CheckString(1), L.CheckInt(2), L.OptString(3, "")
	if n <= 0 {
		L.Push(engine.LString(""))
		return 1
	}
	if (len(s) + len(sep)) > maxRepeated/n {
		L.RaiseError("resulting string too large")
	}
	L.Push(engine.LString(strings.TrimSuffix(strings.Repeat(s+sep, n), sep)))
	return 1
}

// withThread is a function that makes a thread, which find finds in its result. The engine
// would make each a context of its own, which the one before keeps for ever.
func (in *interpreter) withThread(f engine.LGFunction, find func(v engine.LValue) *engine.LState) engine.LGFunction {
	return func(L *engine.LState) int {
		L.RemoveContext()
		defer L.SetContext(&in.stop)
		n := f(L)
		find(L.Get(-1)).SetContext(&in.stop)
		return n
	}
}

func thread(v engine.LValue) *engine.LState { return v.(*engine.LState) }

func threadOfWrap(v engine.LValue) *engine.LState {
	return v.(*engine.LFunction).Upvalues[0].Value().(*engine.LState)
}

// preload says where modules are found: in the folders of the settings, within the server, in
// folders of the system.
func (in *interpreter) preload() {
	L := in.state
	p := L.GetGlobal("package").(*engine.LTable)
	var path []string
	for _, f := range append(append([]string(nil), in.set.Folders...), ".") {
		path = append(path, filepath.Join(f, "?.lua"))
	}
	for _, f := range systemFolders {
		path = append(path, filepath.Join(f, "?.lua"), filepath.Join(f, "?", "init.lua"))
	}
	p.RawSetString("path", engine.LString(strings.Join(path, ";")))
	loaders := p.RawGetString("loaders").(*engine.LTable)
	loaders.Insert(2, L.NewFunction(in.loadOwn))
	p.RawSetString("searchers", loaders)
}

// loadOwn finds a module that the server has.
func (in *interpreter) loadOwn(L *engine.LState) int {
	name := L.CheckString(1)
	for _, f := range in.set.Folders {
		if _, err := os.Stat(filepath.Join(f, strings.ReplaceAll(name, ".", "/")+".lua")); err == nil {
			L.Push(engine.LString("\n\tthere is a file for it"))
			return 1
		}
	}
	load := in.ownModule(name)
	if load == nil {
		L.Push(engine.LString(fmt.Sprintf("\n\tno module %q in the server", name)))
		return 1
	}
	L.Push(L.NewFunction(func(L *engine.LState) int {
		L.Push(load(L))
		return 1
	}))
	return 1
}

// ownModule makes a module, nil = there is none.
func (in *interpreter) ownModule(name string) func(L *engine.LState) engine.LValue {
	switch name {
	case "json":
		return in.jsonModule
	case "socket":
		return socketModule
	case "ansicolors":
		return source("ansicolors", ansiColors)
	case "term.colors":
		return source("term.colors", termColors)
	case "term":
		return func(L *engine.LState) engine.LValue {
			t := L.NewTable()
			t.RawSetString("colors", source("term.colors", termColors)(L))
			return t
		}
	}
	for i := range in.set.Modules {
		if m := &in.set.Modules[i]; m.Name == name {
			return func(L *engine.LState) engine.LValue {
				t := L.NewTable()
				for i := range m.Functions {
					t.RawSetString(m.Functions[i].Name, L.NewFunction(in.moduleFunction(&m.Functions[i])))
				}
				return t
			}
		}
	}
	return nil
}

func (in *interpreter) jsonModule(L *engine.LState) engine.LValue {
	t, util := L.NewTable(), L.NewTable()
	t.RawSetString("encode", L.NewFunction(in.encode))
	t.RawSetString("decode", L.NewFunction(in.decode))
	t.RawSetString("util", util)
	util.RawSetString("null", in.null)
	util.RawSetString("InitArray", L.NewFunction(func(L *engine.LState) int {
		array := L.CheckTable(1)
		array.Metatable = in.array
		L.Push(array)
		return 1
	}))
	t.RawSetString("null", in.null)
	return t
}

// socketModule has the time of luasocket, and no sockets.
func socketModule(L *engine.LState) engine.LValue {
	t := L.NewTable()
	t.RawSetString("gettime", L.NewFunction(func(L *engine.LState) int {
		L.Push(engine.LNumber(float64(time.Now().UnixMicro()) / 1e6))
		return 1
	}))
	return t
}

// source is a module in Lua.
func source(name, text string) func(L *engine.LState) engine.LValue {
	return func(L *engine.LState) engine.LValue {
		f, err := L.Load(strings.NewReader(text), name)
		if err != nil {
			L.RaiseError("%s", err.Error())
		}
		L.Push(f)
		L.Call(0, 1)
		v := L.Get(-1)
		L.Pop(1)
		return v
	}
}
