package log

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newLog(t *testing.T, cfg Config) (*Log, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	cfg.Stdout = &out
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l, &out
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		log  func(*slog.Logger)
		want string
	}{
		{Config{Level: Info}, func(l *slog.Logger) { l.Info("hello") }, "hello\n"},
		{Config{Level: Info}, func(l *slog.Logger) { l.Info("with", "n", 1, "s", "a b") }, `with n=1 s="a b"` + "\n"},
		{Config{Level: Info}, func(l *slog.Logger) { l.Warn("x") }, "[WARN] x\n"},
		{Config{Level: Info}, func(l *slog.Logger) { l.Error("x", "level", 3, "time", 4) }, "[ERR] x level=3 time=4\n"},
		{Config{Level: Info, Colors: true}, func(l *slog.Logger) { l.Error("x") }, "[\x1b[31mERR\x1b[0m] x\n"},
		{Config{Level: Info, Colors: true}, func(l *slog.Logger) { l.Info("x") }, "x\n"},
		{Config{Level: Info, Prefix: "p: "}, func(l *slog.Logger) { l.Info("x") }, "p: x\n"},
		{Config{Level: Info}, func(l *slog.Logger) { l.Info("a\nb\x1b[0m") }, `a\nb\x1b[0m` + "\n"},
		{Config{Level: Info}, func(l *slog.Logger) { l.With("k", "v").WithGroup("g").Info("x", "n", 1) }, "x k=v g.n=1\n"},
		{Config{Level: Info}, func(l *slog.Logger) { l.Debug("x") }, ""},
		{Config{Level: Debug}, func(l *slog.Logger) { l.Debug("x") }, "x\n"},
		{Config{Level: Warning}, func(l *slog.Logger) { l.Info("x"); l.Warn("y") }, "[WARN] y\n"},
		{Config{Level: None}, func(l *slog.Logger) { l.Log(context.Background(), Slog(Fatal), "x") }, ""},
		{Config{Level: Fatal}, func(l *slog.Logger) { l.Log(context.Background(), Slog(Fatal), "x") }, "[FATAL] x\n"},
	} {
		l, out := newLog(t, c.cfg)
		c.log(l.Logger())
		if out.String() != c.want {
			t.Errorf("%+v: %q, want %q", c.cfg, out, c.want)
		}
	}
}

func TestLevels(t *testing.T) {
	for level := Fatal; level <= Debug; level++ {
		if got := levelOf(Slog(level)); got != level {
			t.Errorf("level %d comes back as %d", level, got)
		}
	}
	for l, want := range map[slog.Level]int{
		slog.LevelError: Error, slog.LevelWarn: Warning, slog.LevelInfo: Info, slog.LevelDebug: Verbose, -100: Debug, 100: Fatal,
	} {
		if got := levelOf(l); got != want {
			t.Errorf("%v is level %d, want %d", l, got, want)
		}
	}
}

// TestChangedSettings changes everything under a logger that was made before.
func TestChangedSettings(t *testing.T) {
	l, out := newLog(t, Config{Level: Info})
	log := l.Logger().With("k", 1)
	log.Debug("no")
	l.SetLevel(Verbose)
	l.SetColors(true)
	l.SetTimestamps(true)
	log.Debug("yes")
	log.Warn("yes")
	l.SetLevel(99)
	if l.Level() != Debug || !l.Colors() || !l.Timestamps() {
		t.Errorf("level %d, colours %v, timestamps %v", l.Level(), l.Colors(), l.Timestamps())
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 3 {
		t.Fatalf("%q", out)
	}
	stamp, rest, _ := strings.Cut(lines[1], "] ")
	if _, err := time.Parse("[Mon Jan _2 15:04:05 2006", stamp); err != nil || rest != "[\x1b[33mWARN\x1b[0m] yes k=1" {
		t.Errorf("%q: %v", lines[1], err)
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	l, out := newLog(t, Config{Level: Info, File: path})
	log := l.Logger()
	log.Info("one")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	log.Info("two")
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	log.Info("three")
	for name, want := range map[string]string{path + ".1": "one\ntwo\n", path: "three\n"} {
		if got, err := os.ReadFile(name); string(got) != want {
			t.Errorf("%s has %q, want %q (%v)", name, got, want, err)
		}
	}
	if out.String() != "one\ntwo\nthree\n" {
		t.Errorf("standard output has %q", out)
	}
	if _, err := New(Config{File: filepath.Join(dir, "missing", "log")}); err == nil {
		t.Error("a file in a folder that is not there")
	}
}
