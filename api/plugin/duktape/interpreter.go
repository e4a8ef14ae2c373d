package duktape

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dop251/goja"

	"bifrons/api/kit/script"
)

// interpreter is a script with its state.
type interpreter struct {
	set script.Setup
	vm  *goja.Runtime
}

const (
	maxFrames = 4096     // calls within each other
	maxFile   = 16 << 20 // bytes of a file that readFile reads
)

// library makes require, and the object Duktape.
//
//go:embed lib/library.js
var library string

func newInterpreter(set script.Setup) script.Interpreter {
	in := &interpreter{set: set, vm: goja.New()}
	in.vm.SetMaxCallStackSize(maxFrames)
	in.open()
	return in
}

// open registers the functions.
func (in *interpreter) open() {
	for i := range in.set.Functions {
		in.define(in.vm.GlobalObject(), &in.set.Functions[i])
	}
	console := in.vm.NewObject()
	for name, level := range map[string]int{"log": 4, "info": 4, "debug": 5, "warn": 3, "error": 2} {
		in.must(console.Set(name, in.log(level)))
	}
	for name, v := range map[string]any{
		"console": console, "print": in.log(4), "alert": in.log(4),
		"readFile": in.readFile, "getModulesFolder": in.modulesFolder, "getDuktapeVersion": func() int { return version },
	} {
		in.must(in.vm.Set(name, v))
	}
	f, ok := goja.AssertFunction(in.eval("library.js", library))
	if !ok {
		panic("duktape: the library is no function")
	}
	_, err := f(goja.Undefined(), in.vm.ToValue(version), in.vm.ToValue(in.compileModule), in.vm.ToValue(in.search), in.vm.ToValue(in.own))
	in.must(err)
}

func (in *interpreter) must(err error) {
	if err != nil {
		panic(err)
	}
}

func (in *interpreter) eval(name, text string) goja.Value {
	v, err := in.vm.RunScript(name, text)
	in.must(err)
	return v
}

// define gives an object a function of the server's. One that fails throws.
func (in *interpreter) define(o *goja.Object, f *script.Function) {
	in.must(o.Set(f.Name, func(call goja.FunctionCall) goja.Value {
		args := make([]script.Value, len(call.Arguments))
		for i, v := range call.Arguments {
			bytes := i < len(f.Types) && f.Types[i] == script.Buffer
			args[i] = in.fromJS(v, bytes, 0)
		}
		v, err := in.set.Invoke(f, args)
		if err != nil {
			in.throw(err)
		}
		return in.toJS(v)
	}))
}

func (in *interpreter) throw(err error) {
	e, bad := in.vm.New(in.vm.Get("Error"), in.vm.ToValue(err.Error()))
	in.must(bad)
	panic(e)
}

func (in *interpreter) log(level int) func(call goja.FunctionCall) goja.Value {
	return func(call goja.FunctionCall) goja.Value {
		words := make([]string, len(call.Arguments))
		for i, v := range call.Arguments {
			words[i] = v.String()
		}
		in.set.Log(level, strings.Join(words, " "))
		return goja.Undefined()
	}
}

func (in *interpreter) readFile(path string) string {
	text, err := readFile(path)
	if err != nil {
		in.throw(err)
	}
	return text
}

func readFile(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular() || info.Size() > maxFile:
		return "", fmt.Errorf("%s is no file of at most %d bytes", path, maxFile)
	}
	text, err := os.ReadFile(path)
	return string(text), err
}

// modulesFolder is the setting path.
func (in *interpreter) modulesFolder() string {
	if len(in.set.Folders) == 0 {
		return "."
	}
	return strings.Join(in.set.Folders, ";")
}

// search is the text of a module in the folders of the settings.
func (in *interpreter) search(id string) goja.Value {
	for _, f := range in.set.Folders {
		if text, err := readFile(filepath.Join(f, filepath.Join("/", id)+".js")); err == nil {
			return in.vm.ToValue(text)
		}
	}
	return goja.Undefined()
}

// own is a module of the server's, undefined if there is none of the name.
func (in *interpreter) own(id string) goja.Value {
	for i := range in.set.Modules {
		if m := &in.set.Modules[i]; m.Name == id {
			o := in.vm.NewObject()
			for i := range m.Functions {
				in.define(o, &m.Functions[i])
			}
			return o
		}
	}
	return goja.Undefined()
}

// compileModule makes the function that a module is.
func (in *interpreter) compileModule(id, text string) goja.Value {
	p, err := goja.Compile(id+".js", "(function (require, exports, module) {"+text+"\n})", false)
	if err != nil {
		in.throw(err)
	}
	v, err := in.vm.RunProgram(p)
	if err != nil {
		in.throw(err)
	}
	return v
}

// Run runs the script's file.
func (in *interpreter) Run() error {
	p, err := load(in.set.Path)
	if err != nil {
		return err
	}
	_, err = in.vm.RunProgram(p)
	return explain(err)
}

// Has reports whether the script has a global function.
func (in *interpreter) Has(function string) bool {
	_, ok := goja.AssertFunction(in.vm.Get(function))
	return ok
}

// Call calls it.
func (in *interpreter) Call(function string, args []script.Value) ([]script.Value, error) {
	f, ok := goja.AssertFunction(in.vm.Get(function))
	if !ok {
		return nil, fmt.Errorf("%s: there is no function %s", in.set.Path, function)
	}
	values := make([]goja.Value, len(args))
	for i, v := range args {
		values[i] = in.toJS(v)
	}
	v, err := f(goja.Undefined(), values...)
	if err != nil {
		return nil, explain(err)
	}
	return []script.Value{in.fromJS(v, false, 0)}, nil
}

// explain is an error with the place where it was.
func explain(err error) error {
	if e, ok := errors.AsType[*goja.InterruptedError](err); ok {
		return &interrupted{text: firstLines(e.String()), why: e.Unwrap()}
	}
	if e, ok := errors.AsType[*goja.Exception](err); ok {
		return errors.New(firstLines(e.String()))
	}
	return err
}

// firstLines are the message of an error and the innermost place.
func firstLines(text string) string {
	lines := strings.SplitN(text, "\n", 3)
	if len(lines) > 1 {
		return lines[0] + " " + strings.TrimSpace(lines[1])
	}
	return lines[0]
}

// interrupted is the error of a call that was interrupted, where it was.
type interrupted struct {
	text string
	why  error
}

func (e *interrupted) Error() string { return e.text }
func (e *interrupted) Unwrap() error { return e.why }

// Interrupt has the call that runs end.
func (in *interpreter) Interrupt(why error) { in.vm.Interrupt(why) }

// Resume takes that back.
func (in *interpreter) Resume() { in.vm.ClearInterrupt() }

// Memory is all that can be reached.
func (in *interpreter) Memory() []any { return []any{in.vm} }

// Close has nothing to do.
func (in *interpreter) Close() {}
