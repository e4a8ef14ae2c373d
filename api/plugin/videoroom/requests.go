package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/rooms"
	"bifrons/api/schema"
)

// What does a request of a handle; a synchronous one; one that is the same for all handles.
type (
	run     = func(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error)
	runTold = func(h *handle, r *kit.Request, w *json.Writer) *schema.Error // event handlers hear whose request it was
	runSync = func(r *kit.Request, w *json.Writer) *schema.Error
)

// requests is everything that the plugin understands. It depends on the type
// of ids.
func (p *Plugin) requests() *kit.Table[*handle] {
	t := &kit.Table[*handle]{
		Key: "videoroom", Codes: codes, Log: p.Gateway.Logger(),
	}
	room := p.ids.Field("room", true)
	told := func(name string, f runTold, fields ...schema.Field) {
		t.Rows = append(t.Rows, kit.Row[*handle]{Name: name, Fields: fields,
			Run: func(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
				return kit.Response{}, f(h, r, w)
			}})
	}
	sync := func(name string, f runSync, fields ...schema.Field) {
		told(name, func(_ *handle, r *kit.Request, w *json.Writer) *schema.Error { return f(r, w) }, fields...)
	}
	async := func(name string, f run) {
		t.Rows = append(t.Rows, kit.Row[*handle]{Name: name, Async: true, Run: f})
	}
	created := p.ids.Field("room", false)
	created.NotNull = true
	desk := func(name string, f func(*rooms.Request) *schema.Error, fields ...schema.Field) {
		told(name, func(h *handle, r *kit.Request, w *json.Writer) *schema.Error {
			return f(&rooms.Request{Host: h.Host, Body: r.Body, W: w})
		}, fields...)
	}
	desk("create", p.rooms.Create, append([]schema.Field{created}, createFields...)...)
	desk("edit", p.rooms.Edit, append([]schema.Field{room}, editFields...)...)
	desk("destroy", p.rooms.Destroy, room, schema.Field{Name: "permanent", Type: schema.Bool})
	desk("list", func(x *rooms.Request) *schema.Error { return p.rooms.List(x, x.Body.Has("admin_key")) },
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
	async("publish", byRole(setup(true), nil))
	async("unpublish", byRole((*publisher).unpublish, nil))
	async("configure", byRole(setup(false), locked((*subscriber).configure)))
	async("leave", byRole((*publisher).leave, (*subscriber).leave))
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

// forwardRequests adds the requests that have to do with media outside of
// WebRTC: RTP forwarders and publishers on other servers.
func (p *Plugin) forwardRequests(add func(string, runSync, ...schema.Field), told func(string, runTold, ...schema.Field)) {
	room, publisher := p.ids.Field("room", true), p.ids.Field("publisher_id", true)
	user := p.ids.Field("id", true)
	must := func(name string, t schema.Type) schema.Field {
		return schema.Field{Name: name, Type: t, Required: true}
	}
	with := func(list []schema.Field, more ...schema.Field) []schema.Field { return append(more, list...) }

	told("rtp_forward", p.rtpForward, with(forwardFields, room, publisher, must("host", schema.String))...)
	add("stop_rtp_forward", p.stopForward, room, publisher, must("stream_id", schema.Uint))
	add("listforwarders", p.listForwarders, room)
	told("publish_remotely", p.publishRemotely, with(transportFields, room, publisher,
		must("remote_id", schema.String), must("host", schema.String), must("port", schema.Uint))...)
	add("unpublish_remotely", p.unpublishRemotely, room, publisher, must("remote_id", schema.String))
	add("listremotes", p.listRemotes, room, publisher)
	add("add_remote_publisher", p.addRemote, with(remoteFields, room, p.ids.Field("id", false),
		must("streams", schema.NonEmptyArray))...)
	add("update_remote_publisher", p.updateRemote, with(remoteFields, room, user, must("streams", schema.Array))...)
	add("remove_remote_publisher", p.removeRemote, room, user)
}
