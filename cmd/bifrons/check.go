package main

import (
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"bifrons/api/config"
	"bifrons/api/log/jsonlog"
)

// check is the sub-command that reads the configuration and says what it
// understood, what it ignores and what is wrong. It returns the exit code.
func check(opt *config.Options, w io.Writer) int {
	cfg, problems := config.Load(opt)
	files := config.Files(cfg.Folder)
	fmt.Fprintf(w, "Configuration in %s\n", cfg.Folder)
	if len(files) == 0 {
		fmt.Fprintln(w, "  no files")
	}
	read := modules(cfg)
	for _, h := range eventHandlers(cfg.Folder, slog.New(slog.DiscardHandler)) {
		read[h.Info().Package] = checked
		problems = append(problems, h.problems...)
	}
	_, more := loggerSettings(cfg.Folder)
	read[jsonlog.Package] = checked
	problems = append(problems, more...)
	for _, path := range files {
		name := filepath.Base(path)
		pkg := strings.TrimSuffix(strings.TrimSuffix(name, ".jcfg"), ".cfg")
		state, known := read[pkg]
		switch {
		case !known:
			state = "ignored: bifrons has no such module"
		case strings.HasSuffix(name, ".cfg") && slices.Contains(files, strings.TrimSuffix(path, ".cfg")+".jcfg"):
			state = "ignored: there is a .jcfg"
		default:
			if _, more := config.LoadFile(cfg.Folder, pkg); state != checked {
				problems = append(problems, more...)
			}
		}
		fmt.Fprintf(w, "  %-44s %s\n", name, state)
	}
	if list := cfg.Settings(); len(list) > 0 {
		fmt.Fprintln(w, "\nSet to other values than the defaults")
		for _, s := range list {
			fmt.Fprintf(w, "  %s = %s\n", s.Name, s.Value)
		}
	}
	errors := writeProblems(w, "\nWrong: the server does not start like that", problems, false)
	writeProblems(w, "\nIgnored or changed", problems, true)
	writeProblems(w, "\nThink again about", doubts(cfg), true)
	if errors > 0 {
		return 1
	}
	fmt.Fprintln(w, "\nThe server can start with this configuration.")
	return 0
}

// checked is the state of files whose settings are all looked at.
const checked = "read"

// modules are the files that the server reads.
func modules(cfg *config.Config) map[string]string {
	list := map[string]string{
		"janus": checked, "janus.transport.http": checked, "janus.transport.websockets": checked,
		"janus.transport.pfunix": checked, "janus.plugin.echotest": checked,
	}
	s := &server{cfg: cfg}
	for _, p := range s.plugins() {
		if pkg := p.Info().Package; list[pkg] == "" {
			list[pkg] = "read by the plugin"
		}
	}
	return list
}

// writeProblems writes the warnings or the errors of a list, each once, and
// returns how many there are.
func writeProblems(w io.Writer, title string, problems []config.Problem, warnings bool) (n int) {
	seen := make(map[string]bool)
	for _, p := range problems {
		if text := p.Error(); p.Warning == warnings && !seen[text] {
			if seen[text] = true; n == 0 {
				fmt.Fprintln(w, title)
			}
			n++
			fmt.Fprintf(w, "  %s\n", text)
		}
	}
	return n
}
