package audiobridge

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/rooms"
	"bifrons/api/schema"
)

// What does a request of a handle; a synchronous one of which event handlers hear whose it
// was; one that is the same for all handles.
type (
	run     = func(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error)
	runTold = func(h *handle, r *kit.Request, w *json.Writer) *schema.Error
	runSync = func(r *kit.Request, w *json.Writer) *schema.Error
)

// requests is everything that the plugin understands. It depends on the type of ids.
func (p *Plugin) requests() *kit.Table[*handle] {
	t := &kit.Table[*handle]{Key: "audiobridge", Codes: codes, Log: p.Gateway.Logger()}
	add := func(name string, async bool, f run, fields ...[]schema.Field) {
		t.Rows = append(t.Rows, kit.Row[*handle]{Name: name, Async: async, Fields: notNull(slices.Concat(fields...)), Run: f})
	}
	told := func(name string, f runTold, fields ...[]schema.Field) {
		add(name, false, func(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
			return kit.Response{}, f(h, r, w)
		}, fields...)
	}
	sync := func(name string, f runSync, fields ...[]schema.Field) {
		told(name, func(_ *handle, r *kit.Request, w *json.Writer) *schema.Error { return f(r, w) }, fields...)
	}
	desk := func(name string, f func(*rooms.Request) *schema.Error, fields ...[]schema.Field) {
		told(name, func(h *handle, r *kit.Request, w *json.Writer) *schema.Error {
			return f(&rooms.Request{Host: h.Host, Body: r.Body, W: w})
		}, fields...)
	}
	text, flag, number := fieldsOf(schema.String), fieldsOf(schema.Bool), fieldsOf(schema.Uint)
	room, user := []schema.Field{p.ids.Field("room", true)}, []schema.Field{p.ids.Field("id", true)}
	set := new(settings).table()

	desk("create", p.rooms.Create, []schema.Field{p.ids.Field("room", false)}, set.Fields(), flag("permanent"), fieldsOf(schema.Array)("allowed"))
	desk("edit", p.rooms.Edit, room, set.EditFields(), flag("permanent"))
	desk("destroy", p.rooms.Destroy, room, flag("permanent"))
	told("list", func(h *handle, r *kit.Request, w *json.Writer) *schema.Error {
		return p.rooms.List(&rooms.Request{Host: h.Host, Body: r.Body, W: w}, r.Body.Str("admin_key") != "")
	})
	desk("exists", p.rooms.Exists, room)
	desk("allowed", p.rooms.Allowed, room, slices.Clone(rooms.TokenFields))
	sync("enable_recording", p.enableRecording, must(flag("record")), text("record_file", "record_dir"))
	sync("enable_mjrs", p.enableMJRs, must(flag("mjrs")), text("mjrs_dir"))
	sync("mute", p.mute(true), room, user)
	sync("unmute", p.mute(false), room, user)
	told("mute_room", p.muteRoom(true), room)
	told("unmute_room", p.muteRoom(false), room)
	sync("denoise_enable", denoising)
	sync("denoise_disable", denoising)
	sync("kick", p.kick, room, user)
	sync("kick_all", p.kickAll, room)
	add("suspend", false, (*handle).suspend, room, user, flag("pause_events", "stop_record"))
	add("resume", false, (*handle).resume, room, user, flag("record"), text("filename"))
	sync("listparticipants", p.listParticipants, room)
	add("resetdecoder", false, (*handle).resetDecoder)

	told("rtp_forward", p.rtpForward, room, must(text("host"), number("port")),
		text("host_family", "codec", "group", "srtp_crypto"), number("ssrc", "ptype", "srtp_suite"), flag("always_on"))
	sync("stop_rtp_forward", p.stopForward, room, must(number("stream_id")))
	sync("listforwarders", p.listForwarders, room)
	told("play_file", p.playFile, room, must(text("filename")), text("group", "file_id"), flag("loop"))
	sync("is_playing", p.isPlaying, room, must(text("file_id")))
	sync("listannouncements", p.listAnnouncements, room)
	told("stop_file", p.stopFile, room, must(text("file_id")))
	told("stop_all_files", p.stopAllFiles, room)

	add("join", true, (*handle).join)
	add("configure", true, (*handle).configure)
	add("changeroom", true, (*handle).changeRoom)
	add("leave", true, (*handle).leaveRoom)
	add("hangup", true, (*handle).hangUp)
	return t
}

// fieldsOf makes fields of a type.
func fieldsOf(t schema.Type) func(names ...string) []schema.Field {
	return func(names ...string) []schema.Field { return schema.Typed(t, names...) }
}

// must makes fields that have to be there.
func must(lists ...[]schema.Field) []schema.Field {
	list := slices.Concat(lists...)
	for i := range list {
		list[i].Required = true
	}
	return list
}
