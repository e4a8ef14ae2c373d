package script

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
)

func message(t *testing.T, transaction string) *plugin.Request {
	return &plugin.Request{Transaction: transaction, Body: plugintest.Parse(t, `{}`)}
}

// A script that loops is stopped, and goes on with other messages.
func TestEndlessLoop(t *testing.T) {
	l := newLanguage()
	b := start(t, l, "time_limit = 300")
	c, _ := b.attach()
	l.on("handleMessage", func([]Value) ([]Value, error) { return nil, l.last.hang() })
	if res := c.Message("t", `{}`, nil); res.Failure != "script:7: "+ErrTime.Error() {
		t.Errorf("got %+v", res)
	}
	b.core.AwaitLog(ErrTime.Error())
	if got := b.core.Notices(); !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, `"event":"script-error","function":"handleMessage"`) }) {
		t.Errorf("event handlers hear %v", got)
	}
	l.returns("handleMessage", `{"fine":true}`)
	if res := c.Message("t", `{}`, nil); string(res.Data) != `{"fine":true}` {
		t.Errorf("afterwards %+v", res)
	}
	if got := b.core.Admin(`{"request":"script_status"}`); !strings.Contains(got, `"stopped":1,`) {
		t.Errorf("status %s", got)
	}
}

// A panic of an interpreter is an error of the script.
func TestPanic(t *testing.T) {
	l := newLanguage()
	b := start(t, l, "")
	c, _ := b.attach()
	l.on("handleMessage", func([]Value) ([]Value, error) { panic("oops") })
	if res := c.Message("t", `{}`, nil); res.Failure != "handleMessage: oops" {
		t.Errorf("got %+v", res)
	}
}

// A script that holds too much memory is loaded again, and its sessions end.
func TestMemory(t *testing.T) {
	l := newLanguage()
	b := start(t, l, "memory_limit = 8")
	c, _ := b.attach()
	l.on("handleMessage", func([]Value) ([]Value, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.bulk = make([]byte, 9<<20)
		return nil, ErrMemory // as if the watch had stopped it
	})
	l.on("destroy", func([]Value) ([]Value, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.bulk = nil
		return nil, nil
	})
	if res := c.Message("t", `{}`, nil); res.Failure == "" {
		t.Errorf("got %+v", res)
	}
	c.AwaitText("[detached]")
	b.core.AwaitLog("held too much memory")
	if got := b.core.Admin(`{"request":"script_status"}`); !strings.Contains(got, `"restarted":1,`) || !strings.Contains(got, `"sessions":0,`) {
		t.Errorf("status %s", got)
	}
}

func TestMeasure(t *testing.T) {
	type node struct {
		next *node
		text string
		m    map[string]any
	}
	text := strings.Repeat("x", 1000)
	ring := &node{text: text, m: map[string]any{"a": make([]byte, 5000), "b": text}}
	ring.next = ring
	for _, x := range []struct {
		root  any
		least uint64
	}{
		{ring, 6000},
		{&ring, 6000},
		{[]any{text, text, text}, 1000},
		{make([]byte, 77), 77},
		{nil, 0},
		{map[int]string{1: strings.Repeat("y", 500)}, 500},
	} {
		if got := measure([]any{x.root}, 1<<30); got < x.least || got > x.least+600 {
			t.Errorf("%T: %d, want at least %d", x.root, got, x.least)
		}
	}
	var list *node
	for range 1 << 20 { // deep, and larger than the limit
		list = &node{next: list}
	}
	if got := measure([]any{list}, 10000); got < 10000 || got > 11000 {
		t.Errorf("a long list: %d", got)
	}
}

// A reload has the sessions of the script before end, unless the new one does not load.
func TestReload(t *testing.T) {
	l := newLanguage()
	b := start(t, l, "")
	c, _ := b.attach()
	first := l.last
	l.fails = errors.New("script:9: syntax error")
	if got := b.core.Admin(`{"request":"reload_script"}`); got != `{"error":"the script of before goes on: script:9: syntax error"}` {
		t.Errorf("got %s", got)
	}
	if _, err := b.p.Reload(); err == nil {
		t.Error("no error")
	}
	l.returns("handleMessage", `{"fine":true}`)
	if res := c.Message("t", `{}`, nil); string(res.Data) != `{"fine":true}` {
		t.Errorf("the script of before: %+v", res)
	}
	l.fails = nil
	b.called()
	added, err := b.p.Reload()
	if err != nil || !slices.Equal(added, []string{"script"}) {
		t.Errorf("got %v, %v", added, err)
	}
	c.AwaitText("[detached]")
	if l.last == first {
		t.Error("no script was loaded")
	}
	got := b.called()
	for i := range got {
		got[i], _, _ = strings.Cut(got[i], " ")
	}
	if !slices.Equal(got, []string{"init", "destroySession", "destroy"}) {
		t.Errorf("called %v", got)
	}
	if res := c.Handle.Message(message(t, "t")); res.Failure == "" {
		t.Errorf("a session of the script before: %+v", res)
	}
	d, _ := b.attach()
	if res := d.Message("t", `{}`, nil); string(res.Data) != `{"fine":true}` {
		t.Errorf("a new session: %+v", res)
	}
	if got := b.core.Admin(`{"request":"reload_script"}`); got != `{"result":200}` {
		t.Errorf("got %s", got)
	}
}

// The setting script may name another one.
func TestReloadSettings(t *testing.T) {
	l := newLanguage()
	b := start(t, l, "")
	file := filepath.Join(b.p.File.Folder, testPackage+".jcfg")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("general: { script = \"/other\", path = \"/a;/b\" }")
	if _, err := b.p.Reload(); err != nil {
		t.Fatal(err)
	}
	if s := l.last.set; s.Path != "/other" || !slices.Equal(s.Folders, []string{"/a", "/b"}) {
		t.Errorf("loaded with %+v", s)
	}
	for _, bad := range []string{"general: { path = \"/a\" }", "general: {"} {
		write(bad)
		if _, err := b.p.Reload(); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
	if got := b.p.settings.Load().Script; got != "/other" {
		t.Errorf("the script is %s", got)
	}
}

func TestCheck(t *testing.T) {
	l := newLanguage()
	folder := t.TempDir()
	p := New(folder, l.language())
	if found, problems := p.Check(); found != "no script" || len(problems) != 0 {
		t.Errorf("without a file: %q, %v", found, problems)
	}
	file := filepath.Join(folder, testPackage+".jcfg")
	if err := os.WriteFile(file, []byte("general: {\n script = \"/the/script\"\n scrip = 1\n time_limit = 1\n}"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.fails = errors.New("/the/script:3: unexpected symbol")
	found, problems := New(folder, l.language()).Check()
	if found != "/the/script" || len(problems) != 3 {
		t.Errorf("got %q, %v", found, problems)
	}
	for _, p := range problems {
		if !p.Warning {
			t.Errorf("%v keeps the server from starting", p)
		}
	}
}

// Errors of one function are told once a second.
func TestManyErrors(t *testing.T) {
	var s stats
	if n, tell := s.note("f", "x"); n != 0 || !tell {
		t.Error("the first is not told")
	}
	for range 5 {
		if _, tell := s.note("f", "x"); tell {
			t.Skip("this machine took a second for it")
		}
	}
	if _, tell := s.note("g", "x"); !tell {
		t.Error("that of another function is not told")
	}
	s.told["f"] = s.told["f"].Add(-2e9)
	if n, tell := s.note("f", "x"); n != 5 || !tell {
		t.Errorf("%d were not told", n)
	}
}

// FuzzObjects: what a script says is JSON of an object, or an error.
func FuzzObjects(f *testing.F) {
	f.Add(`{"a":1}`)
	f.Add(`{"type":"offer","sdp":"v=0\r\no=- 1 2 IN IP4 1.1.1.1\r\ns=-\r\nt=0 0\r\n"}`)
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, text string) {
		if b, err := object(text); err == nil {
			doc, bad := json.Parse(b)
			if bad != nil {
				t.Fatalf("%s: %v", b, bad)
			}
			doc.Release()
		}
		if j, err := parseJSEP(text); err == nil {
			_ = jsepText(j)
			offerExtensions(j.SDP)
		}
	})
}
