package videoroom

import (
	"bifrons/api/config"
	"bifrons/api/kit"
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

// loadRoom makes the room of a category, and tells why if it is left out.
func (p *Plugin) loadRoom(c *config.Reader) (leftOut string) {
	name, ok := p.rooms.CategoryID(c.Category())
	if !ok {
		return "its name is no id of a room, which is a number from 1 on unless string_ids is set"
	}
	if _, free := p.rooms.ReserveID(name, true); !free {
		return "there is a room " + name + " already"
	}
	defer p.rooms.Release(name)
	if bad := c.Unreadable("secret", "pin"); bad != "" {
		return "without its " + bad + " it would be open"
	}
	fileLevels.CheckFile(c, fileGuards)
	c.Pending("record", "video_svc")
	src := kit.FromFile(c)
	r := p.newRoom(name, newSettings(src, c.Category()))
	r.saved = true
	r.allowed.Load(c)
	if dummies, e2ee := readDummies(src), isOn(src, "dummy_e2ee"); r.dummy {
		r.addDummy(dummies, r.requireE2EE || e2ee)
	}
	p.rooms.Commit(name, r)
	return ""
}

func isOn(src kit.Source, name string) bool {
	on, _ := src.Flag(name)
	return on
}

// saved saves a room, or its removal, and tells whether that worked.
func (p *Plugin) saved(r *room, remove bool) bool {
	ok := false
	if remove {
		ok = p.file.Remove(r.id)
	} else {
		ok = p.file.Save(r.id, r.entry, "room-"+r.id)
	}
	if ok {
		r.Lock()
		defer r.Unlock()
		r.saved = !remove
	}
	return ok
}

// saveAllowed saves who may join, and nothing else, if the room is in the file:
// it is never to be more open after a start than before.
func (p *Plugin) saveAllowed(r *room) {
	if r.isSaved() {
		p.file.SaveOne(r.id, "allowed", func() (*config.Group, error) { return r.entry("") })
	}
}

func (r *room) isSaved() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.saved
}

// entry is what the file has of a room.
func (r *room) entry(string) (*config.Group, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.destroyed {
		return nil, kit.ErrGone
	}
	g := r.group()
	r.allowed.Save(g)
	return g, nil
}
