package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	api "bifrons/api/client"
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
	ctx, cancel := inTime()
	defer cancel()
	conn, err := api.Unix(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, conn, nil)
	if info, _ := json.Marshal(c.request(message{"janus": "info"})); !strings.Contains(string(info), "janus.transport.pfunix") {
		t.Errorf("info lacks the transport: %s", info)
	}
	if err := c.Create(ctx); err != nil {
		t.Fatal(err)
	}
	h := c.attach(echoPackage)
	h.message(message{"audio": true}, nil)
	h.awaitData("result", "ok")
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
