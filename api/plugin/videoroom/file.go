package videoroom

import (
	"bifrons/api/config"
	"bifrons/api/kit/forward"
)

// general are the settings of the plugin as a whole.
type general struct {
	adminKey       string // "" = everybody may create rooms
	lockForwarding bool   // forwarding needs the admin key, too
	forward        forward.Policy
}

// generalSettings is the category general of the file.
type generalSettings struct {
	AdminKey       string `cfg:"admin_key" guard:"everybody may create rooms"`
	LockForwarding bool   `cfg:"lock_rtp_forward" guard:"who manages a room may forward its media"`
	Events         bool   `cfg:"events"`
	StringIDs      bool   `cfg:"string_ids"`
	forward.Policy
}

// loadGeneral takes the plugin's settings from its file.
func (p *Plugin) loadGeneral(f config.PluginFile) []config.Problem {
	set := generalSettings{Events: true, Policy: forward.DefaultPolicy}
	problems := f.General(&set)
	p.general = general{
		adminKey: set.AdminKey, lockForwarding: set.LockForwarding && set.AdminKey != "", forward: set.Policy,
	}
	p.events.On = set.Events
	p.ids.Strings = set.StringIDs
	if it := f.Category("general").Get("lock_rtp_forward"); set.LockForwarding && set.AdminKey == "" {
		problems = append(problems, config.Problem{File: it.File, Line: it.Line, Section: "general", Key: it.Name, Warning: true,
			Text: "needs admin_key", Open: "who manages a room may forward its media"})
	}
	return problems
}
