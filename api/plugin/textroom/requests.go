package textroom

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/schema"
)

// row is a request that data channels understand.
type row struct {
	name    string
	fields  []schema.Field
	channel bool // the API does not
	run     func(c *call) *schema.Error
}

// requests is everything that data channels understand. It depends on the type of ids.
func (p *Plugin) requests() []row {
	room := p.ids.Field("room", true)
	room.NotNull = true
	optional := room
	optional.Required = false
	required := func(name string) schema.Field {
		return schema.Field{Name: name, Type: schema.String, Required: true, NotNull: true}
	}
	texts := func(names ...string) []schema.Field { return notNull(schema.Typed(schema.String, names...)) }
	flags := func(names ...string) []schema.Field { return notNull(schema.Typed(schema.Bool, names...)) }
	array := func(name string) []schema.Field { return notNull(schema.Typed(schema.Array, name)) }
	with := func(first []schema.Field, more ...[]schema.Field) []schema.Field {
		for _, list := range more {
			first = append(first, list...)
		}
		return first
	}
	set := new(settings).table()
	user := required("username")
	user.Type = schema.NonEmptyString
	to := schema.Field{Name: "to", Type: schema.NonEmptyString, NotNull: true}
	return []row{
		{"join", with([]schema.Field{room, user}, texts("display", "token"), flags("history")), true, p.join},
		{"leave", []schema.Field{room}, true, p.leave},
		{"message", with([]schema.Field{room, required("text"), to}, array("tos"), flags("ack")), true, p.message},
		{"list", nil, false, p.list},
		{"listparticipants", []schema.Field{room}, false, p.listParticipants},
		{"exists", []schema.Field{room}, false, p.exists},
		{"create", with([]schema.Field{optional}, notNull(set.Fields()), flags("permanent"), array("allowed")), false, p.create},
		{"edit", with([]schema.Field{room}, notNull(set.EditFields()), flags("permanent")), false, p.edit},
		{"destroy", with([]schema.Field{room}, flags("permanent")), false, p.destroy},
		{"allowed", with([]schema.Field{room, required("action")}, array("allowed")), false, p.allowed},
		{"kick", []schema.Field{room, required("username")}, false, p.kick},
		{"announcement", []schema.Field{room, required("text")}, false, p.announce},
	}
}

// notNull makes null a wrong value of fields.
func notNull(list []schema.Field) []schema.Field {
	for i := range list {
		list[i].NotNull = true
	}
	return list
}

// apiRequests is everything that the API understands: the requests of data channels but
// for those of members, and those about the peer connection.
func (p *Plugin) apiRequests() *kit.Table[*handle] {
	t := &kit.Table[*handle]{Key: "textroom", Failed: "error", Codes: codes, Log: p.Gateway.Logger()}
	for _, x := range p.rows {
		if !x.channel {
			t.Rows = append(t.Rows, kit.Row[*handle]{Name: x.name, Run: byAPI})
		}
	}
	for name, run := range map[string]func(*handle, *kit.Request, *json.Writer) (kit.Response, *schema.Error){
		"setup": (*handle).setup, "ack": (*handle).ack, "restart": (*handle).restart,
	} {
		t.Rows = append(t.Rows, kit.Row[*handle]{Name: name, Async: true, Run: run})
	}
	return t
}

var (
	textroomField    = []schema.Field{{Name: "textroom", Type: schema.String, NotNull: true}}
	transactionField = []schema.Field{{Name: "transaction", Type: schema.String, Required: true, NotNull: true}}
)

// byAPI does a request of the API. The field textroom tells which, if there is one.
func byAPI(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if err := codes.Check(textroomField, r.Body); err != nil {
		return kit.Response{}, err
	}
	if h.admin {
		if err := codes.Check(transactionField, r.Body); err != nil {
			return kit.Response{}, err
		}
	}
	c := &call{h: h, body: r.Body, w: w, name: r.Body.Str("request")}
	if r.Body.Has("textroom") {
		c.name = r.Body.Str("textroom")
	}
	return kit.Response{}, c.run()
}

var _ plugin.Handle = (*handle)(nil)
