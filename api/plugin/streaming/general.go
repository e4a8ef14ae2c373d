package streaming

import (
	"fmt"
	"strconv"
	"strings"

	"bifrons/api/config"
)

// general are the settings of the plugin as a whole.
type general struct {
	file             string   // path, "" = there is none
	adminKey         string   // "" = everybody may create mountpoints
	portMin, portMax uint16   // for ports that nobody has chosen
	events           bool     // for event handlers
	fileFolders      []string // that files may be in, nil = anywhere
}

const (
	defaultPortMin = 10000
	defaultPortMax = 60000
)

// load takes the plugin's settings and its mountpoints from a file, nil if there
// is none.
func (p *Plugin) load(f *config.File) {
	g := &p.general
	g.events, g.portMin, g.portMax = true, defaultPortMin, defaultPortMax
	if f == nil {
		return
	}
	g.file = f.Name
	p.store = config.OpenStore(f.Name, p.entry)
	s := fileSource{f.Category("general")}
	g.adminKey, _ = s.text("admin_key")
	if on, ok := s.flag("events"); ok {
		g.events = on
	}
	p.ids.Strings, _ = s.flag("string_ids")
	if text, ok := s.text("rtp_port_range"); ok {
		if low, high, ok := parseRange(text); ok {
			g.portMin, g.portMax = low, high
		} else {
			p.gw.Logger().Warn("not a range of ports", "file", g.file, "rtp_port_range", text)
		}
	}
	g.fileFolders = s.texts("file_folders")
	for c := range f.Entries() {
		if !isGeneral(c) {
			p.loadMountpoint(c)
		}
	}
}

func isGeneral(c *config.Group) bool { return strings.EqualFold(c.Name, "general") }

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
	for c := range f.Entries() {
		if !isGeneral(c) && !p.has(c) && p.loadMountpoint(c) {
			added = append(added, c.Name)
		}
	}
	return added, nil
}

// has tells whether there is the mountpoint of a category.
func (p *Plugin) has(c *config.Group) bool {
	id, given := fileSource{c}.text("id")
	p.mu.Lock()
	defer p.mu.Unlock()
	if given {
		return p.mountpoints[id] != nil
	}
	for _, m := range p.mountpoints {
		if m.entry == entryOfName(c.Name) {
			return true
		}
	}
	return false
}

// parseRange reads a range of ports. The first one is even.
func parseRange(text string) (low, high uint16, ok bool) {
	a, b, ok := strings.Cut(text, "-")
	if !ok {
		return 0, 0, false
	}
	first, err1 := strconv.ParseUint(strings.TrimSpace(a), 10, 16)
	last, err2 := strconv.ParseUint(strings.TrimSpace(b), 10, 16)
	if err1 != nil || err2 != nil {
		return 0, 0, false
	}
	if last == 0 {
		last = 1<<16 - 1
	}
	if first > last {
		first, last = last, first
	}
	if first == 0 {
		first = 2
	}
	first += first % 2
	return uint16(first), uint16(last), first <= last
}

// loadMountpoint makes the mountpoint of a category; it reports false for one
// that cannot be made, which is left out.
func (p *Plugin) loadMountpoint(c *config.Group) bool {
	log := p.gw.Logger().With("file", p.general.file, "mountpoint", c.Name)
	src := fileSource{c}
	kind, _ := src.text("type")
	id, given := src.text("id")
	switch {
	case !given:
		id = p.ids.New()
	case !p.ids.Canonical(id):
		log.Warn("mountpoint left out: not an id", "id", id)
		return false
	case p.has(c):
		log.Warn("mountpoint left out: its id is taken", "id", id)
		return false
	}
	kind = strings.ToLower(kind)
	p.warnMisplaced(named{src, c.Name}, kind)
	m, err := p.build(kind, id, named{src, c.Name})
	if err != nil {
		log.Warn("mountpoint left out", "problem", strings.TrimSpace(err.Text))
		return false
	}
	m.entry = p.entry(c)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mountpoints[id] != nil { // meanwhile
		m.stop()
		return false
	}
	p.mountpoints[id] = m
	return true
}

// named is a category. The mountpoint has its name, unless it says another.
type named struct {
	fileSource
	name string
}

func (n named) text(key string) (string, bool) {
	text, ok := n.fileSource.text(key)
	if key == "name" && text == "" {
		return n.name, true
	}
	return text, ok
}
