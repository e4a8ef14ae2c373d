package textroom

import (
	"net/url"
	"slices"
	"strings"

	"bifrons/api/config"
	"bifrons/api/json"
)

// general are the settings of the plugin as a whole.
type general struct {
	adminKey string // "" = everybody may create rooms
	layout   json.Layout

	postHosts []string // where rooms that clients make may post to, empty = anywhere
}

// generalSettings is the category general of the file.
type generalSettings struct {
	AdminKey  string `cfg:"admin_key" guard:"everybody may create rooms"`
	JSON      string `cfg:"json" enum:"indented|plain|compact"` // of texts on data channels
	Events    bool   `cfg:"events"`
	StringIDs bool   `cfg:"string_ids"`

	PostHosts []string `cfg:"post_hosts" guard:"rooms may post to all hosts"` // with or without a port
}

// mayPost reports whether clients may have texts posted to a URL.
func (g *general) mayPost(to backendURL) bool {
	u, err := url.Parse(to.String())
	return err == nil && (len(g.postHosts) == 0 || slices.ContainsFunc(g.postHosts, func(host string) bool {
		return strings.EqualFold(host, u.Host) || strings.EqualFold(strings.Trim(host, "[]"), u.Hostname())
	}))
}

// loadGeneral takes the plugin's settings from its file.
func (p *Plugin) loadGeneral(f config.PluginFile) []config.Problem {
	set := generalSettings{Events: true}
	problems := f.General(&set)
	p.general.adminKey = set.AdminKey
	p.general.postHosts = set.PostHosts
	p.general.layout, _ = json.ParseLayout(strings.ToLower(set.JSON))
	p.Events.On = set.Events
	p.ids.Strings = set.StringIDs
	return problems
}
