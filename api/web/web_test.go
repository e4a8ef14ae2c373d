package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func get(h http.Handler, path string, header map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func newPage(t *testing.T) http.Handler {
	t.Helper()
	h, err := Page(Settings{BasePath: "/janus", WS: 8188, Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestPage(t *testing.T) {
	h := newPage(t)
	for _, c := range []struct {
		path, accept string
		status       int
		kind         string
	}{
		{"/", "text/html", 200, "text/html; charset=utf-8"},
		{"/", "*/*", 200, "text/html; charset=utf-8"},
		{"/", "", 404, ""},
		{"/index.html", "*/*", 404, ""},
		{"/echo/", "*/*", 404, ""},
		{"/echo/app.js", "", 200, "text/javascript; charset=utf-8"},
		{"/echo/style.css", "*/*", 200, "text/css; charset=utf-8"},
		{"/echo/icon.svg", "*/*", 200, "image/svg+xml"},
		{"/echo/settings.json", "*/*", 200, "application/json"},
		{"/echo/../web.go", "*/*", 404, ""},
	} {
		w := get(h, c.path, map[string]string{"Accept": c.accept})
		if w.Code != c.status || w.Header().Get("Content-Type") != c.kind {
			t.Errorf("%s, %q: %d %q", c.path, c.accept, w.Code, w.Header().Get("Content-Type"))
		}
		if c.status == 404 && w.Body.Len() != 0 {
			t.Errorf("%s: 404 with a body", c.path)
		}
	}
	if got := get(h, "/echo/settings.json", nil).Body.String(); got != `{"base":"/janus","ws":8188,"version":"1"}` {
		t.Errorf("settings %s", got)
	}
	tag := get(h, "/echo/app.js", nil).Header().Get("ETag")
	if w := get(h, "/echo/app.js", map[string]string{"If-None-Match": tag}); w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("unchanged: status %d", w.Code)
	}
}

// TestPageIsComplete follows the links of the page and the imports of its
// scripts: all is embedded, nothing comes from elsewhere.
func TestPageIsComplete(t *testing.T) {
	h := newPage(t)
	walk(t, h, "/", func(path string, w *httptest.ResponseRecorder) {
		if w.Code != 200 {
			t.Errorf("%s: status %d", path, w.Code)
		}
		if strings.Contains(strings.ReplaceAll(w.Body.String(), "http://www.w3.org/2000/svg", ""), "http://") {
			t.Errorf("%s refers to another site", path)
		}
	})
}

var link = regexp.MustCompile(`(?:src|href)="([^"#]+)"|from "\./([^"]+)"`)

// walk looks at a page, and at all that it links to and that its scripts import.
func walk(t *testing.T, h http.Handler, start string, look func(path string, w *httptest.ResponseRecorder)) {
	t.Helper()
	paths, done := []string{start}, map[string]bool{}
	for len(paths) > 0 {
		path := paths[0]
		paths = paths[1:]
		if done[path] {
			continue
		}
		done[path] = true
		w := get(h, path, map[string]string{"Accept": "*/*"})
		look(path, w)
		at, err := url.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(w.Body.String(), -1) {
			to, err := at.Parse(m[1] + m[2])
			if err != nil {
				t.Fatal(err)
			}
			paths = append(paths, to.Path)
		}
	}
	if len(done) < 10 {
		t.Errorf("found only %v", done)
	}
}

func TestDemos(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := Demos(dir)
	if w := get(h, "/demos/", nil); w.Code != 200 || w.Body.String() != "hello" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := get(h, "/demos", nil); w.Code != 301 || w.Header().Get("Location") != "/demos/" {
		t.Errorf("got %d to %s", w.Code, w.Header().Get("Location"))
	}
	for _, path := range []string{"/demos/none.html", "/demos/../web.go", "/demos/%2e%2e/web.go"} {
		if w := get(h, path, nil); w.Code == 200 {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
}
