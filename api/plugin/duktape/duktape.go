// Package duktape is the plugin for applications that are written in JavaScript, with the
// functions that scripts for the engine Duktape know.
package duktape

import (
	"errors"
	"os"

	"github.com/dop251/goja"

	"bifrons/api/kit/script"
	"bifrons/api/module"
)

// Package is the name that clients attach to, unless the script says otherwise.
const Package = "janus.plugin.duktape"

// version is the release of Duktape whose functions scripts find, as it counts them.
const version = 20700

// New makes the plugin, with a folder where janus.plugin.duktape.jcfg is.
func New(folder string) *script.Plugin {
	return script.New(folder, script.Language{
		Info: module.Info{
			Package: Package, Name: "Janus JavaScript plugin (Duktape)", Author: module.Author,
			Description:   "A custom plugin for implementing the logic in JavaScript, via Duktape.",
			VersionString: "0.0.1", Version: 1,
		},
		New:     newInterpreter,
		Compile: compile,
		Outcome: outcome,
		Failure: failed,
		Strict:  true,
	})
}

// compile checks the text of a script.
func compile(path string) error {
	_, err := load(path)
	return err
}

// load reads a script. Errors have its line.
func load(path string) (*goja.Program, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return goja.Compile(path, string(text), false)
}

// failed is the text that clients get for errors of a script.
const failed = "Duktape error"

// outcome is a script's answer to a message: a text, or a number.
func outcome(returned []script.Value, err error) script.Outcome {
	o := script.Outcome{Failure: failed}
	if err != nil || len(returned) == 0 {
		return o
	}
	switch v := returned[0].(type) {
	case string:
		if v != "" {
			return script.Outcome{Data: v}
		}
		o.Wrong = errors.New("an empty text returned")
	case float64:
		if v >= 0 {
			return script.Outcome{}
		}
	default:
		o.Wrong = errors.New("neither a text nor a number returned")
	}
	return o
}
