package videoroom

import (
	"fmt"
	"sync"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/api/schema"
)

// Package is what clients attach to.
const Package = "janus.plugin.videoroom"

// Config sets up the plugin.
type Config struct {
	// Folder is where janus.plugin.videoroom.jcfg is, with the plugin's
	// settings and the rooms. Rooms that are made permanent go there.
	Folder string
}

// Plugin is the VideoRoom plugin.
type Plugin struct {
	cfg     Config         // fixed
	gw      plugin.Gateway // fixed
	general general        // fixed
	ids     schema.IDs     // fixed
	store   *config.Store  // fixed; nil = there is no file
	table   *kit.Table[*handle]

	mu    sync.Mutex
	rooms map[id]*room
}

// New makes the plugin.
func New(cfg Config) *Plugin {
	return &Plugin{cfg: cfg, rooms: make(map[id]*room)}
}

// Info describes the plugin.
func (p *Plugin) Info() module.Info {
	return module.Info{
		Package: Package, Name: "JANUS VideoRoom plugin", Author: module.Author,
		Description: "This is a plugin implementing a videoconferencing SFU (Selective Forwarding Unit) for Janus, " +
			"that is an audio/video router.",
		VersionString: "0.0.10", Version: 10,
	}
}

// Start reads the file with the rooms.
func (p *Plugin) Start(gw plugin.Gateway) error {
	p.gw = gw
	f, problems := config.LoadFile(p.cfg.Folder, Package)
	if !config.Report(gw.Logger(), problems) {
		return fmt.Errorf("configuration file of %s is wrong", Package)
	}
	if f != nil {
		p.store = config.OpenStore(f.Name, p.entry)
	}
	config.Report(gw.Logger(), p.load(f))
	p.table = p.requests()
	return nil
}

// Reload adds the rooms that are new in the file.
func (p *Plugin) Reload() (added []string, err error) {
	f, problems := config.LoadFile(p.cfg.Folder, Package)
	if f == nil || config.HasErrors(problems) {
		return nil, fmt.Errorf("configuration file of %s is missing or wrong: %v", Package, problems)
	}
	if p.general.file != "" && f.Name != p.general.file {
		return nil, fmt.Errorf("configuration file %s is gone, %s is not read in its place", p.general.file, f.Name)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	problems = config.PluginFile{File: f}.Entries("room", func(c *config.Reader) (leftOut string) {
		if name := p.entry(c.Group()); name != "" && p.rooms[name] != nil {
			return ""
		}
		if leftOut = p.loadRoom(c); leftOut == "" {
			added = append(added, c.Category())
		}
		return leftOut
	})
	config.Report(p.gw.Logger(), problems)
	return added, nil
}

// Close ends the rooms.
func (p *Plugin) Close() {
	p.mu.Lock()
	rooms := p.rooms
	p.rooms = make(map[id]*room)
	p.mu.Unlock()
	for _, r := range rooms {
		r.mu.Lock()
		r.end()
		r.mu.Unlock()
	}
}

// Admin answers the synchronous requests.
func (p *Plugin) Admin(request *json.Value) ([]byte, error) {
	return p.table.Admin(&handle{plugin: p, host: plugin.Nobody{Gateway: p.gw, Package: Package}}, request), nil
}

// Attach makes a handle.
func (p *Plugin) Attach(host plugin.Host) (plugin.Handle, error) {
	return &handle{plugin: p, host: host}, nil
}

// room finds a room, nil if there is none.
func (p *Plugin) room(name id) *room {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rooms[name]
}

// none tells whether an id is absent, or the 0 that counts as such.
func (p *Plugin) none(name id, ok bool) bool {
	return !ok || name == "" || name == "0" && !p.ids.Strings
}

// object writes one JSON object.
func object(fields func(w *json.Writer)) []byte {
	w := json.NewWriter(nil)
	w.Object("")
	fields(w)
	w.End()
	return w.Bytes()
}
