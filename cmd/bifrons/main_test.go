package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/api/config"
	"bifrons/api/module"
)

// TestColors: a file and a pipe get none unless somebody asks for them.
func TestColors(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if isTerminal(file) || isTerminal(null) {
		t.Error("a file is no terminal")
	}
	t.Setenv("TERM", "xterm")
	if terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0); err == nil {
		defer terminal.Close()
		if !isTerminal(terminal) {
			t.Error("a terminal is one")
		}
		t.Setenv("TERM", "dumb")
		if isTerminal(terminal) {
			t.Error("a terminal without colours gets some")
		}
	}
	for _, x := range []struct {
		setting config.Choice
		want    bool
	}{{config.On, true}, {config.Off, false}} {
		for _, path := range []string{"", "x"} {
			if got := colors(&config.General{LogToStdout: true, LogToFile: path, DebugColors: x.setting}); got != x.want {
				t.Errorf("debug_colors %q: %v", x.setting, got)
			}
		}
	}
	if colors(&config.General{LogToStdout: true, LogToFile: "x"}) || colors(&config.General{}) {
		t.Error("colours go into a file")
	}
}

// TestHelp runs the commands that explain the program, and end at once.
func TestHelp(t *testing.T) {
	for args, want := range map[string]string{
		"help":            "--drain-timeout=SECONDS",
		"--help":          "--drain-timeout=SECONDS",
		"help check":      "Usage: bifrons check [options]",
		"check --help":    "Usage: bifrons check [options]",
		"doctor -h":       "Usage: bifrons doctor [options]",
		"help help":       "Usage: bifrons help",
		"help --help":     "Usage: bifrons help",
		"help man":        ".TH BIFRONS 1",
		"help completion": "complete -o default",
		"--version":       "bifrons " + module.Version + ",",
		"check --version": "bifrons " + module.Version + ",",
	} {
		var out, complaints strings.Builder
		if code := run(strings.Fields(args), &out, &complaints); code != 0 || !strings.Contains(out.String(), want) || complaints.Len() > 0 {
			t.Errorf("%s: %d, %s%s", args, code, &out, &complaints)
		}
	}
	for _, args := range []string{"help more", "help check doctor", "more"} {
		var out strings.Builder
		if code := run(strings.Fields(args), &out, &out); code != 1 || !strings.Contains(out.String(), "Try --help.") {
			t.Errorf("%s: %d, %s", args, code, &out)
		}
	}
}
