package streaming

import (
	"strings"

	"bifrons/api/config"
	"bifrons/api/kit"
)

// general are the settings of the plugin as a whole, the category general of the file.
type general struct {
	AdminKey  string           `cfg:"admin_key" guard:"everybody may create mountpoints"`
	Ports     config.PortRange `cfg:"rtp_port_range"` // for those that nobody has chosen
	Events    bool             `cfg:"events"`
	StringIDs bool             `cfg:"string_ids"`

	// FileFolders are where files may be, nil = anywhere. Janus has no such setting.
	FileFolders []string `cfg:"file_folders" guard:"mountpoints may play any file"`
}

var defaultPorts = config.PortRange{Min: 10000, Max: 60000}

// loadGeneral takes the plugin's settings from its file.
func (p *Plugin) loadGeneral(f config.PluginFile) []config.Problem {
	g := &p.general
	*g = general{Events: true, Ports: defaultPorts}
	problems := f.General(g)
	p.Events.On, p.ids.Strings = g.Events, g.StringIDs
	var ok bool
	if g.Ports, ok = evenPorts(g.Ports); !ok {
		g.Ports = defaultPorts
		it := f.Category("general").Get("rtp_port_range")
		problems = append(problems, config.Problem{File: it.File, Line: it.Line, Section: "general", Key: it.Name, Value: it.Text,
			Accepted: "a range with an even port, such as 10000-60000", Warning: true})
	}
	return problems
}

// evenPorts is a range that begins with an even port other than 0; false if it has
// none.
func evenPorts(r config.PortRange) (even config.PortRange, ok bool) {
	if r.Max == 0 {
		r.Max = 1<<16 - 1
	}
	first := max(uint32(r.Min), 2)
	first += first % 2
	return config.PortRange{Min: uint16(first), Max: r.Max}, first <= uint32(r.Max)
}

// load makes the mountpoint of a category, and says why if it is left out.
func (p *Plugin) load(c *config.Reader) (leftOut string) {
	id, given := c.Text("id")
	if given && !p.ids.Canonical(id) {
		return "its id is none, which is a number from 1 on unless string_ids is set"
	}
	id, free := p.mountpoints.ReserveID(id, given)
	if !free {
		return "its id is taken"
	}
	defer p.mountpoints.Release(id)
	if bad := c.Unreadable("secret", "pin"); bad != "" {
		return "without its " + bad + " it would be open"
	}
	kind, _ := c.Text("type")
	kind = strings.ToLower(kind)
	_, modern := c.Groups("media")
	fileLevels(kind, modern).CheckFile(c, fileGuards)
	if _, err := p.build(0, kind, id, p.entry(c.Group()), kit.FromFile(c)); err != nil {
		return strings.TrimSpace(err.Text)
	}
	return ""
}

// has reports whether there is the mountpoint of a category, by its id or, if it has none,
// its name.
func (p *Plugin) has(c *config.Reader) bool {
	if id, given := c.Text("id"); given {
		_, is := p.mountpoints.Get(id)
		return is
	}
	for _, m := range p.mountpoints.Sorted() {
		if m.entry == entryOfName(c.Category()) {
			return true
		}
	}
	return false
}

// The two kinds of keys of entries in the file.
func entryOfID(id string) string     { return "id " + id }
func entryOfName(name string) string { return "name " + name }

// entry is the key of the mountpoint that a category is: its id or, if it has
// none, its name; "" if it is none.
func (p *Plugin) entry(c *config.Group) string {
	id, given := config.NewReader(c).Text("id")
	switch {
	case config.IsGeneral(c):
		return ""
	case !given:
		return entryOfName(c.Name)
	case p.ids.Canonical(id):
		return entryOfID(id)
	}
	return ""
}

// saved writes a mountpoint to the file, and reports whether that worked.
func (p *Plugin) saved(m *mountpoint) bool {
	return p.File.Save(m.entry, m.category, m.name, "mp-"+m.id, "mountpoint")
}

// category is the part of a mountpoint in a category of that name.
func (m *mountpoint) category(name string) (*config.Group, error) {
	m.Lock()
	defer m.Unlock()
	if m.Gone {
		return nil, kit.ErrGone
	}
	g := m.save()
	if m.entry == entryOfID(m.id) {
		g.Set("id", m.id)
	}
	if name != m.name {
		g.Set("name", m.name)
	}
	return g, nil
}
