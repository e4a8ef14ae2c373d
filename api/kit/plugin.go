package kit

import (
	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/plugin"
)

// Plugin is the common part of plugins, which embed it; H is the type of their handles.
// Fields that are not said to be set by Start are fixed before anything is called.
type Plugin[H plugin.Handle] struct {
	Gateway plugin.Gateway // nil before Start
	Events  Events
	File    File

	// NewHandle makes a handle.
	NewHandle func(host plugin.Host) H
	// Requests makes the table of requests, as soon as the file is read.
	// nil = Table is fixed.
	Requests func() *Table[H]
	Table    *Table[H] // nil = there is none, and nothing for administrators to ask
}

// Start reads the file.
func (p *Plugin[H]) Start(gw plugin.Gateway) error {
	p.Gateway, p.Events.Gateway = gw, gw
	if err := p.File.Start(gw.Logger()); err != nil {
		return err
	}
	if p.Requests != nil {
		p.Table = p.Requests()
	}
	return nil
}

// Attach makes a handle.
func (p *Plugin[H]) Attach(host plugin.Host) (plugin.Handle, error) { return p.NewHandle(host), nil }

// Admin answers the synchronous requests.
func (p *Plugin[H]) Admin(request *json.Value) ([]byte, error) {
	if p.Table == nil {
		return nil, plugin.ErrNoAdmin
	}
	return p.Table.Admin(p.Nobody(), p.NewHandle(p.Nobody()), request), nil
}

// Reload makes the things of entries that are new in the file.
func (p *Plugin[H]) Reload() (added []string, err error) { return p.File.Reload() }

// Check reads the file as a start does.
func (p *Plugin[H]) Check() (found string, problems []config.Problem) { return p.File.Check() }

// Close has nothing to do: the handles are gone already.
func (p *Plugin[H]) Close() {}

// Nobody is the host of anything that happens by itself, or for the Admin API.
func (p *Plugin[H]) Nobody() plugin.Host {
	return plugin.Nobody{Gateway: p.Gateway, Package: p.File.Package}
}
