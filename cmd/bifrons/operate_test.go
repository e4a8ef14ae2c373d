package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
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
	waittest.NoLeaks(t)
	s := testServer(t, nil)
	base := "http://127.0.0.1:" + strconv.Itoa(s.port("http"))
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
	waittest.Until(t, "that it is not ready", func() bool {
		code, _ := get(t, base+"/readyz")
		return code == http.StatusServiceUnavailable
	})
	if code, _ := get(t, base+"/healthz"); code != http.StatusOK {
		t.Errorf("health: %d", code)
	}
	if answer, _ := post(t, base+"/janus", nil, message{"janus": "create"})["error"].(map[string]any); answer["code"] != 472.0 {
		t.Errorf("a new session: %v", answer)
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

// listed counts a key in what a plugin lists.
func listed(t *testing.T, s *server, pkg, key string) int {
	t.Helper()
	doc, err := json.Parse([]byte(`{"request":"list"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer doc.Release()
	answer, bad := s.core.Plugin(pkg).Admin(doc.Root())
	if bad != nil {
		t.Fatal(bad)
	}
	return strings.Count(string(answer), key)
}

func TestReload(t *testing.T) {
	waittest.NoLeaks(t)
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
	write("janus.plugin.streaming.jcfg", `one: { type = "rtp"; id = 1; audio = true; audioport = 0; audiopt = 0; audiocodec = "pcmu" }`)
	s := testServer(t, func(c *config.Config) {
		next, problems := load()
		if config.HasErrors(problems) {
			t.Fatal(problems)
		}
		*c = *next
	})
	write("janus.jcfg", `general: { debug_level = 5; session_timeout = 90; event_loops = 2 }`)
	write("janus.plugin.videoroom.jcfg", `room-1: { description = "one" } room-2: { description = "two" }`)
	write("janus.plugin.streaming.jcfg", `one: { type = "rtp"; id = 1; audio = true; audioport = 0; audiopt = 0; audiocodec = "pcmu" }
		two: { type = "rtp"; id = 2; audio = true; audioport = 0; audiopt = 0; audiocodec = "pcmu" }`)
	s.reload(load, map[string]bool{})
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
	if got := listed(t, s, "janus.plugin.videoroom", `"room":`); got != 2 {
		t.Errorf("%d rooms", got)
	}
	if got := listed(t, s, "janus.plugin.streaming", `"id":`); got != 2 {
		t.Errorf("%d mountpoints", got)
	}

	write("janus.jcfg", `general: { debug_level = "very`)
	s.reload(load, map[string]bool{})
	if n := s.out.Level(); n != 5 {
		t.Errorf("log level %d after a file that is wrong", n)
	}
}

// A reload never takes protection away, whatever has become of the files.
func TestReloadNeverWeakens(t *testing.T) {
	waittest.NoLeaks(t)
	const good = `general: { debug_level = 3; admin_secret = "guard"; api_secret = "pass" }`
	for name, change := range map[string]func(dir string) error{
		"empty":    func(dir string) error { return os.WriteFile(dir+"/janus.jcfg", nil, 0o600) },
		"comments": func(dir string) error { return os.WriteFile(dir+"/janus.jcfg", []byte("# soon\n"), 0o600) },
		"cut off":  func(dir string) error { return os.WriteFile(dir+"/janus.jcfg", []byte(good[:60]), 0o600) },
		"without its start": func(dir string) error {
			return os.WriteFile(dir+"/janus.jcfg", []byte(`nat: { ice_lite = true }`), 0o600)
		},
		"without a secret": func(dir string) error {
			return os.WriteFile(dir+"/janus.jcfg", []byte(`general: { debug_level = 5; api_secret = "pass" }`), 0o600)
		},
		"without the other secret": func(dir string) error {
			return os.WriteFile(dir+"/janus.jcfg", []byte(`general: { debug_level = 5; admin_secret = "guard" }`), 0o600)
		},
		"gone": func(dir string) error { return os.Remove(dir + "/janus.jcfg") },
		"an old one": func(dir string) error {
			return os.Rename(dir+"/old", dir+"/janus.cfg")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{
				"janus.jcfg": good, "old": "[general]\ndebug_level = 5\nadmin_secret = old\napi_secret = old\n",
				"janus.transport.http.jcfg": "general: { http = true } admin: { admin_http = true; admin_acl = \"127.\" }",
			})
			load := func() (*config.Config, []config.Problem) {
				c, problems := config.LoadDir(dir, "")
				c.HTTP.General.Port, c.HTTP.Admin.Port = 0, 0
				c.Server.NAT.EnforceList = []string{"127.0.0.1"}
				return c, problems
			}
			s := testServer(t, func(c *config.Config) {
				next, problems := load()
				if config.HasErrors(problems) {
					t.Fatal(problems)
				}
				*c = *next
			})
			if name == "an old one" {
				if err := os.WriteFile(dir+"/janus.jcfg", []byte("{"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := change(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir+"/janus.transport.http.jcfg", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			level := s.out.Level()
			s.reload(load, map[string]bool{})
			if n := s.out.Level(); n != level {
				t.Errorf("log level %d", n)
			}
			for _, x := range []struct {
				api, path string
				fields    message
				want      any
			}{
				{"admin_http", "admin", message{"janus": "list_sessions"}, 403.0},
				{"admin_http", "admin", message{"janus": "list_sessions", "admin_secret": ""}, 403.0},
				{"admin_http", "admin", message{"janus": "list_sessions", "admin_secret": "old"}, 403.0},
				{"admin_http", "admin", message{"janus": "list_sessions", "admin_secret": "guard"}, "success"},
				{"http", "janus", message{"janus": "create"}, 403.0},
				{"http", "janus", message{"janus": "create", "apisecret": "old"}, 403.0},
				{"http", "janus", message{"janus": "create", "apisecret": "pass"}, "success"},
			} {
				answer := post(t, s.url(x.api)+x.path, nil, x.fields)
				if failure, _ := answer["error"].(map[string]any); answer["janus"] != x.want && failure["code"] != x.want {
					t.Errorf("%v: %v, want %v", x.fields, answer, x.want)
				}
			}
		})
	}
}

// A file that is empty is one that is being written: it is read again by itself.
func TestReloadTriesAgain(t *testing.T) {
	waittest.NoLeaks(t)
	dir := t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "janus.jcfg"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var reads atomic.Int32
	load := func() (*config.Config, []config.Problem) {
		reads.Add(1)
		c, problems := config.LoadDir(dir, "")
		c.HTTP = config.Default().HTTP
		c.HTTP.General.Port = 0
		c.Server.NAT.EnforceList = []string{"127.0.0.1"}
		return c, problems
	}
	write(`general: { debug_level = 3; admin_secret = "guard" }`)
	s := testServer(t, func(c *config.Config) {
		next, _ := load()
		*c = *next
	})
	signals, ended := make(chan os.Signal, 1), make(chan os.Signal)
	go func() { ended <- s.serve(signals, load) }()
	before := reads.Load()
	write("")
	signals <- syscall.SIGHUP
	waittest.Until(t, "the file to be read", func() bool { return reads.Load() > before })
	if s.out.Level() == 5 {
		t.Error("an empty file has a log level")
	}
	write(`general: { debug_level = 5; admin_secret = "guard" }`)
	waittest.Until(t, "the file to be read again", func() bool { return s.out.Level() == 5 })
	signals <- syscall.SIGTERM
	if sig := <-ended; sig != syscall.SIGTERM {
		t.Errorf("ended by %v", sig)
	}
}

// It is not read again and again for ever.
func TestReloadGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines strings.Builder
		s := &server{cfg: config.Default(), log: slog.New(slog.NewTextHandler(&lines, nil))}
		s.cfg.MainFile = "janus.jcfg"
		reads := 0
		load := func() (*config.Config, []config.Problem) {
			reads++
			return config.Default(), nil
		}
		signals, ended := make(chan os.Signal), make(chan struct{})
		go func() {
			defer close(ended)
			s.serve(signals, load)
		}()
		signals <- syscall.SIGHUP
		waittest.Pass(time.Hour)
		if reads != reloadTries || strings.Count(lines.String(), "janus.jcfg: is gone") != 1 {
			t.Errorf("read %d times:\n%s", reads, &lines)
		}
		signals <- syscall.SIGTERM
		<-ended
	})
}

// SIGTERM in the middle of calls: nothing is cut before the time is over, then
// every client is told.
func TestStopUnderCalls(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, nil)
	const calls = 50
	peers := make([]*pionPeer, calls)
	var all sync.WaitGroup
	handshakes := make(chan struct{}, 4)
	for i := range peers {
		all.Go(func() {
			handshakes <- struct{}{}
			defer func() { <-handshakes }()
			p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{})
			p.call(echoRequest(), nil)
			p.awaitUp()
			peers[i] = p
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow() // not all are there
	}
	signals, drained := make(chan os.Signal, 1), make(chan struct{})
	go func() {
		defer close(drained)
		s.drain(time.Hour, signals)
	}()
	waittest.Until(t, "that it drains", func() bool { return s.ready() != nil })
	for _, p := range peers {
		all.Go(func() {
			p.playAll(webrtctest.Pace{Frames: 20, Packets: 2, Every: 20 * time.Millisecond})
			p.Heard.Clean(t)
			p.Seen.Clean(t)
		})
	}
	all.Wait()
	if n := len(s.core.Sessions()); n != calls {
		t.Errorf("%d sessions are left of %d", n, calls)
	}
	signals <- syscall.SIGTERM // the time is over
	<-drained
	s.goodbye()
	for _, p := range peers {
		p.expectEnd("Server is stopping")
		p.h.awaitKind("detached")
		p.Close()
	}
	s.Close()
}

// A certificate for DTLS that is renewed is for calls to come; those that there
// are go on with theirs.
func TestRenewCertificate(t *testing.T) {
	waittest.NoLeaks(t)
	dir := t.TempDir()
	cert, key := selfSigned(t, dir, "one")
	s := testServer(t, func(c *config.Config) {
		c.Server.Certificates.Cert, c.Server.Certificates.Key = cert, key
	})
	call := func() *pionPeer {
		p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{})
		p.call(echoRequest(), nil)
		p.awaitUp()
		return p
	}
	first := call()
	before := s.engine.Certificate()
	selfSigned(t, dir, "two")
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(cert, later, later); err != nil {
		t.Fatal(err)
	}
	s.renewCertificate()
	if s.engine.Certificate() == before {
		t.Fatal("the certificate is the old one")
	}
	second := call()
	for _, p := range []*pionPeer{first, second} {
		p.playAll(webrtctest.Pace{Frames: 20, Packets: 2, Every: 20 * time.Millisecond})
		p.Heard.Clean(t)
		p.Seen.Clean(t)
	}
	if err := os.WriteFile(cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	now := s.engine.Certificate()
	s.renewCertificate()
	if s.engine.Certificate() != now {
		t.Error("a broken certificate was taken")
	}
}
