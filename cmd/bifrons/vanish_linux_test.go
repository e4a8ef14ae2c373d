package main

import (
	"os/exec"
	"testing"
	"time"

	"bifrons/api/config"
	"bifrons/api/janus"
	"bifrons/rtp/waittest"
)

// TestVanishedClient has the network of two clients vanish: their WebSockets
// are given up by TCP alone, whether or not something is being sent to them.
func TestVanishedClient(t *testing.T) {
	if !soak() {
		t.Skip("takes a minute (make soak)")
	}
	if !inNamespace(t, "ip link set lo up", "nft") {
		return
	}
	s := testServer(t, func(c *config.Config) {
		c.HTTP.General.HTTP = false
		c.WebSockets.General.Port = 18188
		c.WebSockets.General.PingPongTrigger = 0
		c.Server.General.SessionTimeout = 0
	})
	silent, busy := dial(t, s), dial(t, s)
	kept := s.core.Session(silent.Session())
	conn := s.core.Session(busy.Session()).Conn()
	if kept == nil || s.gate.Connections() != 2 {
		t.Fatalf("%d connections", s.gate.Connections())
	}
	rules := "table inet x { chain in { type filter hook input priority 0; tcp dport 18188 drop; tcp sport 18188 drop; }; }"
	if out, err := exec.CommandContext(t.Context(), "nft", rules).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	conn.Deliver(busy.Session(), janus.Event{Head: []byte(`{"janus":"event"}`)})
	begin := time.Now()
	for limit := time.After(2 * time.Minute); s.gate.Connections() > 0; {
		select {
		case <-limit:
			t.Fatalf("%d of 2 connections are still there", s.gate.Connections())
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Logf("given up after %v", time.Since(begin))
	waittest.Until(t, "their sessions end with them", func() bool { return len(s.core.Sessions()) == 0 })
	for _, c := range []*client{silent, busy} {
		c.Abort()
	}
}
