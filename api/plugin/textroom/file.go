package textroom

import (
	"strings"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/kit"
)

// general are the settings of the plugin as a whole.
type general struct {
	adminKey string // "" = everybody may create rooms
	layout   json.Layout
}

// generalSettings is the category general of the file.
type generalSettings struct {
	AdminKey  string `cfg:"admin_key" guard:"everybody may create rooms"`
	JSON      string `cfg:"json" enum:"indented|plain|compact"` // of what is sent on data channels
	Events    bool   `cfg:"events"`
	StringIDs bool   `cfg:"string_ids"`
}

// loadGeneral takes the plugin's settings from its file.
func (p *Plugin) loadGeneral(f config.PluginFile) []config.Problem {
	set := generalSettings{Events: true}
	problems := f.General(&set)
	p.general.adminKey = set.AdminKey
	p.general.layout, _ = json.ParseLayout(strings.ToLower(set.JSON))
	p.events.On = set.Events
	p.ids.Strings = set.StringIDs
	return problems
}

// roomSettings are the settings of a room in the file, and roomGuards what stands
// open without some of them.
var (
	roomSettings = []string{"description", "secret", "pin", "is_private", "history", "post", "allowed"}
	roomGuards   = map[string]string{
		"secret": "everybody may change and destroy the room", "pin": "everybody may join",
		"allowed": "everybody may join", "is_private": "the room is in the list",
	}
)

// loadRoom makes the room of a category, and tells why if it is left out.
func (p *Plugin) loadRoom(c *config.Reader) (leftOut string) {
	id, ok := p.rooms.CategoryID(c.Category())
	if !ok {
		return "its name is no id of a room, which is a number from 1 on unless string_ids is set"
	}
	if _, free := p.rooms.ReserveID(id, true); !free {
		return "there is a room " + id + " already"
	}
	defer p.rooms.Release(id)
	if bad := c.Unreadable("secret", "pin"); bad != "" {
		return "without its " + bad + " it would be open"
	}
	c.Strays(roomSettings, nil, roomGuards)
	r := p.newRoom(id, newSettings(kit.FromFile(c), c.Category()))
	r.saved = true
	r.allowed.Load(c)
	p.rooms.Commit(id, r)
	return ""
}

// save saves a room, or its removal, and tells whether that worked.
func (p *Plugin) save(r *room, remove bool) bool {
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

// saveAllowed saves who may join, and nothing else, if the room is in the file: it is
// never to be more open after a start than before.
func (p *Plugin) saveAllowed(r *room) {
	r.Lock()
	saved := r.saved
	r.Unlock()
	if saved {
		p.file.SaveOne(r.id, "allowed", func() (*config.Group, error) { return r.entry("") })
	}
}

// entry is what the file has of a room.
func (r *room) entry(string) (*config.Group, error) {
	r.Lock()
	defer r.Unlock()
	if r.destroyed {
		return nil, kit.ErrGone
	}
	g := r.group()
	r.allowed.Save(g)
	return g, nil
}
