package videoroom

import (
	"errors"
	"strings"

	"bifrons/api/config"
)

// general are the settings of the plugin as a whole.
type general struct {
	file           string // path, "" = there is none
	adminKey       string // "" = everybody may create rooms
	lockForwarding bool   // forwarding needs the admin key, too
	events         bool   // for event handlers
	forward        forwardPolicy
}

// errGone is the failure to save a room that was destroyed meanwhile.
var errGone = errors.New("videoroom: the room was destroyed")

// load takes the plugin's settings and its rooms from a file, nil if there is
// none.
func (p *Plugin) load(f *config.File) {
	g := &p.general
	g.events = true
	g.forward.most = defaultForwarders
	if f == nil {
		return
	}
	g.file = f.Name
	p.store = config.OpenStore(f.Name, p.entry)
	s := fileSource{f.Category("general")}
	g.adminKey, _ = s.text("admin_key")
	locked, _ := s.flag("lock_rtp_forward")
	g.lockForwarding = locked && g.adminKey != ""
	g.forward = takePolicy(s)
	if on, ok := s.flag("events"); ok {
		g.events = on
	}
	p.ids.Strings, _ = s.flag("string_ids")
	for c := range f.Entries() {
		if !isGeneral(c) {
			p.loadRoom(c)
		}
	}
}

func isGeneral(c *config.Group) bool { return strings.EqualFold(c.Name, "general") }

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
	r.saved = true
	if it := c.Get("allowed"); it != nil {
		r.checkAllowed = true
		tokens, _ := it.Texts() // what is no list lets nobody in
		for _, token := range tokens {
			r.allow(token)
		}
	}
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
	if !p.ids.Strings {
		name = strings.TrimLeft(name, "0")
	}
	return name, p.ids.Canonical(name)
}

// entry is the room that a category is, "" if it is none.
func (p *Plugin) entry(c *config.Group) string {
	if name, ok := p.roomID(c.Name); ok && !isGeneral(c) {
		return name
	}
	return ""
}

// saved saves a room, or its removal, and tells whether that worked; a failure
// is logged only.
func (p *Plugin) saved(r *room, remove bool) bool {
	var err error
	if remove {
		err = p.store.Remove(r.id)
	} else {
		err = p.store.Put(r.id, func(string) (*config.Group, error) { return r.entry() }, "room-"+r.id)
	}
	if err != nil {
		p.gw.Logger().Error("room not saved", "room", r.id, "error", err)
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.saved = !remove
	return true
}

// saveAllowed saves who may join, and nothing else, if the room is in the file:
// it is never to be more open after a start than before.
func (p *Plugin) saveAllowed(r *room) {
	r.mu.Lock()
	saved := r.saved
	r.mu.Unlock()
	if !saved {
		return
	}
	if err := p.store.Set(r.id, "allowed", r.entry); err != nil && !errors.Is(err, errGone) {
		p.gw.Logger().Error("allowed tokens not saved", "room", r.id, "error", err)
	}
}

// entry is what the file has of a room.
func (r *room) entry() (*config.Group, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.destroyed {
		return nil, errGone
	}
	g := r.group()
	if r.checkAllowed {
		g.SetArray("allowed", r.allowed...)
	}
	return g, nil
}
