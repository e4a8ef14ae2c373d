//go:build unix

package main

import (
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/rtp/waittest"
)

// The second signal to stop ends the process, except while it drains: then it
// gets a little time.
func TestRelaySignals(t *testing.T) {
	for _, tt := range []struct {
		name     string
		draining bool
		signals  []os.Signal
		pause    time.Duration // behind them
		passed   int
		ended    bool
	}{
		{"one", false, []os.Signal{syscall.SIGTERM}, time.Hour, 1, false},
		{"two", false, []os.Signal{syscall.SIGTERM, os.Interrupt}, 0, 1, true},
		{"two of the same", false, []os.Signal{os.Interrupt, os.Interrupt}, 0, 1, true},
		{"two, draining", true, []os.Signal{syscall.SIGTERM, syscall.SIGTERM}, lastWord - 1, 2, false},
		{"two, draining, and time", true, []os.Signal{syscall.SIGTERM, syscall.SIGTERM}, lastWord, 2, true},
		{"three, draining", true, []os.Signal{syscall.SIGTERM, syscall.SIGTERM, syscall.SIGTERM}, 0, 2, true},
		{"reloads do not count", true, []os.Signal{syscall.SIGHUP, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGHUP}, time.Hour, 3, false},
		{"nor do they fill it up", true, []os.Signal{syscall.SIGHUP, syscall.SIGHUP, syscall.SIGHUP, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGTERM}, lastWord, 4, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ended atomic.Bool
				e := ender{exit: func(string) { ended.Store(true) }}
				e.draining.Store(tt.draining)
				from, to, over := make(chan os.Signal), make(chan os.Signal, 4), make(chan struct{})
				go func() {
					defer close(over)
					e.relay(from, to)
				}()
				for _, sig := range tt.signals {
					from <- sig
				}
				waittest.Pass(tt.pause)
				if len(to) != tt.passed || ended.Load() != tt.ended {
					t.Errorf("%d passed, ended: %v", len(to), ended.Load())
				}
				close(from)
				<-over
			})
		})
	}
}

// A part that does not end is named, and holds up nothing.
func TestPartThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines strings.Builder
		s := &server{log: slog.New(slog.NewTextHandler(&lines, nil))}
		release := make(chan struct{})
		begun := time.Now()
		s.end("the first", func() { <-release })
		s.end("the second", func() {})
		if took := time.Since(begun); took != partLimit || !strings.Contains(lines.String(), `part="the first"`) || strings.Contains(lines.String(), "second") {
			t.Errorf("%v:\n%s", took, &lines)
		}
		if *s.closing.Load() != "the second" {
			t.Errorf("at work on %s", *s.closing.Load())
		}
		close(release)
	})
}

// Two signals end the process, however it hangs.
func TestTwoSignals(t *testing.T) {
	if folder := os.Getenv("BIFRONS_TO_STOP"); folder != "" {
		os.Exit(run([]string{"-F", folder, "-E", "127.0.0.1"}, os.Stdout, os.Stderr))
	}
	// hang makes a reader of the file wait, and returns when one does.
	hang := func(t *testing.T, path string) {
		_ = os.Remove(path)
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(t *testing.T, path string) {
		waittest.Until(t, "a reader of "+path, func() bool {
			f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
			if err == nil {
				t.Cleanup(func() { f.Close() }) // it waits for more
			}
			return err == nil
		})
	}
	for name, stick := range map[string]func(t *testing.T, dir string, p *os.Process){
		"before the start": func(t *testing.T, dir string, _ *os.Process) { read(t, dir+"/janus.transport.http.jcfg") },
		"starting":         func(t *testing.T, dir string, _ *os.Process) { read(t, dir+"/janus.plugin.streaming.jcfg") },
		"reloading": func(t *testing.T, dir string, p *os.Process) {
			hang(t, dir+"/janus.jcfg")
			_ = p.Signal(syscall.SIGHUP)
			read(t, dir+"/janus.jcfg")
		},
		"draining": func(t *testing.T, dir string, p *os.Process) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := writeFiles(t, map[string]string{
				"janus.jcfg":                      "general: { pid_file = \"PID\" }",
				"janus.transport.websockets.jcfg": "general: { ws = true; ws_unix = \"WS\" }",
			})
			for _, file := range []string{"janus.jcfg", "janus.transport.websockets.jcfg"} {
				b, _ := os.ReadFile(filepath.Join(dir, file))
				text := strings.NewReplacer("PID", dir+"/pid", "WS", dir+"/ws").Replace(string(b))
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			switch name {
			case "before the start":
				hang(t, dir+"/janus.transport.http.jcfg")
			case "starting":
				hang(t, dir+"/janus.plugin.streaming.jcfg")
			}
			cmd := exec.Command(os.Args[0], "-test.run=^TestTwoSignals$")
			cmd.Env = append(os.Environ(), "BIFRONS_TO_STOP="+dir)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = cmd.Wait()
			}()
			defer func() {
				_ = cmd.Process.Kill()
				<-ended
			}()
			if name == "reloading" || name == "draining" {
				var c net.Conn
				waittest.Until(t, "a listener", func() (ok bool) {
					var err error
					c, err = net.Dial("unix", dir+"/ws")
					return err == nil
				})
				defer c.Close()
			}
			stick(t, dir, cmd.Process)
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Process.Signal(syscall.SIGINT)
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatal("two signals do not end it")
			}
			if _, err := os.Stat(dir + "/pid"); err == nil {
				t.Error("the PID file is left")
			}
		})
	}
}
