package videoroom

import (
	"errors"
	"strings"

	"bifrons/api/config"
	"bifrons/api/kit"
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

// generalSettings is the category general of the file.
type generalSettings struct {
	AdminKey       string `cfg:"admin_key" guard:"everybody may create rooms"`
	LockForwarding bool   `cfg:"lock_rtp_forward" guard:"who manages a room may forward its media"`
	Events         bool   `cfg:"events"`
	StringIDs      bool   `cfg:"string_ids"`

	// Where media may be sent to. Janus has no such settings.
	ForwardMost      int  `cfg:"rtp_forward_max" range:"1..1048576" lenient:"low=ignore,high=clamp,text=ignore"`
	ForwardOwnPorts  bool `cfg:"rtp_forward_own_ports"`
	ForwardMulticast bool `cfg:"rtp_forward_multicast"`
	ForwardLinkLocal bool `cfg:"rtp_forward_link_local"`
}

// load takes the plugin's settings and its rooms from a file, nil if there is
// none, and returns what is wrong with it.
func (p *Plugin) load(f *config.File) []config.Problem {
	set := generalSettings{Events: true, ForwardMost: defaultForwarders}
	file := config.PluginFile{File: f}
	problems := file.General(&set)
	p.general = general{
		adminKey: set.AdminKey, lockForwarding: set.LockForwarding && set.AdminKey != "", events: set.Events,
		forward: forwardPolicy{most: set.ForwardMost, own: set.ForwardOwnPorts, multicast: set.ForwardMulticast,
			linkLocal: set.ForwardLinkLocal},
	}
	if f != nil {
		p.general.file = f.Name
	}
	if it := f.Category("general").Get("lock_rtp_forward"); set.LockForwarding && set.AdminKey == "" {
		problems = append(problems, config.Problem{File: it.File, Line: it.Line, Section: "general", Key: it.Name, Warning: true,
			Text: "needs admin_key", Open: "who manages a room may forward its media"})
	}
	p.ids.Strings = set.StringIDs
	return append(problems, file.Entries("room", p.loadRoom)...)
}

// loadRoom makes the room of a category, and tells why if it is left out.
func (p *Plugin) loadRoom(c *config.Reader) (leftOut string) {
	name, ok := p.roomID(c.Category())
	switch {
	case !ok:
		return "its name is no id of a room, which is a number from 1 on unless string_ids is set"
	case p.rooms[name] != nil:
		return "there is a room " + name + " already"
	}
	if bad := c.Unreadable("secret", "pin"); bad != "" {
		return "without its " + bad + " it would be open"
	}
	fileLevels.CheckFile(c, fileGuards)
	c.Pending("record", "video_svc")
	src := kit.FromFile(c)
	r := p.newRoom(name, newSettings(src, c.Category()))
	r.saved = true
	tokens, limited := c.Texts("allowed") // what is no list lets nobody in
	r.checkAllowed = limited
	for _, token := range tokens {
		r.allow(token)
	}
	if dummies, e2ee := readDummies(src), isOn(src, "dummy_e2ee"); r.dummy {
		r.addDummy(dummies, r.requireE2EE || e2ee)
	}
	p.rooms[name] = r
	return ""
}

// Check reads the file as a start does.
func (p *Plugin) Check() (found string, problems []config.Problem) {
	f, problems := config.LoadFile(p.cfg.Folder, Package)
	dry := New(p.cfg)
	problems = append(problems, dry.load(f)...)
	return kit.Count(len(dry.rooms), "room"), problems
}

func isOn(src kit.Source, name string) bool {
	on, _ := src.Flag(name)
	return on
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
	if name, ok := p.roomID(c.Name); ok && !config.IsGeneral(c) {
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
