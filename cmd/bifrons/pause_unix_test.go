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
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"bifrons/api/config"
)

// TestStoppedProcess stops a whole server for longer than its session timeout,
// as a debugger, a full disk of the hypervisor or a laptop's lid does. Whoever
// wrote to it meanwhile has his session afterwards.
func TestStoppedProcess(t *testing.T) {
	const inside = "BIFRONS_STOPPED"
	if os.Getenv(inside) != "" {
		s := testServer(t, func(c *config.Config) { c.Server.General.SessionTimeout = 2 * time.Second })
		fmt.Printf("port %d\n", port(s.ws.Addrs("ws")))
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStoppedProcess$", "-test.timeout=1m")
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
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	var port int
	if _, bad := fmt.Sscanf(line, "port %d", &port); err != nil || bad != nil {
		t.Fatalf("the server said %q: %v", line, err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	type talk struct {
		*websocket.Conn
		session uint64
	}
	ask := func(c *talk, verb string) {
		text := fmt.Sprintf(`{"janus":%q,"transaction":"t","session_id":%d}`, verb, c.session)
		if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	read := func(c *talk) string {
		_, b, err := c.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	talks := make([]*talk, 50) // so many that some would be read too late
	for i := range talks {
		ws, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://127.0.0.1:%d/", port), &websocket.DialOptions{Subprotocols: []string{"janus-protocol"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ws.CloseNow() })
		talks[i] = &talk{Conn: ws}
		ask(talks[i], "create")
		if _, err := fmt.Sscanf(read(talks[i]), `{"janus":"success","transaction":"t","data":{"id":%d}}`, &talks[i].session); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, c := range talks {
		ask(c, "keepalive")
	}
	time.Sleep(2700 * time.Millisecond) // has to pass for the other process
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for _, c := range talks {
		if got := read(c); !strings.HasPrefix(got, `{"janus":"ack"`) {
			t.Errorf("session %d: %s", c.session, got)
		}
	}
}
