package streaming

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

// requests is everything that the plugin understands. It depends on the type of
// ids.
func (p *Plugin) requests() *kit.Table[*handle] {
	t := &kit.Table[*handle]{
		Key: "streaming", Log: p.gw.Logger(), Codes: kit.Codes{Missing: errMissingElement, Invalid: errInvalidElement, Unknown: errInvalidRequest,
			BadSDP: errUnknown, Unauthorized: errUnauthorized},
	}
	id := p.ids.Field("id", true)
	told := func(name string, f func(*handle, *kit.Request, *json.Writer) (kit.Response, *schema.Error), fields ...schema.Field) {
		t.Rows = append(t.Rows, kit.Row[*handle]{Name: name, Fields: fields, Run: f}) // event handlers hear whose request it was
	}
	sync := func(name string, f func(*kit.Request, *json.Writer) (kit.Response, *schema.Error), fields ...schema.Field) {
		told(name, func(_ *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) { return f(r, w) }, fields...)
	}
	async := func(name string, f func(*handle, *kit.Request, *json.Writer) (kit.Response, *schema.Error), fields ...schema.Field) {
		t.Rows = append(t.Rows, kit.Row[*handle]{Name: name, Fields: fields, Async: true, Run: f})
	}
	sync("list", p.listRequest, schema.Field{Name: "admin_key", Type: schema.String})
	sync("info", p.info, id)
	told("create", p.create, append([]schema.Field{{Name: "type", Type: schema.String, Required: true},
		p.ids.Field("id", false)}, fields(createFields, kindFields)...)...)
	told("edit", p.edit, append([]schema.Field{id}, editFields...)...)
	told("destroy", p.destroy, id, schema.Field{Name: "permanent", Type: schema.Bool})
	told("kick_all", p.kickAll, id)
	sync("enable", p.enable, id)
	sync("disable", p.disable, id, schema.Field{Name: "stop_recording", Type: schema.Bool})
	sync("recording", p.recording, id, schema.Field{Name: "action", Type: schema.String, Required: true})

	async("watch", (*handle).watch, append([]schema.Field{id}, watchFields...)...)
	async("start", (*handle).start)
	async("pause", (*handle).pause)
	async("stop", (*handle).stop)
	async("configure", (*handle).configure)
	async("switch", (*handle).switchTo)
	t.SetLevels("create", createRequestLevels)
	t.SetLevels("configure", configureLevels)
	return t
}

// typed makes fields of one type.
func typed(t schema.Type, names ...string) []schema.Field {
	list := make([]schema.Field, len(names))
	for i, name := range names {
		list[i] = schema.Field{Name: name, Type: t}
	}
	return list
}

// must makes fields of one type that have to be there.
func must(t schema.Type, names ...string) []schema.Field {
	list := typed(t, names...)
	for i := range list {
		list[i].Required = true
	}
	return list
}

func fields(lists ...[]schema.Field) []schema.Field {
	var all []schema.Field
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

var createFields = fields(
	typed(schema.String, "name", "description", "metadata"),
	typed(schema.Bool, "is_private"),
	typed(schema.String, "secret", "pin"),
	typed(schema.Bool, "permanent"),
)

var broadcastFields = fields(
	typed(schema.Uint, "collision", "bufferkf_ms", "bufferkf_bytes", "threads", "srtpsuite"),
	typed(schema.String, "srtpcrypto"),
	typed(schema.Bool, "e2ee", "playoutdelay_ext"),
	typed(schema.Int, "abscapturetime_src_ext_id"),
)

var rtpFields = fields(broadcastFields, typed(schema.Array, "media"),
	typed(schema.String, "datatype"), typed(schema.Bool, "buffermsg", "databuffermsg"))

// streamFields are those of an item of media.
var streamFields = fields(
	must(schema.String, "type", "mid"),
	typed(schema.String, "label", "msid", "mcast", "iface"),
	must(schema.Uint, "port"),
	typed(schema.Uint, "rtcpport", "pt"),
	typed(schema.String, "codec", "rtpmap", "fmtp"),
	typed(schema.Bool, "skew", "simulcast", "svc", "bufferkf"),
	typed(schema.Uint, "port2", "port3"),
	typed(schema.String, "h264sps"),
)

var dataFields = fields(typed(schema.String, "datatype"), typed(schema.Bool, "buffermsg"))

// legacyFields are those of one kind of media in the old style.
var legacyFields = map[string][]schema.Field{
	"audio": fields(
		must(schema.Uint, "audioport", "audiopt"),
		typed(schema.String, "audiocodec", "audiortpmap", "audiofmtp", "audiomcast", "audioiface"),
		typed(schema.Uint, "audiortcpport"),
		typed(schema.Bool, "audioskew"),
	),
	"video": fields(
		must(schema.Uint, "videoport", "videopt"),
		typed(schema.String, "videocodec", "videortpmap", "videofmtp", "videomcast", "videoiface", "h264sps"),
		typed(schema.Uint, "videortcpport", "videoport2", "videoport3"),
		typed(schema.Bool, "videoskew", "videosimulcast", "videosvc", "videobufferkf"),
	),
	"data": fields(
		must(schema.Uint, "dataport"),
		typed(schema.String, "datamcast", "dataiface"),
	),
}

var fileFields = fields(
	must(schema.String, "filename"),
	typed(schema.Uint, "audiopt"),
	typed(schema.String, "audiocodec", "audiortpmap", "audiofmtp"),
)

var rtspFields = fields(broadcastFields,
	typed(schema.String, "url", "rtsp_user", "rtsp_pwd", "rtspiface", "audiocodec", "audiortpmap", "audiofmtp",
		"videocodec", "videortpmap", "videofmtp"),
	typed(schema.Bool, "rtsp_quirk", "rtsp_failcheck", "rtsp_check", "rtsp_notify_changes"),
	typed(schema.Uint, "rtsp_reconnect_delay", "rtsp_session_timeout", "rtsp_timeout", "rtsp_conn_timeout",
		"audiopt", "videopt"),
)

var editFields = fields(
	typed(schema.String, "new_description", "new_metadata", "new_secret", "new_pin"),
	typed(schema.Bool, "new_is_private", "permanent", "edited_event"),
)

var watchFields = fields(
	typed(schema.Array, "media"),
	typed(schema.Bool, "offer_audio", "offer_video", "offer_data", "restart"),
	layerFields(schema.Uint),
	typed(schema.Uint, "fallback"),
)

// layerFields are the fields that choose layers.
func layerFields(t schema.Type) []schema.Field {
	return typed(t, "substream", "temporal", "spatial_layer", "temporal_layer")
}
