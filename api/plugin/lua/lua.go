// Package lua is the plugin for applications that are written in Lua.
package lua

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	engine "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"

	"bifrons/api/kit/script"
	"bifrons/api/module"
)

// Package is the name that clients attach to, unless the script says otherwise.
const Package = "janus.plugin.lua"

// New makes the plugin, with a folder where janus.plugin.lua.jcfg is.
func New(folder string) *script.Plugin {
	return script.New(folder, script.Language{
		Info: module.Info{
			Package: Package, Name: "Janus Lua plugin", Author: module.Author,
			Description:   "A custom plugin for the Lua framework.",
			VersionString: "0.0.1", Version: 1,
		},
		New:     newInterpreter,
		Compile: compile,
		Outcome: outcome,
		Failure: failed,
		Functions: []script.Function{
			{Name: "janusLog", Types: []script.Type{script.Number, script.Text}, Least: 2, Run: script.WriteLog},
		},
	})
}

// compile checks the text of a script.
func compile(path string) error {
	_, err := load(path)
	return err
}

// load reads a script. Errors have its line.
func load(path string) (*engine.FunctionProto, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	chunk, err := parse.Parse(f, path)
	if err != nil {
		return nil, err
	}
	return engine.Compile(chunk, path)
}

// failed is the text that clients get for errors of a script.
const failed = "Lua error"

// outcome is a script's answer to a message: two values, a number and a text.
func outcome(returned []script.Value, err error) script.Outcome {
	wrong := func(text string) script.Outcome { return script.Outcome{Failure: failed, Wrong: errors.New(text)} }
	if err != nil {
		return script.Outcome{Failure: failed}
	}
	if len(returned) != 2 {
		return wrong(fmt.Sprintf("%d values returned, not 2", len(returned)))
	}
	n, isNumber := returned[0].(float64)
	text, _ := returned[1].(string)
	switch {
	case !isNumber:
		return wrong("the first value returned is no number")
	case n < 0:
		return script.Outcome{Failure: cmp.Or(text, failed)}
	case n > 0:
		return script.Outcome{}
	case text == "":
		return wrong("no answer returned")
	}
	return script.Outcome{Data: text}
}
