package textroom

import (
	"strings"

	"bifrons/api/config"
	"bifrons/api/json"
)

// general are the settings of the plugin as a whole.
type general struct {
	adminKey string // "" = everybody may create rooms
	layout   json.Layout
}

// generalSettings is the category general of the file.
type generalSettings struct {
	AdminKey  string `cfg:"admin_key" guard:"everybody may create rooms"`
	JSON      string `cfg:"json" enum:"indented|plain|compact"` // of texts on data channels
	Events    bool   `cfg:"events"`
	StringIDs bool   `cfg:"string_ids"`
}

// loadGeneral takes the plugin's settings from its file.
func (p *Plugin) loadGeneral(f config.PluginFile) []config.Problem {
	set := generalSettings{Events: true}
	problems := f.General(&set)
	p.general.adminKey = set.AdminKey
	p.general.layout, _ = json.ParseLayout(strings.ToLower(set.JSON))
	p.Events.On = set.Events
	p.ids.Strings = set.StringIDs
	return problems
}
