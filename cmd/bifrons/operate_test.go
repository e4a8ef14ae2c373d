package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/plugin"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// A server that is to stop refuses new sessions, lets the others end, and says
// goodbye to those that do not.
func TestDrain(t *testing.T) {
	leakCheck(t)
	s := testServer(t, nil)
	base := "http://127.0.0.1:" + strconv.Itoa(s.httpPort("http"))
	if code, text := get(t, base+"/readyz"); code != http.StatusOK {
		t.Fatalf("not ready: %d %s", code, text)
	}
	short, long := dial(t, s), dial(t, s)
	handle := long.attach("janus.plugin.echotest")

	signals := make(chan os.Signal, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.drain(time.Hour, signals)
	}()
	eventually(t, "that it is not ready", func() bool {
		code, _ := get(t, base+"/readyz")
		return code == http.StatusServiceUnavailable
	})
	if code, _ := get(t, base+"/healthz"); code != http.StatusOK {
		t.Errorf("health: %d", code)
	}
	resp, err := http.Post(base+"/janus", "application/json", strings.NewReader(`{"janus":"create","transaction":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if !strings.Contains(string(answer), "472") {
		t.Errorf("a new session: %s", answer)
	}
	short.request(message{"janus": "destroy"})
	select {
	case <-drained:
		t.Fatal("did not wait for the other session")
	default:
	}
	signals <- syscall.SIGTERM
	<-drained
	s.goodbye()
	handle.awaitKind("detached")
}

// rooms counts the rooms of VideoRoom.
func rooms(t *testing.T, s *server) int {
	t.Helper()
	doc, err := json.Parse([]byte(`{"request":"list"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer doc.Release()
	answer, bad := s.core.Plugin("janus.plugin.videoroom").Admin(doc.Root())
	if bad != nil {
		t.Fatal(bad)
	}
	return strings.Count(string(answer), `"room":`)
}

func TestReload(t *testing.T) {
	leakCheck(t)
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func() (*config.Config, []config.Problem) {
		c, problems := config.LoadDir(dir, "")
		c.HTTP.General.Port = 0
		c.Server.NAT.EnforceList = []string{"127.0.0.1"}
		return c, problems
	}
	write("janus.jcfg", `general: { debug_level = 3; session_timeout = 60; event_loops = 1 }`)
	write("janus.transport.http.jcfg", `general: { http = true }`)
	write("janus.plugin.videoroom.jcfg", `room-1: { description = "one" }`)
	s := testServer(t, func(c *config.Config) {
		next, problems := load()
		if config.HasErrors(problems) {
			t.Fatal(problems)
		}
		*c = *next
	})
	write("janus.jcfg", `general: { debug_level = 5; session_timeout = 90; event_loops = 2 }`)
	write("janus.plugin.videoroom.jcfg", `room-1: { description = "one" } room-2: { description = "two" }`)
	s.reload(load)
	if n := s.out.Level(); n != 5 {
		t.Errorf("log level %d", n)
	}
	if d := s.core.SessionTimeout(); d != 90*time.Second {
		t.Errorf("session timeout %v", d)
	}
	// Two rooms, both known, and neither twice.
	for _, p := range s.core.Plugins() {
		r, ok := p.(plugin.Reloader)
		if !ok {
			continue
		}
		if added, err := r.Reload(); err != nil || len(added) > 0 {
			t.Errorf("added another time: %v, %v", added, err)
		}
	}
	if got := rooms(t, s); got != 2 {
		t.Errorf("%d rooms", got)
	}

	write("janus.jcfg", `general: { debug_level = "very`)
	s.reload(load)
	if n := s.out.Level(); n != 5 {
		t.Errorf("log level %d after a file that is wrong", n)
	}
}
