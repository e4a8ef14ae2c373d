package videoroom

import (
	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/rooms"
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
	gw      plugin.Gateway // fixed
	general general        // fixed
	ids     schema.IDs     // fixed
	events  kit.Events     // fixed
	table   *kit.Table[*handle]
	file    kit.File
	rooms   rooms.Desk[*room]
}

// New makes the plugin.
func New(cfg Config) *Plugin {
	p := &Plugin{}
	p.rooms = p.desk()
	p.file = kit.File{Folder: cfg.Folder, Package: Package, Entry: "room", General: p.loadGeneral, Load: p.rooms.Load,
		Has: p.rooms.HasCategory, Key: p.rooms.CategoryKey}
	return p
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
	p.gw, p.events.Gateway = gw, gw
	if err := p.file.Start(gw.Logger()); err != nil {
		return err
	}
	p.table = p.requests()
	return nil
}

// Reload adds the rooms that are new in the file.
func (p *Plugin) Reload() (added []string, err error) { return p.file.Reload() }

// Check reads the file as a start does.
func (p *Plugin) Check() (found string, problems []config.Problem) {
	problems = p.file.Check()
	return kit.Count(p.rooms.Len(), "room"), problems
}

// Close ends the rooms.
func (p *Plugin) Close() { p.rooms.Close() }

// Admin answers the synchronous requests.
func (p *Plugin) Admin(request *json.Value) ([]byte, error) {
	return p.table.Admin(&handle{plugin: p, Handle: kit.Handle{Host: plugin.Nobody{Gateway: p.gw, Package: Package}}}, request), nil
}

// Attach makes a handle.
func (p *Plugin) Attach(host plugin.Host) (plugin.Handle, error) {
	return &handle{plugin: p, Handle: kit.Handle{Host: host}}, nil
}

// room finds a room, nil if there is none.
func (p *Plugin) room(name id) *room {
	r, _ := p.rooms.Get(name)
	return r
}

// none tells whether an id is absent, or the 0 that counts as such.
func (p *Plugin) none(name id, ok bool) bool { return !ok || !p.ids.Canonical(name) }

var object = json.Object
