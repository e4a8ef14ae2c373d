package textroom

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/schema"
)

// tables are those of data channels, and of the API.
func (p *Plugin) tables() *kit.Table[*handle] {
	p.channel = p.channelRequests()
	return p.apiRequests()
}

// channelRequests is everything that data channels understand. It depends on the type of
// ids.
func (p *Plugin) channelRequests() *kit.Table[*request] {
	room := p.ids.Field("room", true)
	room.NotNull = true
	optional := room
	optional.Required = false
	required := func(name string) schema.Field {
		return schema.Field{Name: name, Type: schema.String, Required: true, NotNull: true}
	}
	texts := func(names ...string) []schema.Field { return schema.NotNull(schema.Typed(schema.String, names...)) }
	flags := func(names ...string) []schema.Field { return schema.NotNull(schema.Typed(schema.Bool, names...)) }
	array := func(name string) []schema.Field { return schema.NotNull(schema.Typed(schema.Array, name)) }
	of := func(fields ...schema.Field) []schema.Field { return fields }
	t := &kit.Table[*request]{Codes: codes, UnknownText: "Unsupported request %s"}
	add := func(name string, run func(q *request) *schema.Error, fields ...[]schema.Field) {
		t.Add(name, func(q *request, _ *kit.Request, _ *json.Writer) (kit.Response, *schema.Error) {
			return kit.Response{}, run(q)
		}, slices.Concat(fields...)...)
	}
	set := new(settings).Settings()
	user := required("username")
	user.Type = schema.NonEmptyString
	to := schema.Field{Name: "to", Type: schema.NonEmptyString, NotNull: true}
	add("join", p.join, of(room, user), texts("display", "token"), flags("history"))
	add("leave", p.leave, of(room))
	add("message", p.message, of(room, required("text"), to), array("tos"), flags("ack"))
	add("list", p.list)
	add("listparticipants", p.listParticipants, of(room))
	add("exists", p.exists, of(room))
	add("create", p.create, of(optional), schema.NotNull(set.Fields()), flags("permanent"), array("allowed"))
	add("edit", p.edit, of(room), schema.NotNull(set.EditFields()), flags("permanent"))
	add("destroy", p.destroy, of(room), flags("permanent"))
	add("allowed", p.allowed, of(room, required("action")), array("allowed"))
	add("kick", p.kick, of(room, required("username")))
	add("announcement", p.announce, of(room, required("text")))
	return t
}

// membersRequests are those of data channels that the API does not understand.
var membersRequests = []string{"join", "leave", "message"}

// apiRequests is everything that the API understands: the requests of data channels but
// for those of members, and those about the peer connection.
func (p *Plugin) apiRequests() *kit.Table[*handle] {
	t := &kit.Table[*handle]{Key: "textroom", Failed: "error", Codes: codes, Log: p.Gateway.Logger()}
	for i := range p.channel.Rows {
		if name := p.channel.Rows[i].Name; !slices.Contains(membersRequests, name) {
			t.Add(name, byAPI)
		}
	}
	t.AddAsync("setup", (*handle).setup)
	t.AddAsync("ack", (*handle).ack)
	t.AddAsync("restart", (*handle).restart)
	return t
}

var (
	textroomField    = []schema.Field{{Name: "textroom", Type: schema.String, NotNull: true}}
	transactionField = []schema.Field{{Name: "transaction", Type: schema.String, Required: true, NotNull: true}}
)

// byAPI does a request of the API. The field textroom says which, if there is one.
func byAPI(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if err := codes.Check(textroomField, r.Body); err != nil {
		return kit.Response{}, err
	}
	if h.admin {
		if err := codes.Check(transactionField, r.Body); err != nil {
			return kit.Response{}, err
		}
	}
	q := &request{h: h, body: r.Body, w: w, name: r.Body.Str("request")}
	if r.Body.Has("textroom") {
		q.name = r.Body.Str("textroom")
	}
	return kit.Response{}, q.run()
}

var _ plugin.Handle = (*handle)(nil)
