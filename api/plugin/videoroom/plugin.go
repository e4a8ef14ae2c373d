package videoroom

import (
	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/forward"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/sfu"
)

// Package is the name that clients attach to.
const Package = "janus.plugin.videoroom"

// New makes the plugin, with a folder where janus.plugin.videoroom.jcfg is. It has the
// plugin's settings and the rooms; those that are made permanent go there.
func New(folder string) *Plugin {
	p := &Plugin{}
	p.rooms = p.desk()
	p.File = kit.File{Folder: folder, Package: Package, General: p.loadGeneral}
	p.rooms.Keep(&p.File)
	p.NewHandle, p.Requests = p.newHandle, p.requests
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

// Close ends the rooms.
func (p *Plugin) Close() { p.rooms.Close() }

// StringIDs reports whether rooms and participants have texts as ids.
func (p *Plugin) StringIDs() bool { return p.ids.Strings }

func (p *Plugin) newHandle(host plugin.Host) *handle {
	return &handle{plugin: p, Handle: kit.Handle{Host: host}}
}

// generalSettings is the category general of the file.
type generalSettings struct {
	AdminKey       string `cfg:"admin_key" guard:"everybody may create rooms"`
	LockForwarding bool   `cfg:"lock_rtp_forward" needs:"admin_key" guard:"who manages a room may forward its media"`
	Events         bool   `cfg:"events"`
	StringIDs      bool   `cfg:"string_ids"`
	forward.Policy
}

// loadGeneral takes the plugin's settings from its file.
func (p *Plugin) loadGeneral(f config.PluginFile) []config.Problem {
	set := generalSettings{Events: true, Policy: forward.DefaultPolicy}
	problems := f.General(&set)
	p.general = general{
		adminKey: set.AdminKey, lockForwarding: set.LockForwarding, forward: set.Policy,
	}
	p.Events.On = set.Events
	p.ids.Strings = set.StringIDs
	return problems
}

// Message takes a request.
func (h *handle) Message(r *plugin.Request) plugin.Result {
	return h.plugin.Table.Message(h.Host, h, r)
}

// Establish prepares the role for those who act as soon as the client hears that
// its peer connection is up.
func (h *handle) Establish() { h.is().establish() }

// Up informs the role that media may flow.
func (h *handle) Up() {
	h.PeerChanged()
	h.is().connected()
}

// Event passes an event of the peer connection on.
func (h *handle) Event(e sfu.Event) { h.is().event(e) }

// Data passes a data channel message on.
func (h *handle) Data(label, _ string, binary bool, payload []byte) {
	h.is().data(label, binary, payload)
}

// DataReady informs the role that data channels are writable.
func (h *handle) DataReady() { h.is().dataReady() }

// Hangup informs the role that the peer connection is gone.
func (h *handle) Hangup(reason string) {
	h.PeerChanged()
	h.is().hangup(reason)
}

// Detach is the end.
func (h *handle) Detach() {
	h.Detached()
	h.is().detach()
}

// Query writes plugin_specific.
func (h *handle) Query(w *json.Writer) {
	h.is().query(w)
	h.WriteState(w)
}

// Seat is the room that the handle is in.
func (h *handle) Seat() plugin.Seat { return h.is().seat() }

// Rooms are the rooms of the plugin.
func (p *Plugin) Rooms() plugin.Rooms { return &p.rooms }

// event is the data of an event.
func event(kind string, fields func(w *json.Writer)) []byte {
	return json.Object(func(w *json.Writer) {
		w.Str("videoroom", kind)
		fields(w)
	})
}

// report sends an event about the handle, unless that is nil, to the event handlers.
func (h *handle) report(fields func(w *json.Writer)) {
	if h != nil {
		h.plugin.Events.Notify(h.Host, fields)
	}
}
