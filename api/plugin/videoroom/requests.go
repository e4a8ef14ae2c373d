package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/rooms"
	"bifrons/api/schema"
)

// The actions behind the requests of a handle.
type run = kit.Run[*handle]

// requests is everything that the plugin understands. It depends on the type
// of ids.
func (p *Plugin) requests() *kit.Table[*handle] {
	t := &kit.Table[*handle]{
		Key: "videoroom", Codes: codes, Log: p.Gateway.Logger(),
	}
	room, user := p.ids.Field("room", true), p.ids.Field("id", true)
	created := p.ids.Field("room", false)
	created.NotNull = true
	t.AddCommon("create", rooms.By(p.rooms.Create), append([]schema.Field{created}, createFields...)...)
	t.AddCommon("edit", rooms.By(p.rooms.Edit), append([]schema.Field{room}, editFields...)...)
	t.AddCommon("destroy", rooms.By(p.rooms.Destroy), room, schema.Field{Name: "permanent", Type: schema.Bool})
	t.AddCommon("list", rooms.By(func(x *rooms.Request) *schema.Error { return p.rooms.List(x, x.Body.Has("admin_key")) }),
		schema.Field{Name: "admin_key", Type: schema.String})
	t.AddCommon("exists", rooms.By(p.rooms.Exists), room)
	t.AddCommon("allowed", rooms.By(p.rooms.Allowed), append([]schema.Field{room}, rooms.TokenFields...)...)
	t.AddCommon("kick", p.kick, room, user)
	t.AddCommon("moderate", p.moderate, room, user,
		schema.Field{Name: "mid", Type: schema.String, Required: true},
		schema.Field{Name: "mute", Type: schema.Bool, Required: true})
	t.AddCommon("listparticipants", p.listParticipants, room)
	t.AddCommon("enable_recording", p.enableRecording, room, schema.Field{Name: "record", Type: schema.Bool, Required: true})
	p.forwardRequests(t)

	t.AddAsync("join", func(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
		return p.join(h, r, w, false)
	})
	t.AddAsync("joinandconfigure", func(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
		return p.join(h, r, w, true)
	})
	t.AddAsync("publish", byRole(setup(true), nil))
	t.AddAsync("unpublish", byRole((*publisher).unpublish, nil))
	t.AddAsync("configure", byRole(setup(false), locked((*subscriber).configure)))
	t.AddAsync("leave", byRole((*publisher).leave, (*subscriber).leave))
	t.AddAsync("start", byRole(nil, locked((*subscriber).start)))
	t.AddAsync("pause", byRole(nil, locked((*subscriber).pause)))
	t.AddAsync("switch", byRole(nil, (*subscriber).switchStreams))
	t.AddAsync("subscribe", byRole(nil, locked(updating("streams", ""))))
	t.AddAsync("unsubscribe", byRole(nil, locked(updating("", "streams"))))
	t.AddAsync("watch", p.watch)
	t.AddAsync("update", byRole(nil, locked(updating("subscribe", "unsubscribe"))))
	p.addLevels(t)
	return t
}

// byRole picks the action of a request by the role of the handle. nil means that
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

// forwardRequests adds the requests that have to do with media outside
// WebRTC: RTP forwarders and publishers on other servers.
func (p *Plugin) forwardRequests(t *kit.Table[*handle]) {
	room, publisher := p.ids.Field("room", true), p.ids.Field("publisher_id", true)
	user := p.ids.Field("id", true)
	must := func(name string, t schema.Type) schema.Field { return schema.Must(typed(t, name))[0] }
	with := func(list []schema.Field, more ...schema.Field) []schema.Field { return append(more, list...) }

	t.AddCommon("rtp_forward", p.rtpForward, with(forwardFields, room, publisher, must("host", schema.String))...)
	t.AddCommon("stop_rtp_forward", p.stopForward, room, publisher, must("stream_id", schema.Uint))
	t.AddCommon("listforwarders", p.listForwarders, room)
	t.AddCommon("publish_remotely", p.publishRemotely, with(transportFields, room, publisher,
		must("remote_id", schema.String), must("host", schema.String), must("port", schema.Uint))...)
	t.AddCommon("unpublish_remotely", p.unpublishRemotely, room, publisher, must("remote_id", schema.String))
	t.AddCommon("listremotes", p.listRemotes, room, publisher)
	t.AddCommon("add_remote_publisher", p.addRemote, with(remoteFields, room, p.ids.Field("id", false),
		must("streams", schema.NonEmptyArray))...)
	t.AddCommon("update_remote_publisher", p.updateRemote, with(remoteFields, room, user, must("streams", schema.Array))...)
	t.AddCommon("remove_remote_publisher", p.removeRemote, room, user)
}
