//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

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
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=1m")
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

// talk is a WebSocket to a process, and a session.
type talk struct {
	t       *testing.T
	ws      *websocket.Conn
	session uint64
}

func (p *process) talk(t *testing.T, o websocket.DialOptions) *talk {
	t.Helper()
	o.Subprotocols = []string{"janus-protocol"}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://127.0.0.1:%d/", p.port), &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	c := &talk{t: t, ws: ws}
	c.ask("create")
	answer := c.read()
	if _, err := fmt.Sscanf(answer, `{"janus":"success","transaction":"t","data":{"id":%d}}`, &c.session); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	return c
}

func (c *talk) ask(verb string) {
	c.t.Helper()
	text := fmt.Sprintf(`{"janus":%q,"transaction":"t","session_id":%d}`, verb, c.session)
	if err := c.ws.Write(c.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		c.t.Error(err)
	}
}

func (c *talk) read() string {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	_, b, err := c.ws.Read(ctx)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// clients are so many that some would be served too late.
const clients = 30

// TestStoppedProcess stops a whole server for longer than its session timeout,
// as a debugger, a full disk of the hypervisor or a laptop's lid does. Whoever
// wrote to it meanwhile has his session afterwards.
func TestStoppedProcess(t *testing.T) {
	p := newProcess(t, func(c *config.Config) { c.Server.General.SessionTimeout = 2 * time.Second })
	if p == nil {
		return
	}
	talks := make([]*talk, clients)
	for i := range talks {
		talks[i] = p.talk(t, websocket.DialOptions{})
	}
	p.signal(t, syscall.SIGSTOP)
	for _, c := range talks {
		c.ask("keepalive")
	}
	time.Sleep(2700 * time.Millisecond) // has to pass for the other process
	p.signal(t, syscall.SIGCONT)
	for _, c := range talks {
		if got := c.read(); !strings.HasPrefix(got, `{"janus":"ack"`) {
			t.Errorf("session %d: %s", c.session, got)
		}
	}
}

// TestStoppedWhilePinging: an answer to a ping that came while the process was
// stopped keeps the WebSocket.
func TestStoppedWhilePinging(t *testing.T) {
	p := newProcess(t, func(c *config.Config) {
		c.WebSockets.General.PingPongTrigger, c.WebSockets.General.PingPongTimeout = time.Second, 2*time.Second
	})
	if p == nil {
		return
	}
	other := p.talk(t, websocket.DialOptions{})
	var pinged, answered sync.WaitGroup
	pinged.Add(clients)
	answered.Add(clients)
	stopped := make(chan struct{})
	talks, acks := make([]*talk, clients), make(chan string, clients)
	for i := range talks {
		var first sync.Once
		talks[i] = p.talk(t, websocket.DialOptions{
			OnPingReceived: func(context.Context, []byte) bool {
				first.Do(func() {
					pinged.Done()
					<-stopped
					answered.Done()
				})
				return true
			},
		})
		go func() { acks <- talks[i].read() }() // what answers pings, too
	}
	pinged.Wait()
	for busy := range 100 { // so long that the server is done with sending pings
		other.ask("keepalive")
		if got := other.read(); !strings.HasPrefix(got, `{"janus":"ack"`) {
			t.Fatalf("request %d: %s", busy, got)
		}
	}
	p.signal(t, syscall.SIGSTOP)
	close(stopped)
	answered.Wait()
	time.Sleep(2700 * time.Millisecond) // has to pass for the other process
	p.signal(t, syscall.SIGCONT)
	for _, c := range talks {
		c.ask("keepalive")
	}
	for range talks {
		if got := <-acks; !strings.HasPrefix(got, `{"janus":"ack"`) {
			t.Errorf("got %s", got)
		}
	}
}
