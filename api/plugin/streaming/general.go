package streaming

import (
	"fmt"
	"strings"

	"bifrons/api/config"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

// general are the settings of the plugin as a whole.
type general struct {
	file             string   // path, "" = there is none
	adminKey         string   // "" = everybody may create mountpoints
	portMin, portMax uint16   // for ports that nobody has chosen
	events           bool     // for event handlers
	fileFolders      []string // that files may be in, nil = anywhere
}

// generalSettings is the category general of the file.
type generalSettings struct {
	AdminKey  string           `cfg:"admin_key" guard:"everybody may create mountpoints"`
	Ports     config.PortRange `cfg:"rtp_port_range"`
	Events    bool             `cfg:"events"`
	StringIDs bool             `cfg:"string_ids"`

	// Janus has no such setting.
	FileFolders []string `cfg:"file_folders" guard:"mountpoints may play any file"`
}

var defaultPorts = config.PortRange{Min: 10000, Max: 60000}

// load takes the plugin's settings and its mountpoints, which build makes, from a
// file, nil if there is none. It returns what is wrong with the file.
func (p *Plugin) load(f *config.File, build builder) []config.Problem {
	set := generalSettings{Events: true, Ports: defaultPorts}
	file := config.PluginFile{File: f}
	problems := file.General(&set)
	p.general = general{adminKey: set.AdminKey, events: set.Events, fileFolders: set.FileFolders}
	if f != nil {
		p.general.file = f.Name
	}
	p.ids.Strings = set.StringIDs
	var ok bool
	if p.general.portMin, p.general.portMax, ok = evenPorts(set.Ports); !ok {
		p.general.portMin, p.general.portMax = defaultPorts.Min, defaultPorts.Max
		it := f.Category("general").Get("rtp_port_range")
		problems = append(problems, config.Problem{File: it.File, Line: it.Line, Section: "general", Key: it.Name, Value: it.Text,
			Accepted: "a range with an even port, such as 10000-60000", Warning: true})
	}
	return append(problems, file.Entries("mountpoint", func(c *config.Reader) string { return p.loadMountpoint(c, build) })...)
}

// builder makes a mountpoint of settings.
type builder func(kind, id string, src kit.Source) (*mountpoint, *schema.Error)

// Check reads the file as a start does.
func (p *Plugin) Check() (found string, problems []config.Problem) {
	f, problems := config.LoadFile(p.cfg.Folder, Package)
	dry := New(p.cfg)
	defer dry.cancel()
	problems = append(problems, dry.load(f, func(kind, id string, src kit.Source) (*mountpoint, *schema.Error) {
		m, err := dry.read(kind, id, src)
		if err == nil {
			err = m.try()
		}
		return m, err
	})...)
	return kit.Count(len(dry.mountpoints), "mountpoint"), problems
}

// Reload adds the mountpoints that are new in the file: those with an id, or
// without one a name, that no mountpoint has.
func (p *Plugin) Reload() (added []string, err error) {
	f, problems := config.LoadFile(p.cfg.Folder, Package)
	if f == nil || config.HasErrors(problems) {
		return nil, fmt.Errorf("configuration file of %s is missing or wrong: %v", Package, problems)
	}
	if p.general.file != "" && f.Name != p.general.file {
		return nil, fmt.Errorf("configuration file %s is gone, %s is not read in its place", p.general.file, f.Name)
	}
	problems = config.PluginFile{File: f}.Entries("mountpoint", func(c *config.Reader) (leftOut string) {
		if p.has(c) {
			return ""
		}
		if leftOut = p.loadMountpoint(c, p.build); leftOut == "" {
			added = append(added, c.Category())
		}
		return leftOut
	})
	config.Report(p.gw.Logger(), problems)
	return added, nil
}

// has tells whether there is the mountpoint of a category.
func (p *Plugin) has(c *config.Reader) bool {
	id, given := c.Text("id")
	p.mu.Lock()
	defer p.mu.Unlock()
	if given {
		return p.mountpoints[id] != nil
	}
	for _, m := range p.mountpoints {
		if m.entry == entryOfName(c.Category()) {
			return true
		}
	}
	return false
}

// evenPorts is a range that begins with an even port other than 0; false if it has
// none.
func evenPorts(r config.PortRange) (low, high uint16, ok bool) {
	if r.Max == 0 {
		r.Max = 1<<16 - 1
	}
	first := max(uint32(r.Min), 2)
	first += first % 2
	return uint16(first), r.Max, first <= uint32(r.Max)
}

// idTaken is why a mountpoint is left out whose id another one has.
const idTaken = "its id is taken"

// loadMountpoint makes the mountpoint of a category, and tells why if it is left
// out.
func (p *Plugin) loadMountpoint(c *config.Reader, build builder) (leftOut string) {
	id, given := c.Text("id")
	switch {
	case !given:
		id = p.ids.New()
	case !p.ids.Canonical(id):
		return "its id is none, which is a number from 1 on unless string_ids is set"
	case p.has(c):
		return idTaken
	}
	if bad := c.Unreadable("secret", "pin"); bad != "" {
		return "without its " + bad + " it would be open"
	}
	kind, _ := c.Text("type")
	kind = strings.ToLower(kind)
	_, modern := c.Groups("media")
	fileLevels(kind, modern).CheckFile(c, fileGuards)
	m, err := build(kind, id, kit.FromFile(c))
	if err != nil {
		return strings.TrimSpace(err.Text)
	}
	m.entry = p.entry(c.Group())
	if err := p.add(m); err != nil {
		m.stop()
		return err.Text
	}
	return ""
}
