package audiobridge

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/rooms"
	"bifrons/api/schema"
)

// requests is everything that the plugin understands. It depends on the type of ids.
func (p *Plugin) requests() *kit.Table[*handle] {
	t := &kit.Table[*handle]{Key: "audiobridge", Codes: codes, Log: p.Gateway.Logger()}
	add := func(name string, run kit.Run[*handle], fields ...[]schema.Field) {
		t.Add(name, run, schema.NotNull(fields...)...)
	}
	common := func(name string, run func(*kit.Request, *json.Writer) *schema.Error, fields ...[]schema.Field) {
		t.AddCommon(name, run, schema.NotNull(fields...)...)
	}
	text, flag, number := fieldsOf(schema.String), fieldsOf(schema.Bool), fieldsOf(schema.Uint)
	room, user := []schema.Field{p.ids.Field("room", true)}, []schema.Field{p.ids.Field("id", true)}
	set := new(settings).table()

	common("create", rooms.By(p.rooms.Create), []schema.Field{p.ids.Field("room", false)}, set.Fields(), flag("permanent"), fieldsOf(schema.Array)("allowed"))
	common("edit", rooms.By(p.rooms.Edit), room, set.EditFields(), flag("permanent"))
	common("destroy", rooms.By(p.rooms.Destroy), room, flag("permanent"))
	common("list", rooms.By(func(x *rooms.Request) *schema.Error { return p.rooms.List(x, x.Body.Str("admin_key") != "") }))
	common("exists", rooms.By(p.rooms.Exists), room)
	common("allowed", rooms.By(p.rooms.Allowed), room, rooms.TokenFields)
	common("enable_recording", p.enableRecording, schema.Must(flag("record")), text("record_file", "record_dir"))
	common("enable_mjrs", p.enableMJRs, schema.Must(flag("mjrs")), text("mjrs_dir"))
	common("mute", p.mute(true), room, user)
	common("unmute", p.mute(false), room, user)
	common("mute_room", p.muteRoom(true), room)
	common("unmute_room", p.muteRoom(false), room)
	common("denoise_enable", denoising)
	common("denoise_disable", denoising)
	common("kick", p.kick, room, user)
	common("kick_all", p.kickAll, room)
	add("suspend", (*handle).suspend, room, user, flag("pause_events", "stop_record"))
	add("resume", (*handle).resume, room, user, flag("record"), text("filename"))
	common("listparticipants", p.listParticipants, room)
	add("resetdecoder", (*handle).resetDecoder)

	common("rtp_forward", p.rtpForward, room, schema.Must(text("host"), number("port")),
		text("host_family", "codec", "group", "srtp_crypto"), number("ssrc", "ptype", "srtp_suite"), flag("always_on"))
	common("stop_rtp_forward", p.stopForward, room, schema.Must(number("stream_id")))
	common("listforwarders", p.listForwarders, room)
	common("play_file", p.playFile, room, schema.Must(text("filename")), text("group", "file_id"), flag("loop"))
	common("is_playing", p.isPlaying, room, schema.Must(text("file_id")))
	common("listannouncements", p.listAnnouncements, room)
	common("stop_file", p.stopFile, room, schema.Must(text("file_id")))
	common("stop_all_files", p.stopAllFiles, room)

	t.AddAsync("join", (*handle).join)
	t.AddAsync("configure", (*handle).configure)
	t.AddAsync("changeroom", (*handle).changeRoom)
	t.AddAsync("leave", (*handle).leaveRoom)
	t.AddAsync("hangup", (*handle).hangUp)
	return t
}

// fieldsOf makes fields of a type.
func fieldsOf(t schema.Type) func(names ...string) []schema.Field {
	return func(names ...string) []schema.Field { return schema.Typed(t, names...) }
}
