// Package example is the plugin of docs/plugins.md: rooms with an echo and messages.
package example

import (
	"sync"
	"sync/atomic"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/rooms"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

const Package = "janus.plugin.example"
const errNoSuchRoom, errNoOffer = 426, 427

var codes = kit.Codes{Missing: 421, Invalid: 422, Unknown: 423, BadSDP: 424, Unauthorized: 425}

type Plugin struct {
	kit.Plugin[*handle]
	rooms rooms.Registry[*room]
}

func New(folder string) *Plugin {
	p := &Plugin{}
	p.File = kit.File{Folder: folder, Package: Package, Entry: "room", Count: p.rooms.Len, General: p.Events.General, Load: p.load}
	p.rooms = rooms.Registry[*room]{IDs: new(schema.IDs), Field: "room", Codes: codes,
		NoSuch: rooms.NoSuchRoom(errNoSuchRoom)}
	p.NewHandle = func(host plugin.Host) *handle { return &handle{Handle: kit.Handle{Host: host}, plugin: p} }
	p.Table = &kit.Table[*handle]{Key: "example", Codes: codes, Rows: []kit.Row[*handle]{
		{Name: "count", Run: (*handle).count},
		{Name: "join", Run: (*handle).join, Async: true, Fields: []schema.Field{{Name: "name", Type: schema.String, Required: true}}},
	}}
	return p
}

func (p *Plugin) Info() module.Info {
	return module.Info{Package: Package, Name: "Example", Version: 1}
}

func (p *Plugin) Close() { p.rooms.Clear() }

func (p *Plugin) load(c *config.Reader) (leftOut string) {
	id, bad := p.rooms.ReserveCategory(c.Category())
	if bad != "" {
		return bad
	}
	defer p.rooms.Release(id)
	if c.Unreadable("secret") != "" {
		return "without its secret it would be open"
	}
	c.Strays([]string{"secret"}, nil, map[string]string{"secret": "everybody may join"})
	secret, _ := c.Text("secret")
	p.rooms.Commit(id, &room{Access: rooms.Access{Locker: new(sync.Mutex), Secret: secret}, members: make(map[*handle]struct{})})
	return ""
}

type room struct {
	rooms.Access
	members map[*handle]struct{}
}

type handle struct {
	kit.Handle
	plugin *Plugin
	room   atomic.Pointer[room] // nil while it is in none
	media  []sdp.Section        // that were agreed on
}

func (h *handle) Message(r *plugin.Request) plugin.Result {
	return h.plugin.Table.Message(h.Host, h, r)
}
func (h *handle) Query(w *json.Writer) { h.WriteState(w) }
func (h *handle) Hangup(string)        { h.PeerChanged(); h.leave() }
func (h *handle) Detach()              { h.Detached(); h.leave() }

func (h *handle) count(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return kit.Response{}, h.plugin.rooms.With(r.Body, func(room *room) *schema.Error {
		w.Int("members", int64(len(room.members)))
		return nil
	})
}

func (h *handle) join(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if r.JSEP == nil || h.room.Load() != nil {
		return kit.Fail(errNoOffer, "Join once, with an offer")
	}
	answer := sdp.Answer(r.JSEP.SDP, sdp.AnswerOptions{})
	w.Str("example", "joined")
	return kit.Response{JSEP: &plugin.JSEP{SDP: answer}}, h.plugin.rooms.Manage(r.Body, func(room *room) *schema.Error {
		h.media = answer.Sections
		h.room.Store(room)
		room.members[h] = struct{}{}
		h.plugin.Events.Notify(h.Host, func(w *json.Writer) { w.Str("joined", r.Body.Str("name")) })
		return nil
	})
}

func (h *handle) Up() {
	for i, peer := 0, h.Host.Peer(); peer != nil && i < len(h.media); i++ {
		peer.Subscribe(sfu.Subscription{Origin: peer, Track: i, Section: i, Target: media.NoLayer})
	}
}

func (h *handle) Data(label, protocol string, binary bool, payload []byte) {
	room := h.room.Load()
	if room == nil {
		return
	}
	room.Lock()
	defer room.Unlock()
	for other := range room.members {
		if other != h {
			h.plugin.SendData(other.Host.Peer(), kit.Message{Label: label, Protocol: protocol, Binary: binary, Payload: payload})
		}
	}
}

func (h *handle) leave() {
	if room := h.room.Swap(nil); room != nil {
		room.Lock()
		defer room.Unlock()
		delete(room.members, h)
	}
}
