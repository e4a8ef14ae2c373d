// Package server runs the servers that are measured, inside a network
// namespace, and reads their usage.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"bifrons/bench/internal/netns"
)

// wsPort is where the Janus API is reached by WebSocket.
const wsPort = "8188"

// The Admin API of bifrons.
const (
	adminPort   = "7088"
	AdminSecret = "bench"
)

// Limits for a server to come up and to end.
const (
	startPatience = 15 * time.Second
	stopPatience  = 5 * time.Second
)

// Spec says how to run a server.
type Spec struct {
	Name    string
	Version string
	// Plain is a server without the Janus API, whose signalling is that of
	// bench/internal/forwarder.
	Plain  bool
	binary string
	args   func(dir string) []string
	setup  func(dir string) error // writes the configuration into dir
}

// With is the server with further files in its configuration.
func (s Spec) With(files map[string]string) Spec {
	setup := s.setup
	s.setup = func(dir string) error {
		if err := setup(dir); err != nil {
			return err
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				return err
			}
		}
		return nil
	}
	return s
}

// Process is a server that runs.
type Process struct {
	URL   string         // of the Janus API by WebSocket
	HTTP  string         // of the Janus API by HTTP
	Admin string         // of the Admin API of bifrons
	Base  string         // of the signalling of a plain forwarder
	Stdin io.WriteCloser // closed by Stop

	name   string
	binary string
	cmd    *exec.Cmd
	dir    string
	done   chan struct{} // closed when the process has ended
}

// Start runs a server on a configuration of its own and waits until it can be
// reached.
func (s Spec) Start(ctx context.Context, pair *netns.Pair) (p *Process, err error) {
	dir, err := os.MkdirTemp("", "bifrons-bench-")
	if err != nil {
		return nil, err
	}
	p = &Process{
		URL:   "ws://" + net.JoinHostPort(netns.InsideAddr, wsPort) + "/",
		HTTP:  "http://" + net.JoinHostPort(netns.InsideAddr, "8088") + "/janus",
		Admin: "http://" + net.JoinHostPort(netns.InsideAddr, adminPort) + "/admin",
		Base:  "http://" + net.JoinHostPort(netns.InsideAddr, wsPort),
		name:  s.Name, binary: s.binary, dir: dir, done: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			p.Stop()
		}
	}()
	if err := s.setup(dir); err != nil {
		return p, fmt.Errorf("%s: %w", s.Name, err)
	}
	log, err := os.Create(p.logFile())
	if err != nil {
		return p, err
	}
	defer log.Close()
	cmd := pair.Command(s.binary, s.args(dir)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	dieWithParent(cmd)
	if p.Stdin, err = cmd.StdinPipe(); err != nil {
		return p, err
	}
	if err := cmd.Start(); err != nil {
		return p, fmt.Errorf("%s: %w", s.Name, err)
	}
	p.cmd = cmd
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	return p, p.awaitUp(ctx)
}

// Dir is the folder that it runs in, for as long as it does.
func (p *Process) Dir() string { return p.dir }

func (p *Process) logFile() string { return filepath.Join(p.dir, "log") }

// awaitUp waits until the API's port takes connections.
func (p *Process) awaitUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(netns.InsideAddr, wsPort))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %s", p.name, p.lastLog())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %s", p.name, p.lastLog())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// lastLog is the end of the server's output.
func (p *Process) lastLog() string {
	const most = 2000
	b, _ := os.ReadFile(p.logFile())
	return strings.TrimSpace(string(b[max(0, len(b)-most):]))
}

// Running returns an error if the process has ended.
func (p *Process) Running() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended: %s", p.name, p.lastLog())
	default:
		return nil
	}
}

// Stop ends the process, waits for it, and removes its files.
func (p *Process) Stop() {
	if p.cmd != nil {
		_ = p.Stdin.Close()
		_ = p.cmd.Process.Signal(os.Interrupt)
		select {
		case <-p.done:
		case <-time.After(stopPatience):
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	}
	_ = os.RemoveAll(p.dir)
}

// errNoJanus is returned where there is nothing to compare with.
var errNoJanus = errors.New("janus is not installed")
