// Package nosip is the plugin that makes plain descriptions of WebRTC ones and the other way round, and relays
// media between both, for applications that have signalling of their own.
package nosip

import (
	"net/netip"

	"bifrons/api/config"
	"bifrons/api/kit"
	"bifrons/api/kit/gateway"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/api/schema"
)

// Package is the name that clients attach to.
const Package = "janus.plugin.nosip"

// Plugin is the NoSIP plugin.
type Plugin struct {
	kit.Plugin[*handle]
	general general        // fixed
	legs    gateway.Config // fixed
}

// general are the settings of the plugin, the category general of the file.
type general struct {
	Events  bool       `cfg:"events"`
	LocalIP netip.Addr `cfg:"local_ip"`
	gateway.File
}

// New makes the plugin, with a folder where janus.plugin.nosip.jcfg is.
func New(folder string) *Plugin {
	p := &Plugin{}
	p.File = kit.File{Folder: folder, Package: Package, General: p.load}
	p.NewHandle = p.newHandle
	return p
}

// Info describes the plugin.
func (p *Plugin) Info() module.Info {
	return module.Info{
		Package: Package, Name: "JANUS NoSIP plugin", Author: module.Author,
		Description:   "This is a simple RTP bridging plugin that leaves signalling details (e.g., SIP) up to the application.",
		VersionString: "0.0.2", Version: 2,
	}
}

// load takes the settings over.
func (p *Plugin) load(f config.PluginFile) []config.Problem {
	g := &p.general
	*g = general{Events: true, File: gateway.DefaultFile}
	problems := f.General(g)
	p.Events.On = g.Events
	p.legs = g.Config(g.LocalIP, func() plugin.Gateway { return p.Gateway }, codes, errUnknown)
	return problems
}

func (p *Plugin) newHandle(host plugin.Host) *handle {
	h := &handle{Handle: kit.Handle{Host: host}, plugin: p, id: schema.IDs{Strings: true}.New()}
	h.leg = gateway.NewLeg(&p.legs, host, gateway.Handler{Failed: h.failed})
	return h
}

func (p *Plugin) forwards() gateway.Forwards {
	return gateway.Forwards{Key: "nosip", Events: &p.Events, Nobody: p.Nobody}
}
