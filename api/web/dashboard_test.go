package web

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestDashboard follows the links of the dashboard and the imports of its scripts: all
// is embedded, nothing comes from elsewhere, nothing is taken for HTML.
func TestDashboard(t *testing.T) {
	h, err := Dashboard(Settings{BasePath: "/admin"})
	if err != nil {
		t.Fatal(err)
	}
	any := map[string]string{"Accept": "*/*"}
	if w := get(h, "/", any); w.Code != 302 || w.Header().Get("Location") != "dashboard/" {
		t.Errorf("/: %d to %q", w.Code, w.Header().Get("Location"))
	}
	for _, path := range []string{"/dashboard/index.html", "/dashboard/none.js", "/dashboard", "/static/index.html"} {
		if w := get(h, path, any); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := get(h, "/", nil); w.Code != 404 {
		t.Errorf("/ without Accept: %d", w.Code)
	}
	if w := get(h, "/dashboard/settings.json", any); w.Body.String() != `{"base":"/admin"}` {
		t.Errorf("settings %s", w.Body)
	}
	walk(t, h, "/dashboard/", func(path string, w *httptest.ResponseRecorder) {
		text := w.Body.String()
		for _, want := range []string{"default-src 'none'", "require-trusted-types-for 'script'", "frame-ancestors 'none'"} {
			if !strings.Contains(w.Header().Get("Content-Security-Policy"), want) {
				t.Errorf("%s: policy %q", path, w.Header().Get("Content-Security-Policy"))
			}
		}
		if w.Code != 200 || w.Header().Get("Referrer-Policy") != "no-referrer" || strings.Count(text, "\n") > 500 {
			t.Errorf("%s: status %d, %v", path, w.Code, w.Header())
		}
		for _, bad := range []string{"innerHTML", "insertAdjacentHTML", "document.write", "eval(", "http://", "https://"} {
			if strings.Contains(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", ""), bad) {
				t.Errorf("%s has %s", path, bad)
			}
		}
	})
}
