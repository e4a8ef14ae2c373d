package jsonlog

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bifrons/api/log"
)

func open(t *testing.T, layout string) (*Logger, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log.json")
	l, err := Open(Settings{Filename: path, JSON: layout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l, path
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLines(t *testing.T) {
	at := time.UnixMicro(1777000000123456)
	for layout, want := range map[string]string{
		"compact":  `{"timestamp":1777000000123456,"line":"[ERR] \"x\"\n"}` + "\n",
		"plain":    `{"timestamp": 1777000000123456, "line": "[ERR] \"x\"\n"}` + "\n",
		"indented": "{\n   \"timestamp\": 1777000000123456,\n   \"line\": \"[ERR] \\\"x\\\"\\n\"\n}\n",
	} {
		l, path := open(t, layout)
		l.Line(at, []byte("[ERR] \"x\"\n"))
		l.Close()
		l.Line(at, []byte("too late\n"))
		if got := read(t, path); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestWithLog has it at the real log, which many goroutines use while the file
// is moved away.
func TestWithLog(t *testing.T) {
	l, path := open(t, "compact")
	out, err := log.New(log.Config{Level: log.Info, Prefix: "me: "})
	if err != nil {
		t.Fatal(err)
	}
	out.AddSink(l)
	before := time.Now().Truncate(time.Microsecond)
	const writers, each = 4, 50
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				out.Logger().Warn("hear", "session", 5)
				out.Logger().Debug("hear not")
			}
		})
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := out.Reopen(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	lines := strings.Split(strings.TrimSpace(read(t, path+".1")+read(t, path)), "\n")
	if len(lines) != writers*each {
		t.Errorf("%d lines, want %d", len(lines), writers*each)
	}
	for _, line := range lines {
		var m struct {
			Timestamp int64
			Line      string
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if at := time.UnixMicro(m.Timestamp); at.Before(before) || at.After(time.Now()) || m.Line != "me: [WARN] hear session=5\n" {
			t.Errorf("%s", line)
		}
	}
}

func TestQuery(t *testing.T) {
	l, _ := open(t, "compact")
	for request, want := range map[string]string{
		`{"request":"info"}`: `{"result":200}`,
		`{"request":"x"}`:    `{"error_code":411,"error":"Unknown request 'x'"}`,
		`{"request":1}`:      `{"error_code":413,"error":"Invalid element type (request should be a string)"}`,
		`{}`:                 `{"error_code":412,"error":"Missing mandatory element (request)"}`,
		`[]`:                 `{"error_code":413,"error":"Invalid request: not a JSON object"}`,
		`{`:                  `{"error_code":413,"error":"Invalid request: not a JSON object"}`,
	} {
		if got := string(l.Query([]byte(request))); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
}

func TestLoadAndOpen(t *testing.T) {
	dir := t.TempDir()
	if s, problems := Load(dir); s.Enabled || problems != nil {
		t.Errorf("no file: %+v %v", s, problems)
	}
	for text, want := range map[string]int{
		`general: { enabled = true; filename = "/x"; json = "plain" }`: 0,
		`general: { enabled = true }`:                                  1,
		`general: { enabled = true; filename = "/x"; json = "no" }`:    1,
	} {
		if err := os.WriteFile(filepath.Join(dir, Package+".jcfg"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, problems := Load(dir); len(problems) != want || !s.Enabled {
			t.Errorf("%s: %v %+v", text, problems, s)
		}
	}
	if _, err := Open(Settings{Filename: filepath.Join(dir, "no", "such", "folder")}); err == nil {
		t.Error("opened a file in a folder that does not exist")
	}
}
