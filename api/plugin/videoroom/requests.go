package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/plugin"
)

// run is what does a request of a handle.
type run = func(h *handle, r *plugin.Request, w *json.Writer) plugin.Response

// requests is everything that the plugin understands. It depends on the type
// of ids.
func (p *Plugin) requests() *plugin.Table[*handle] {
	t := &plugin.Table[*handle]{
		Key: "videoroom", Missing: errMissingElement, Invalid: errInvalidElement, Unknown: errInvalidRequest,
		BadSDP: errInvalidSDP, Log: p.gw.Logger(),
	}
	room := p.ids.Field("room", true)
	told := func(name string, f run, fields ...plugin.Field) { // event handlers hear whose request it was
		t.Rows = append(t.Rows, plugin.Row[*handle]{Name: name, Fields: fields, Run: f})
	}
	sync := func(name string, f func(*plugin.Request, *json.Writer) plugin.Response, fields ...plugin.Field) {
		told(name, func(_ *handle, r *plugin.Request, w *json.Writer) plugin.Response { return f(r, w) }, fields...)
	}
	async := func(name string, f run) {
		t.Rows = append(t.Rows, plugin.Row[*handle]{Name: name, Async: true, Run: f})
	}
	created := p.ids.Field("room", false)
	created.NotNull = true
	told("create", p.create, append([]plugin.Field{created}, createFields...)...)
	told("edit", p.edit, append([]plugin.Field{room}, editFields...)...)
	told("destroy", p.destroy, room, plugin.Field{Name: "permanent", Type: plugin.Bool})
	sync("list", p.list, plugin.Field{Name: "admin_key", Type: plugin.String})
	sync("exists", p.exists, room)
	sync("allowed", p.allowedTokens, room, plugin.Field{Name: "action", Type: plugin.String, Required: true},
		plugin.Field{Name: "allowed", Type: plugin.Array})
	sync("kick", p.kick, room, p.ids.Field("id", true))
	sync("moderate", p.moderate, room, p.ids.Field("id", true),
		plugin.Field{Name: "mid", Type: plugin.String, Required: true},
		plugin.Field{Name: "mute", Type: plugin.Bool, Required: true})
	sync("listparticipants", p.listParticipants, room)
	sync("enable_recording", p.enableRecording, room, plugin.Field{Name: "record", Type: plugin.Bool, Required: true})
	p.forwardRequests(sync, told)

	async("join", func(h *handle, r *plugin.Request, w *json.Writer) plugin.Response { return p.join(h, r, w, false) })
	async("joinandconfigure", func(h *handle, r *plugin.Request, w *json.Writer) plugin.Response {
		return p.join(h, r, w, true)
	})
	async("publish", byRole((*publisher).publishRequest, nil))
	async("unpublish", byRole((*publisher).unpublish, nil))
	async("configure", byRole((*publisher).configure, (*subscriber).configure))
	async("leave", byRole((*publisher).leave, (*subscriber).leave))
	async("start", byRole(nil, (*subscriber).start))
	async("pause", byRole(nil, (*subscriber).pause))
	async("switch", byRole(nil, (*subscriber).switchStreams))
	async("subscribe", byRole(nil, (*subscriber).subscribe))
	async("unsubscribe", byRole(nil, (*subscriber).unsubscribe))
	async("update", byRole(nil, (*subscriber).update))
	p.addLevels(t)
	return t
}

// byRole picks what a request does by what the handle joined as. nil says that
// there is no such request for the role.
func byRole(
	pub func(*publisher, *plugin.Request, *json.Writer) plugin.Response,
	sub func(*subscriber, *plugin.Request, *json.Writer) plugin.Response,
) run {
	return func(h *handle, r *plugin.Request, w *json.Writer) plugin.Response {
		name, _ := json.String(r.Body.Get("request"))
		switch role := h.is().(type) {
		case *publisher:
			switch {
			case pub != nil:
				return pub(role, r, w)
			case role.isGone():
				return fail(errNoSuchRoom, "No such room")
			}
			return fail(errInvalidRequest, "Invalid request '%s' for a publisher", name)
		case *subscriber:
			if sub != nil {
				return sub(role, r, w)
			}
			return fail(errInvalidRequest, "Invalid request '%s' for a subscriber", name)
		}
		return fail(errJoinFirst, "Invalid request on unconfigured participant")
	}
}

// isGone tells whether the participant is in no room any more.
func (p *publisher) isGone() bool {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	return p.gone
}

// typed makes fields of one type.
func typed(t plugin.Type, names ...string) []plugin.Field {
	list := make([]plugin.Field, len(names))
	for i, name := range names {
		list[i] = plugin.Field{Name: name, Type: t}
	}
	return list
}

func fields(lists ...[]plugin.Field) []plugin.Field {
	var all []plugin.Field
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

var createFields = fields(
	typed(plugin.String, "description", "secret", "pin", "audiocodec", "videocodec", "vp9_profile", "h264_profile",
		"rec_dir", "admin_key"),
	typed(plugin.Bool, "is_private", "require_pvtid", "signed_tokens", "bitrate_cap", "opus_fec", "opus_dtx",
		"audiolevel_ext", "audiolevel_event", "videoorient_ext", "playoutdelay_ext", "transport_wide_cc_ext",
		"record", "lock_record", "notify_joining", "require_e2ee", "dummy_publisher", "dummy_e2ee", "permanent"),
	typed(plugin.Uint, "publishers", "bitrate", "fir_freq", "audio_active_packets", "audio_level_average", "threads"),
	typed(plugin.Array, "allowed", "dummy_streams"),
)

var dummyFields = []plugin.Field{
	{Name: "codec", Type: plugin.String, Required: true},
	{Name: "fmtp", Type: plugin.String},
}

var editFields = fields(
	typed(plugin.String, "new_description", "new_secret", "new_pin", "new_rec_dir"),
	typed(plugin.Bool, "new_is_private", "new_require_pvtid", "new_lock_record", "permanent"),
	typed(plugin.Uint, "new_bitrate", "new_fir_freq", "new_publishers"),
)

var joinFields = []plugin.Field{
	{Name: "ptype", Type: plugin.String, Required: true},
	{Name: "token", Type: plugin.String},
}

// publisherFields are the fields that joining and configuring share.
var publisherFields = fields(
	typed(plugin.String, "display", "filename", "audiocodec", "videocodec"),
	typed(plugin.Object, "metadata"),
	typed(plugin.Bool, "audio", "video", "data", "record"),
	typed(plugin.Uint, "bitrate"),
	typed(plugin.Int, "audio_active_packets", "audio_level_average"),
	typed(plugin.Array, "descriptions"),
)

// publisherJoinFields are those of a join as participant.
func (p *Plugin) publisherJoinFields() []plugin.Field {
	return append([]plugin.Field{p.ids.Field("id", false)}, publisherFields...)
}

var streamFields = fields(
	typed(plugin.String, "mid"),
	typed(plugin.Bool, "send", "keyframe"),
	typed(plugin.Int, "min_delay", "max_delay"),
)

var configureFields = fields(publisherFields, streamFields,
	typed(plugin.Bool, "update", "restart"), typed(plugin.Array, "streams"))

var descriptionFields = []plugin.Field{
	{Name: "mid", Type: plugin.String, Required: true},
	{Name: "description", Type: plugin.String, Required: true},
}
