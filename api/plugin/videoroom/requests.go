package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/kit/rooms"
	"bifrons/api/schema"
)

// run is what does a request of a handle.
type run = func(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error)

// requests is everything that the plugin understands. It depends on the type
// of ids.
func (p *Plugin) requests() *kit.Table[*handle] {
	t := &kit.Table[*handle]{
		Key: "videoroom", Codes: codes, Log: p.gw.Logger(),
	}
	room := p.ids.Field("room", true)
	told := func(name string, f run, fields ...schema.Field) { // event handlers hear whose request it was
		t.Rows = append(t.Rows, kit.Row[*handle]{Name: name, Fields: fields, Run: f})
	}
	sync := func(name string, f func(*kit.Request, *json.Writer) (kit.Response, *schema.Error), fields ...schema.Field) {
		told(name, func(_ *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) { return f(r, w) }, fields...)
	}
	async := func(name string, f run) {
		t.Rows = append(t.Rows, kit.Row[*handle]{Name: name, Async: true, Run: f})
	}
	created := p.ids.Field("room", false)
	created.NotNull = true
	desk := func(name string, f func(*rooms.Call) *schema.Error, fields ...schema.Field) {
		told(name, func(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
			return kit.Response{}, f(&rooms.Call{Host: h.Host, Body: r.Body, W: w})
		}, fields...)
	}
	desk("create", p.rooms.Create, append([]schema.Field{created}, createFields...)...)
	desk("edit", p.rooms.Edit, append([]schema.Field{room}, editFields...)...)
	desk("destroy", p.rooms.Destroy, room, schema.Field{Name: "permanent", Type: schema.Bool})
	desk("list", func(x *rooms.Call) *schema.Error { return p.rooms.List(x, x.Body.Has("admin_key")) },
		schema.Field{Name: "admin_key", Type: schema.String})
	desk("exists", p.rooms.Exists, room)
	desk("allowed", p.rooms.Allowed, append([]schema.Field{room}, rooms.TokenFields...)...)
	sync("kick", p.kick, room, p.ids.Field("id", true))
	sync("moderate", p.moderate, room, p.ids.Field("id", true),
		schema.Field{Name: "mid", Type: schema.String, Required: true},
		schema.Field{Name: "mute", Type: schema.Bool, Required: true})
	sync("listparticipants", p.listParticipants, room)
	sync("enable_recording", p.enableRecording, room, schema.Field{Name: "record", Type: schema.Bool, Required: true})
	p.forwardRequests(sync, told)

	async("join", func(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
		return p.join(h, r, w, false)
	})
	async("joinandconfigure", func(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
		return p.join(h, r, w, true)
	})
	async("publish", byRole((*publisher).publishRequest, nil))
	async("unpublish", byRole((*publisher).unpublish, nil))
	async("configure", byRole((*publisher).configure, locked((*subscriber).configure)))
	async("leave", byRole((*publisher).leave, locked((*subscriber).leave)))
	async("start", byRole(nil, locked((*subscriber).start)))
	async("pause", byRole(nil, locked((*subscriber).pause)))
	async("switch", byRole(nil, (*subscriber).switchStreams))
	async("subscribe", byRole(nil, locked(updating("streams", ""))))
	async("unsubscribe", byRole(nil, locked(updating("", "streams"))))
	async("update", byRole(nil, locked(updating("subscribe", "unsubscribe"))))
	p.addLevels(t)
	return t
}

// byRole picks what a request does by what the handle joined as. nil says that
// there is no such request for the role.
func byRole(pub publisherRun, sub subscriberRun) run {
	return func(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
		switch role := h.is().(type) {
		case *publisher:
			return role.run(pub, r, w)
		case *subscriber:
			if sub != nil {
				return sub(role, r, w)
			}
			return fail(errInvalidRequest, "Invalid request '%s' for a subscriber", r.Body.Str("request"))
		}
		return fail(errJoinFirst, "Invalid request on unconfigured participant")
	}
}

// roomFields are those of requests that make a room, and of its category in the file.
var roomFields = fields(new(settings).table().Fields(),
	typed(schema.Bool, "dummy_e2ee"), typed(schema.Array, "allowed", "dummy_streams"))

var createFields = fields(roomFields, typed(schema.String, "admin_key"), typed(schema.Bool, "permanent"))

var dummyFields = []schema.Field{
	{Name: "codec", Type: schema.String, Required: true},
	{Name: "fmtp", Type: schema.String},
}

var editFields = fields(new(settings).table().EditFields(), typed(schema.Bool, "permanent"))

var joinFields = []schema.Field{
	{Name: "ptype", Type: schema.String, Required: true},
	{Name: "token", Type: schema.String},
}

// publisherFields are the fields that joining and configuring share.
var publisherFields = fields(
	typed(schema.String, "display", "filename", "audiocodec", "videocodec"),
	typed(schema.Object, "metadata"),
	typed(schema.Bool, "audio", "video", "data", "record"),
	typed(schema.Uint, "bitrate"),
	kit.TalkingFields,
	typed(schema.Array, "descriptions"),
)

// publisherJoinFields are those of a join as participant.
func (p *Plugin) publisherJoinFields() []schema.Field {
	return append([]schema.Field{p.ids.Field("id", false)}, publisherFields...)
}

var streamFields = fields(
	typed(schema.String, "mid"),
	typed(schema.Bool, "send", "keyframe"),
	mline.DelayFields,
)

var configureFields = fields(publisherFields, streamFields,
	typed(schema.Bool, "update", "restart"), typed(schema.Array, "streams"))

var descriptionFields = []schema.Field{
	{Name: "mid", Type: schema.String, Required: true},
	{Name: "description", Type: schema.String, Required: true},
}

// streamsField is the list that most requests have their items in.
var streamsField = typed(schema.Array, "streams")

// settingFields are what can be set of an m-line.
var settingFields = fields(typed(schema.String, "mid"), typed(schema.Bool, "send", "keyframe"), mline.Fields, mline.DelayFields)

// subscriberFields are those of a subscriber's configure.
var subscriberFields = fields(settingFields, typed(schema.Bool, "audio", "video", "data", "update", "restart"), streamsField)

// subscriberJoinFields are what a subscriber's join may have besides what every join
// has.
func (p *Plugin) subscriberJoinFields() []schema.Field {
	return fields(
		[]schema.Field{{Name: "streams", Type: schema.Array}, p.ids.Field("feed", false), {Name: "private_id", Type: schema.Uint}},
		typed(schema.Bool, "use_msid", "autoupdate", "offer_audio", "offer_video", "offer_data", "audio", "video", "data"),
		mline.Fields,
	)
}

func (p *Plugin) subscribeFields() []schema.Field {
	return fields([]schema.Field{p.ids.Field("feed", true)}, typed(schema.String, "crossrefid"), settingFields)
}

func (p *Plugin) unsubscribeFields() []schema.Field {
	return fields([]schema.Field{p.ids.Field("feed", false)}, typed(schema.String, "mid", "sub_mid"))
}

func (p *Plugin) switchFields() []schema.Field {
	return fields([]schema.Field{p.ids.Field("feed", true), {Name: "mid", Type: schema.String, Required: true},
		{Name: "sub_mid", Type: schema.String, Required: true}}, settingFields)
}
