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
	"bifrons/api/plugin"
	"bifrons/api/whip"
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
	srv := &server{cfg: cfg, log: slog.New(slog.DiscardHandler)}
	read, more := srv.modules()
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
		}
		fmt.Fprintf(w, "  %-44s %s\n", name, state)
	}
	if !config.HasErrors(problems) { // else these may be wrong for the same reason
		_, doubts, err := srv.prepare()
		problems = append(problems, doubts...)
		for _, err := range parts(err) {
			problems = append(problems, config.Problem{Text: err.Error()})
		}
	}
	if list := cfg.Settings(); len(list) > 0 {
		fmt.Fprintln(w, "\nSet to other values than the defaults")
		for _, s := range list {
			fmt.Fprintf(w, "  %s = %s\n", s.Name, s.Value)
		}
	}
	wrong := writeProblems(w, "\nWrong: the server does not start like that", problems, func(p *config.Problem) bool { return !p.Warning })
	writeProblems(w, "\nNot protected as it seems to be", problems, func(p *config.Problem) bool { return p.Warning && p.Open != "" })
	writeProblems(w, "\nIgnored, left out or changed", problems, func(p *config.Problem) bool { return p.Warning && p.Open == "" })
	writeProblems(w, "\nThink again about", doubts(cfg), func(*config.Problem) bool { return true })
	if wrong > 0 {
		return 1
	}
	fmt.Fprintln(w, "\nThe server can start with this configuration. To check the machine and the network too: bifrons doctor")
	return 0
}

// parts are the errors that were joined into one.
func parts(err error) []error {
	if err == nil {
		return nil
	}
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		var list []error
		for _, e := range all.Unwrap() {
			list = append(list, parts(e)...)
		}
		return list
	}
	return []error{err}
}

// checked is the state of files whose settings are all looked at.
const checked = "read"

// modules describes the files that the server reads, by package, and
// the problems of those that config does not check.
func (s *server) modules() (list map[string]string, problems []config.Problem) {
	list = map[string]string{"janus": checked}
	for _, name := range config.Transports() {
		list["janus.transport."+name] = checked
	}
	for _, p := range s.plugins() {
		pkg := p.Info().Package
		list[pkg] = checked
		if s.cfg.Server.Plugins.Disabled(shortName(pkg)) {
			list[pkg] = "ignored: the plugin is disabled"
		} else if c, ok := p.(plugin.Checker); ok {
			found, more := c.Check()
			if found != "" {
				list[pkg] = checked + ": " + found
			}
			problems = append(problems, more...)
		}
	}
	if c, on, more := whip.Load(s.cfg.Folder); on {
		list[whip.File] = fmt.Sprintf("%s: %d endpoints", checked, len(c.Endpoints))
		problems = append(problems, more...)
	}
	for _, h := range eventHandlers(s.cfg.Folder, s.log) {
		list[h.Info().Package] = checked
		problems = append(problems, h.problems...)
	}
	_, more := loggerSettings(s.cfg.Folder)
	list[jsonlog.Package] = checked
	return list, append(problems, more...)
}

// writeProblems writes those of the problems that are wanted, each once, and
// returns how many there are.
func writeProblems(w io.Writer, title string, problems []config.Problem, wanted func(*config.Problem) bool) (n int) {
	seen := make(map[string]bool)
	for _, p := range problems {
		if text := p.Error(); wanted(&p) && !seen[text] {
			if seen[text] = true; n == 0 {
				fmt.Fprintln(w, title)
			}
			n++
			fmt.Fprintf(w, "  %s\n", text)
		}
	}
	return n
}
