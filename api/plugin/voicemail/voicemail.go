// Package voicemail is the plugin that records messages of ten seconds to Ogg files. Janus
// has it up to version 1.1.2; here it is on if it has a file.
package voicemail

import (
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"bifrons/api/config"
	"bifrons/api/kit"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/api/schema"
)

// Package is the name that clients attach to.
const Package = "janus.plugin.voicemail"

// maxLength is how long messages are.
const maxLength = 10 * time.Second

// Plugin is the VoiceMail plugin.
type Plugin struct {
	kit.Plugin[*handle]
	found   bool          // there is a file
	folder  string        // of recordings
	base    string        // of their URLs
	longest time.Duration // of a message
}

// New makes the plugin, with a folder where janus.plugin.voicemail.jcfg is.
func New(folder string) *Plugin {
	p := &Plugin{longest: maxLength}
	p.File = kit.File{Folder: folder, Package: Package, General: p.general}
	p.NewHandle = func(host plugin.Host) *handle {
		return &handle{Handle: kit.Handle{Host: host}, plugin: p, id: schema.IDs{}.New(), section: -1}
	}
	return p
}

// Info describes the plugin.
func (p *Plugin) Info() module.Info {
	return module.Info{
		Package: Package, Name: "JANUS VoiceMail plugin", Author: module.Author,
		Description: "This is a plugin implementing a very simple VoiceMail service for Janus, recording Opus streams.",
		Version:     7, VersionString: "0.0.7",
	}
}

// general takes the settings over.
func (p *Plugin) general(f config.PluginFile) []config.Problem {
	set := struct {
		Path   string `cfg:"path"`
		Base   string `cfg:"base"`
		Events bool   `cfg:"events"`
	}{"./html/recordings/", "/recordings/", true}
	problems := f.General(&set)
	p.found, p.folder, p.base, p.Events.On = f.File != nil, set.Path, set.Base, set.Events
	return problems
}

// Start reads the file, and makes the folder. Without either the plugin is off.
func (p *Plugin) Start(gw plugin.Gateway) error {
	if err := p.Plugin.Start(gw); err != nil {
		return err
	}
	if !p.found {
		return plugin.ErrNotSetUp
	}
	if err := os.MkdirAll(p.folder, 0o755); err != nil {
		gw.Logger().Error("VoiceMail is off: there is no folder for recordings", "error", err)
		return plugin.ErrNotSetUp
	}
	return nil
}

// name is that of the file of a handle.
func name(id string) string { return "janus-voicemail-" + id + ".opus" }

// ServeFile answers for the recordings, if they have addresses on this server: base is no URL of
// another one. It is false for all other paths.
func (p *Plugin) ServeFile(w http.ResponseWriter, r *http.Request) bool {
	folder, file := path.Split(r.URL.Path)
	id := strings.TrimSuffix(strings.TrimPrefix(file, "janus-voicemail-"), ".opus")
	if _, err := strconv.ParseUint(id, 10, 64); err != nil || file != name(id) {
		return false
	}
	if !strings.HasPrefix(p.base, "/") || path.Clean(folder) != path.Clean(p.base) {
		return false
	}
	full := filepath.Join(p.folder, file)
	if info, err := os.Stat(full); err != nil || !info.Mode().IsRegular() {
		http.NotFound(w, r)
		return true
	}
	w.Header().Set("Content-Type", "audio/ogg")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFile(w, r, full)
	return true
}
