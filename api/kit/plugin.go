package kit

import (
	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/plugin"
)

// Plugin is what plugins have in common, which embed it. File is fixed before anything is
// called.
type Plugin struct {
	Gateway plugin.Gateway // fixed; nil before Start
	Events  Events
	File    File
}

// Start reads the file.
func (p *Plugin) Start(gw plugin.Gateway) error {
	p.Gateway, p.Events.Gateway = gw, gw
	return p.File.Start(gw.Logger())
}

// Reload makes the things of entries that are new in the file.
func (p *Plugin) Reload() (added []string, err error) { return p.File.Reload() }

// Check reads the file as a start does.
func (p *Plugin) Check() (found string, problems []config.Problem) { return p.File.Check() }

// Close has nothing to do: the handles are gone already.
func (p *Plugin) Close() {}

// Admin takes no messages.
func (p *Plugin) Admin(*json.Value) ([]byte, error) { return nil, plugin.ErrNoAdmin }

// Nobody is the host of what happens by itself, or to the Admin API's wish.
func (p *Plugin) Nobody() plugin.Host {
	return plugin.Nobody{Gateway: p.Gateway, Package: p.File.Package}
}
