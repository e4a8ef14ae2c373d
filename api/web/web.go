// Package web is the face of the server: a page with an echo test, embedded in
// the binary, and the handler for the folder of demo pages.
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

//go:embed static
var files embed.FS

// Settings is what the page must know to find the APIs.
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
	assets := map[string]asset{}
	err := fs.WalkDir(files, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := files.ReadFile(name)
		assets[strings.TrimPrefix(name, "static")] = newAsset(name, text)
		return err
	})
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	assets["/echo/settings.json"] = newAsset("settings.json", settings)
	assets["/"] = assets["/index.html"]
	delete(assets, "/index.html")
	return page(assets), nil
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

type page map[string]asset

func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, ok := p[r.URL.Path]
	if !ok || r.URL.Path == "/" && r.Header.Get("Accept") == "" {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Content-Security-Policy", security)
	h.Set("Permissions-Policy", "camera=(self), microphone=(self)")
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
