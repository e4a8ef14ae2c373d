//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	api "bifrons/api/client"
	"bifrons/api/config"
)

// process is a server in a process of its own.
type process struct {
	*os.Process
	port int // of WebSockets
}

// newProcess runs the test once more, as a server, in another process. There it
// returns nil when the server has ended.
func newProcess(t *testing.T, change func(*config.Config)) *process {
	t.Helper()
	const inside = "BIFRONS_PROCESS"
	if os.Getenv(inside) != "" {
		s := testServer(t, change)
		fmt.Printf("port %d\n", s.port("ws"))
		_, _ = io.Copy(io.Discard, os.Stdin)
		return nil
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), inside+"=yes")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{Process: cmd.Process}
	t.Cleanup(func() {
		p.signal(t, syscall.SIGCONT)
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, bad := fmt.Sscanf(line, "port %d", &p.port); err != nil || bad != nil {
		t.Fatalf("the server said %q: %v", line, err)
	}
	return p
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.Signal(s); err != nil {
		t.Error(err)
	}
}

// dial connects to a process and creates a session.
func (p *process) dial(t *testing.T, o websocket.DialOptions) *client {
	t.Helper()
	ctx, cancel := inTime()
	defer cancel()
	conn, err := api.WebSocket(ctx, fmt.Sprintf("ws://127.0.0.1:%d/", p.port), &o)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, conn, nil)
	if err := c.Create(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

// keepalive asks for the session to be kept, without waiting.
func (c *client) keepalive() *api.Pending {
	c.t.Helper()
	ctx, cancel := inTime()
	defer cancel()
	p, err := c.Send(ctx, message{"janus": "keepalive"})
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// acked fails the test unless requests are granted.
func acked(t *testing.T, list ...*api.Pending) {
	t.Helper()
	ctx, cancel := inTime()
	defer cancel()
	for i, p := range list {
		if m, err := p.Wait(ctx); err != nil || m.Janus != "ack" {
			t.Errorf("request %d: %v, %v", i, m, err)
		}
	}
}

// clients are so many that some would be served too late.
const clients = 30

// TestStoppedProcess stops a whole server for longer than its session timeout,
// as a debugger, a full disk of the hypervisor or a laptop's lid does. Whoever
// wrote to it meanwhile has his session afterwards.
func TestStoppedProcess(t *testing.T) {
	p := newProcess(t, func(c *config.Config) { c.Server.General.SessionTimeout = 5 * time.Second })
	if p == nil {
		return
	}
	var all []*client
	for range clients {
		all = append(all, p.dial(t, websocket.DialOptions{}))
	}
	p.signal(t, syscall.SIGSTOP)
	var asked []*api.Pending
	for _, c := range all {
		asked = append(asked, c.keepalive())
	}
	time.Sleep(5700 * time.Millisecond) // has to pass for the other process
	p.signal(t, syscall.SIGCONT)
	acked(t, asked...)
}

// TestStoppedWhilePinging: an answer to a ping that came while the process was
// stopped keeps the WebSocket.
func TestStoppedWhilePinging(t *testing.T) {
	p := newProcess(t, func(c *config.Config) {
		c.WebSockets.General.PingPongTrigger, c.WebSockets.General.PingPongTimeout = time.Second, 5*time.Second
	})
	if p == nil {
		return
	}
	other := p.dial(t, websocket.DialOptions{})
	var pinged, answered sync.WaitGroup
	pinged.Add(clients)
	answered.Add(clients)
	stopped := make(chan struct{})
	var all []*client
	for range clients {
		var first sync.Once
		all = append(all, p.dial(t, websocket.DialOptions{
			OnPingReceived: func(context.Context, []byte) bool {
				first.Do(func() {
					pinged.Done()
					<-stopped
					answered.Done()
				})
				return true
			},
		}))
	}
	pinged.Wait()
	for range 100 { // so long that the server is done with sending pings
		acked(t, other.keepalive())
	}
	p.signal(t, syscall.SIGSTOP)
	close(stopped)
	answered.Wait()
	time.Sleep(5700 * time.Millisecond) // has to pass for the other process
	p.signal(t, syscall.SIGCONT)
	for _, c := range all {
		acked(t, c.keepalive())
	}
}
