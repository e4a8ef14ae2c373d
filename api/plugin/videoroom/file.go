package videoroom

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"bifrons/api/config"
)

// general are the settings of the plugin as a whole.
type general struct {
	file           string // path, "" = there is none
	adminKey       string // "" = everybody may create rooms
	lockForwarding bool   // forwarding needs the admin key, too
	events         bool   // for event handlers
}

// errGone is the failure to save a room that was destroyed meanwhile.
var errGone = errors.New("videoroom: the room was destroyed")

// load takes the plugin's settings and its rooms from a file, nil if there is
// none.
func (p *Plugin) load(f *config.File) {
	g := &p.general
	g.events = true
	if f == nil {
		return
	}
	g.file = f.Name
	s := fileSource{f.Category("general")}
	g.adminKey, _ = s.text("admin_key")
	locked, _ := s.flag("lock_rtp_forward")
	g.lockForwarding = locked && g.adminKey != ""
	if on, ok := s.flag("events"); ok {
		g.events = on
	}
	p.ids.Strings, _ = s.flag("string_ids")
	for c := range f.Categories() {
		if !strings.EqualFold(c.Name, "general") {
			p.loadRoom(c)
		}
	}
}

func (p *Plugin) loadRoom(c *config.Group) {
	log := p.gw.Logger()
	name, ok := p.roomID(c.Name)
	switch {
	case !ok:
		log.Warn("not a room", "file", p.general.file, "category", c.Name)
		return
	case p.rooms[name] != nil:
		log.Warn("a room is there twice", "file", p.general.file, "category", c.Name)
		return
	}
	r := p.newRoom(name, newSettings(fileSource{c}, c.Name))
	p.warnMisplaced(c)
	if r.record {
		log.Warn("recording is not available in this build", "room", name)
	}
	if r.dummy {
		r.addDummy(fileDummies(c), r.requireE2EE || isTrue(c.String("dummy_e2ee")))
	}
	p.rooms[name] = r
}

// roomID is the id in the name of a category.
func (p *Plugin) roomID(category string) (id, bool) {
	const prefix = "room-"
	name := category
	if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
		name = name[len(prefix):]
	}
	if p.ids.Strings {
		return name, name != ""
	}
	name = strings.TrimLeft(name, "0")
	return name, name != "" && len(name) <= 18 && strings.Trim(name, "0123456789") == ""
}

// writable tells whether there is a file that rooms can be saved to.
func (p *Plugin) writable() bool { return strings.HasSuffix(p.general.file, ".jcfg") }

// save writes a room to the file, or takes it out. Everything else in the file
// stays as it is.
func (p *Plugin) save(r *room, remove bool) error {
	p.file.Lock()
	defer p.file.Unlock()
	path, err := filepath.EvalSymlinks(p.general.file)
	if err != nil {
		return err
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	category, err := p.category(path, src, r.id)
	if err != nil {
		return err
	}
	if remove {
		src, err = config.RemoveCategory(src, category)
	} else {
		r.mu.Lock()
		g, gone := r.group(), r.destroyed
		r.mu.Unlock()
		if gone {
			return errGone
		}
		src, err = config.SetCategory(src, category, g)
	}
	if err != nil {
		return err
	}
	return config.Replace(path, src)
}

// category is the name of the category that a room has or is to have.
func (p *Plugin) category(path string, src []byte, name id) (string, error) {
	nothing := func(string) ([]byte, error) { return nil, nil }
	f, err := config.Parse(path, src, nothing)
	if err != nil {
		return "", err
	}
	for c := range f.Categories() {
		if found, ok := p.roomID(c.Name); ok && found == name && !strings.EqualFold(c.Name, "general") {
			return c.Name, nil
		}
	}
	return "room-" + name, nil
}

// saved saves a room, or its removal, and tells whether that worked; a failure
// is logged only.
func (p *Plugin) saved(r *room, remove bool) bool {
	err := p.save(r, remove)
	if err != nil {
		p.gw.Logger().Error("room not saved", "room", r.id, "error", err)
	}
	return err == nil
}
