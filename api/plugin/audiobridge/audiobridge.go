// Package audiobridge is the plugin with rooms whose audio is mixed.
package audiobridge

import (
	"bifrons/api/config"
	"bifrons/api/kit"
	"bifrons/api/kit/forward"
	"bifrons/api/kit/rooms"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/api/task"
)

// Package is the name that clients attach to.
const Package = "janus.plugin.audiobridge"

// Plugin is the AudioBridge plugin.
type Plugin struct {
	kit.Plugin[*handle]
	general general    // fixed
	ids     schema.IDs // fixed
	rooms   rooms.Desk[*room]
	tasks   task.Tasks // that look up names
	songs   songs
}

// New makes the plugin, with a folder where janus.plugin.audiobridge.jcfg is. It has the
// plugin's settings and the rooms; those that are made permanent go there.
func New(folder string) *Plugin {
	p := &Plugin{}
	p.rooms = p.desk()
	p.File = kit.File{Folder: folder, Package: Package, General: p.loadGeneral}
	p.rooms.Keep(&p.File)
	p.File.Load = p.load
	p.NewHandle, p.Requests = p.newHandle, p.requests
	return p
}

// Info describes the plugin.
func (p *Plugin) Info() module.Info {
	return module.Info{
		Package: Package, Name: "JANUS AudioBridge plugin", Author: module.Author,
		Description:   "This is a plugin implementing an audio conference bridge for Janus, mixing Opus streams.",
		VersionString: "0.0.13", Version: 13,
	}
}

// Start reads the file with the rooms.
func (p *Plugin) Start(gw plugin.Gateway) error {
	p.tasks.Log = gw.Logger()
	return p.Plugin.Start(gw)
}

// Close ends the rooms.
func (p *Plugin) Close() {
	p.rooms.Close()
	p.tasks.Wait()
}

func (p *Plugin) newHandle(host plugin.Host) *handle {
	return &handle{plugin: p, Handle: kit.Handle{Host: host}}
}

// general are the settings of the plugin as a whole, the category general of the file.
type general struct {
	AdminKey    string           `cfg:"admin_key" guard:"everybody may create rooms"`
	LockForward bool             `cfg:"lock_rtp_forward" needs:"admin_key" guard:"who manages a room may forward its mix"`
	LockPlay    bool             `cfg:"lock_play_file" needs:"admin_key" guard:"who manages a room may play files"`
	Suffix      string           `cfg:"record_tmp_ext"` // of recordings of mixes that are not whole, without the dot
	Events      bool             `cfg:"events"`
	StringIDs   bool             `cfg:"string_ids"`
	LocalIP     string           `cfg:"local_ip"` // for plain RTP, "" = any
	Ports       config.PortRange `cfg:"rtp_port_range"`

	// FileFolders are where files to be played may be, nil = anywhere. Janus has no
	// such setting.
	FileFolders []string `cfg:"file_folders" guard:"rooms may play any file"`

	forward.Policy
}

var defaultPorts = config.PortRange{Min: 10000, Max: 60000}

// loadGeneral takes the plugin's settings from its file.
func (p *Plugin) loadGeneral(f config.PluginFile) []config.Problem {
	g := &p.general
	*g = general{Events: true, Ports: defaultPorts, Policy: forward.DefaultPolicy}
	problems := f.General(g)
	p.Events.On, p.ids.Strings = g.Events, g.StringIDs
	return problems
}

// load makes the room of an entry of the file, and says why if it is left out.
func (p *Plugin) load(c *config.Reader) (leftOut string) {
	if bad := unfit(c); bad != "" {
		return bad
	}
	if leftOut = p.rooms.Load(c); leftOut != "" {
		return leftOut
	}
	id, _ := p.rooms.CategoryID(c.Category())
	if r, ok := p.rooms.Get(id); ok {
		p.startStatic(r, c)
	}
	return ""
}

// desk makes the part that answers requests about rooms as such.
func (p *Plugin) desk() rooms.Desk[*room] {
	return rooms.Desk[*room]{
		Registry: rooms.Registry[*room]{IDs: &p.ids, Field: "room", Codes: codes, NoSuch: noSuchRoom},
		Key:      "audiobridge", Events: &p.Events, AdminKey: &p.general.AdminKey,
		Taken: errRoomExists, Failed: errUnknown,
		Check: checkRoom, Entry: checkEntry, Make: p.newRoom, Describe: (*room).describe,
		End: func(r *room, _ *rooms.Request) { r.end() },
	}
}

// newRoom makes a room that nobody knows of yet.
func (p *Plugin) newRoom(id string, src kit.Values, description string) *room {
	r := &room{plugin: p, id: id, settings: newSettings(src, description), participants: make(map[string]*participant), mixes: make(map[mix]*mixed)}
	r.Locker = &r.mu
	return r
}
