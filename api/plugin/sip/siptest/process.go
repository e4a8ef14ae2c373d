package siptest

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"bifrons/rtp/waittest"
)

// Process is a program that runs.
type Process struct {
	t     testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	log   string
	ended chan struct{}
	stop  func()
}

// Start runs a program in a folder, until it is stopped or the test ends. If the test has failed then, it is told
// what the program has written.
func Start(t testing.TB, dir, path string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(path, args...), log: filepath.Join(dir, "log"), ended: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, out, out
	p.cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_RUNTIME_DIR="+dir)
	waittest.OwnGroup(p.cmd)
	if p.in, err = p.cmd.StdinPipe(); err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		out.Close()
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		out.Close()
		close(p.ended)
	}()
	p.stop = sync.OnceFunc(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it ends its children
		late := time.AfterFunc(10*time.Second, func() { waittest.SignalGroup(p.cmd, syscall.SIGKILL) })
		<-p.ended
		late.Stop()
	})
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(path), p.Output())
		}
	})
	return p
}

// Stop ends the program, and waits for that.
func (p *Process) Stop() { p.stop() }

// Ended reports whether the program has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Output is the program's output so far.
func (p *Process) Output() string { return read(p.log) }

// read is the content of a file so far.
func read(file string) string {
	b, _ := os.ReadFile(file)
	return string(b)
}

// Type writes a line to the program's standard input.
func (p *Process) Type(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatalf("%s: %v", line, err)
	}
}

// Await waits until the program's output is as wanted.
func (p *Process) Await(what string, ok func(output string) bool) {
	p.t.Helper()
	waittest.Until(p.t, what, func() bool {
		if p.Ended() {
			p.t.Fatalf("%s: the program has ended", what)
		}
		return ok(p.Output())
	})
}
