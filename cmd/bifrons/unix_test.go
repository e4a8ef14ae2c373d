package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bifrons/api/config"
	"bifrons/rtp/waittest"
)

// TestUnixSocket has a session over a Unix socket, with no other transport.
func TestUnixSocket(t *testing.T) {
	waittest.NoLeaks(t)
	path := filepath.Join(t.TempDir(), "api")
	testServer(t, func(c *config.Config) {
		c.HTTP.General.HTTP, c.WebSockets.General.WS = false, false
		c.PFUnix.General.Enabled, c.PFUnix.General.Path = true, path
	})
	conn, err := net.Dial("unixpacket", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	ask := func(m message) message {
		t.Helper()
		b, _ := json.Marshal(m)
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
		packet := make([]byte, 64<<10)
		n, err := conn.Read(packet)
		if err != nil {
			t.Fatal(err)
		}
		var reply message
		if err := json.NewDecoder(bytes.NewReader(packet[:n])).Decode(&reply); err != nil {
			t.Fatal(err)
		}
		return reply
	}
	if info, _ := json.Marshal(ask(message{"janus": "info", "transaction": "1"})); !bytes.Contains(info, []byte("janus.transport.pfunix")) {
		t.Errorf("info lacks the transport: %s", info)
	}
	session := ask(message{"janus": "create", "transaction": "2"}).id()
	handle := ask(message{"janus": "attach", "plugin": "janus.plugin.echotest", "transaction": "3", "session_id": session}).id()
	if session == 0 || handle == 0 {
		t.Errorf("session %d, handle %d", session, handle)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
