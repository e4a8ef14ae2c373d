package nanomsg

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/api/client"
	"bifrons/api/transport"
	"bifrons/api/transport/transporttest"
	"bifrons/rtp/waittest"
)

// addresses are where a server listens in a test.
func addresses(t *testing.T) (api, admin string) {
	dir := t.TempDir()
	return "ipc://" + filepath.Join(dir, "api"), "ipc://" + filepath.Join(dir, "admin")
}

func start(t *testing.T, change func(*Config)) (lab *transporttest.Lab, s *Server, api, admin string) {
	t.Helper()
	api, admin = addresses(t)
	cfg := Config{API: Address{Enabled: true, Address: api}, Admin: Address{Enabled: true, Address: admin}, Common: transport.Common{Log: transporttest.Quiet()}}
	if change != nil {
		change(&cfg)
	}
	lab = transporttest.New(t)
	s, err := New(cfg, lab.Core)
	lab.Carry(s, err)
	return lab, s, api, admin
}

func TestEcho(t *testing.T) {
	waittest.NoLeaks(t)
	lab, _, api, admin := start(t, nil)
	c := lab.Dial(client.Nanomsg(api))
	lab.Echo(c)
	lab.Compare(c)
	lab.Admin(lab.Dial(client.Nanomsg(admin)))
}

func TestFlood(t *testing.T) {
	waittest.NoLeaks(t)
	lab, _, api, _ := start(t, nil)
	lab.Flood(lab.Dial(client.Nanomsg(api)), 10_000, func() {})
}

// TestPeerComesBack: what happens while nobody is there waits for the next peer, once and in
// order, and the session goes on.
func TestPeerComesBack(t *testing.T) {
	waittest.NoLeaks(t)
	lab, s, api, _ := start(t, nil)
	ctx, cancel := transporttest.InTime()
	defer cancel()
	seen := transporttest.NewCounted(t)
	conn, err := client.Nanomsg(api)
	c := lab.Tapped(seen.Tap, conn, err)
	if err := c.Create(ctx); err != nil {
		t.Fatal(err)
	}
	seen.Send(lab.Core, c.Session(), 1, 100)
	seen.Expect(1, 100)
	c.Close()
	waittest.Until(t, "the peer is gone", func() bool { return s.services[0].socket.Peers() == 0 })
	seen.Send(lab.Core, c.Session(), 101, 3000)
	conn, err = client.Nanomsg(api)
	again := lab.Tapped(seen.Tap, conn, err)
	seen.Expect(101, 3000)
	if m, err := again.RequestAbout(ctx, c.Session(), 0, client.Object{"janus": "keepalive"}); err != nil || m.Err() != nil {
		t.Errorf("the session is over: %v %v", m, err)
	}
	seen.Nothing()
}

// TestConnect: the server connects to a peer that listens, and again after that was away.
func TestConnect(t *testing.T) {
	waittest.NoLeaks(t)
	path := "ipc://" + filepath.Join(t.TempDir(), "peer")
	lab, _, _, _ := start(t, func(c *Config) { c.API = Address{Enabled: true, Connect: true, Address: path} })
	for range 2 {
		c := lab.Dial(client.NanomsgListen(path))
		ctx, cancel := transporttest.InTime()
		defer cancel()
		if m, err := c.Request(ctx, client.Object{"janus": "ping"}); err != nil || m.Janus != "pong" {
			t.Fatalf("%v %v", m, err)
		}
		c.Close()
	}
}

// TestTooLarge: a request that is too large is dropped, and the next is answered.
func TestTooLarge(t *testing.T) {
	waittest.NoLeaks(t)
	lab, _, api, _ := start(t, nil)
	c := lab.Dial(client.Nanomsg(api))
	ctx, cancel := transporttest.InTime()
	defer cancel()
	if _, err := c.Send(ctx, client.Object{"janus": "ping", "padding": strings.Repeat("x", maxMessage)}); err != nil {
		t.Fatal(err)
	}
	if m, err := c.Request(ctx, client.Object{"janus": "ping"}); err != nil || m.Transaction != "t2" {
		t.Errorf("%v %v", m, err)
	}
}

// TestNanocat has nanomsg's own program for a peer.
func TestNanocat(t *testing.T) {
	nanocat, err := exec.LookPath("nanocat")
	if err != nil {
		t.Skip("skipped: another implementation of nanomsg (no nanocat here)")
	}
	waittest.NoLeaks(t)
	_, _, api, _ := start(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), waittest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, nanocat, "--pair", "--connect", api, "--raw", "--delay", "1", "--recv-timeout", "5",
		"--data", `{"janus":"ping","transaction":"cat"}`)
	out, _ := cmd.CombinedOutput() // it ends by its time limit
	if !strings.Contains(string(out), `{"janus":"pong","transaction":"cat"}`) {
		t.Errorf("nanocat says %q", out)
	}
}

// TestEvents: event handlers hear of the sockets.
func TestEvents(t *testing.T) {
	waittest.NoLeaks(t)
	heard := make(chan string, 10)
	start(t, func(c *Config) {
		c.Events, c.Notify = true, func(_ string, event []byte) { heard <- string(event) }
	})
	for _, want := range []string{`{"event":"created","admin_api":false,"socket":0}`, `{"event":"created","admin_api":true,"socket":1}`} {
		if got := waittest.Next(t, "an event", heard); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestQuery(t *testing.T) {
	_, s, _, _ := start(t, nil)
	for request, want := range map[string]string{
		`{"request":"configure","json":"x"}`: `{"result":200,"notes":["Ignored unsupported indentation format"]}`,
		`{"request":"connections"}`:          `{"error_code":411,"error":"Unknown request 'connections'"}`,
	} {
		if got := string(s.Query([]byte(request))); got != want {
			t.Errorf("%s: %s", request, got)
		}
	}
	if info, _ := json.Marshal(s.Info()); !strings.Contains(string(info), "JANUS Nanomsg transport plugin") {
		t.Error(string(info))
	}
}

func TestNotOpened(t *testing.T) {
	lab := transporttest.New(t)
	for _, address := range []string{"", "x", "udp://127.0.0.1:1", "ipc:///no/such/folder/socket"} {
		if _, err := New(Config{API: Address{Enabled: true, Address: address}, Common: transport.Common{Log: transporttest.Quiet()}}, lab.Core); err == nil {
			t.Errorf("%q is opened", address)
		}
	}
}
