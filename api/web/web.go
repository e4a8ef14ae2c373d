// Package web is the face of the server: a page with an echo test and the dashboard,
// embedded in the binary, and the handler for the folder of demo pages.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
)

//go:embed static dashboard
var files embed.FS

// Settings has the parameters of the page to find the APIs.
type Settings struct {
	BasePath string `json:"base"`          // of the Janus API over HTTP, "/janus"
	WS       int    `json:"ws,omitempty"`  // port for ws://, 0 if there is none
	WSS      int    `json:"wss,omitempty"` // port for wss://, 0 if there is none
	Version  string `json:"version,omitempty"`
}

// security keeps the page to itself: scripts and styles from the server only,
// connections to wherever the user says.
const security = "default-src 'self'; connect-src *; img-src 'self' data:; media-src 'self' blob:; " +
	"object-src 'none'; base-uri 'none'; form-action 'none'"

type asset struct {
	text []byte
	kind string // Content-Type
	etag string
}

// Page serves "/" and the files below "/echo/"; anything else is not found.
//
// A client that does not tell which types it accepts gets 404 at "/", as API
// clients know it from there; browsers and curl get the page.
func Page(s Settings) (http.Handler, error) {
	p, err := load("static", "", "/echo/settings.json", s)
	if err != nil {
		return nil, err
	}
	p.move("/index.html", "/")
	p.policy = security
	p.permissions = "camera=(self), microphone=(self)"
	return p, nil
}

// load reads an embedded folder, whose files are served below prefix, and adds settings
// as a file.
func load(folder, prefix, settings string, s Settings) (page, error) {
	p := page{assets: map[string]asset{}}
	err := fs.WalkDir(files, folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := files.ReadFile(name)
		p.assets[prefix+strings.TrimPrefix(name, folder)] = newAsset(name, text)
		return err
	})
	if err != nil {
		return p, err
	}
	text, err := json.Marshal(s)
	p.assets[settings] = newAsset(settings, text)
	return p, err
}

// move gives a file another path.
func (p page) move(from, to string) {
	p.assets[to] = p.assets[from]
	delete(p.assets, from)
}

func newAsset(name string, text []byte) asset {
	kind := map[string]string{
		".html": "text/html; charset=utf-8",
		".css":  "text/css; charset=utf-8",
		".js":   "text/javascript; charset=utf-8",
		".json": "application/json",
		".svg":  "image/svg+xml",
	}[path.Ext(name)]
	sum := sha256.Sum256(text)
	return asset{text, kind, `"` + hex.EncodeToString(sum[:8]) + `"`}
}

type page struct {
	assets              map[string]asset
	policy, permissions string // headers
}

func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, ok := p.assets[r.URL.Path]
	if !ok || r.URL.Path == "/" && r.Header.Get("Accept") == "" {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Permissions-Policy", p.permissions)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", a.etag)
	if r.Header.Get("If-None-Match") == a.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Write(a.text)
}

// Demos serves a folder of pages, such as those of Janus, below "/demos/".
func Demos(dir string) http.Handler {
	return http.StripPrefix("/demos", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "" {
			w.Header().Set("Location", "/demos/")
			w.WriteHeader(http.StatusMovedPermanently)
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		http.FileServer(folder(dir)).ServeHTTP(w, r)
	}))
}

// folder is a folder with nothing but files and folders: who opens a pipe waits.
type folder string

func (f folder) Open(name string) (http.File, error) {
	info, err := os.Stat(filepath.Join(string(f), filepath.FromSlash(path.Clean("/"+name))))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() && !info.IsDir() {
		return nil, fs.ErrNotExist
	}
	return http.Dir(f).Open(name)
}
