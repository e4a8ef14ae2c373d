package streaming

import (
	"bifrons/api/json"
	"bifrons/api/plugin"
)

// requests is everything that the plugin understands. It depends on the type of
// ids.
func (p *Plugin) requests() *plugin.Table[*handle] {
	t := &plugin.Table[*handle]{
		Key: "streaming", Missing: errMissingElement, Invalid: errInvalidElement, Unknown: errInvalidRequest,
		BadSDP: errUnknown, Log: p.gw.Logger(),
	}
	id := p.ids.Field("id", true)
	told := func(name string, f func(*handle, *plugin.Request, *json.Writer) plugin.Response, fields ...plugin.Field) {
		t.Rows = append(t.Rows, plugin.Row[*handle]{Name: name, Fields: fields, Run: f}) // event handlers hear whose request it was
	}
	sync := func(name string, f func(*plugin.Request, *json.Writer) plugin.Response, fields ...plugin.Field) {
		told(name, func(_ *handle, r *plugin.Request, w *json.Writer) plugin.Response { return f(r, w) }, fields...)
	}
	async := func(name string, f func(*handle, *plugin.Request, *json.Writer) plugin.Response, fields ...plugin.Field) {
		t.Rows = append(t.Rows, plugin.Row[*handle]{Name: name, Fields: fields, Async: true, Run: f})
	}
	sync("list", p.listRequest, plugin.Field{Name: "admin_key", Type: plugin.String})
	sync("info", p.info, id)
	told("create", p.create, append([]plugin.Field{{Name: "type", Type: plugin.String, Required: true},
		p.ids.Field("id", false)}, fields(createFields, kindFields)...)...)
	told("edit", p.edit, append([]plugin.Field{id}, editFields...)...)
	told("destroy", p.destroy, id, plugin.Field{Name: "permanent", Type: plugin.Bool})
	told("kick_all", p.kickAll, id)
	sync("enable", p.enable, id)
	sync("disable", p.disable, id, plugin.Field{Name: "stop_recording", Type: plugin.Bool})
	sync("recording", p.recording, id, plugin.Field{Name: "action", Type: plugin.String, Required: true})

	async("watch", (*handle).watch, append([]plugin.Field{id}, watchFields...)...)
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
func typed(t plugin.Type, names ...string) []plugin.Field {
	list := make([]plugin.Field, len(names))
	for i, name := range names {
		list[i] = plugin.Field{Name: name, Type: t}
	}
	return list
}

// must makes fields of one type that have to be there.
func must(t plugin.Type, names ...string) []plugin.Field {
	list := typed(t, names...)
	for i := range list {
		list[i].Required = true
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
	typed(plugin.String, "name", "description", "metadata"),
	typed(plugin.Bool, "is_private"),
	typed(plugin.String, "secret", "pin"),
	typed(plugin.Bool, "permanent"),
)

var broadcastFields = fields(
	typed(plugin.Uint, "collision", "bufferkf_ms", "bufferkf_bytes", "threads", "srtpsuite"),
	typed(plugin.String, "srtpcrypto"),
	typed(plugin.Bool, "e2ee", "playoutdelay_ext"),
	typed(plugin.Int, "abscapturetime_src_ext_id"),
)

var rtpFields = fields(broadcastFields, typed(plugin.Array, "media"),
	typed(plugin.String, "datatype"), typed(plugin.Bool, "buffermsg", "databuffermsg"))

// streamFields are those of an item of media.
var streamFields = fields(
	must(plugin.String, "type", "mid"),
	typed(plugin.String, "label", "msid", "mcast", "iface"),
	must(plugin.Uint, "port"),
	typed(plugin.Uint, "rtcpport", "pt"),
	typed(plugin.String, "codec", "rtpmap", "fmtp"),
	typed(plugin.Bool, "skew", "simulcast", "svc", "bufferkf"),
	typed(plugin.Uint, "port2", "port3"),
	typed(plugin.String, "h264sps"),
)

var dataFields = fields(typed(plugin.String, "datatype"), typed(plugin.Bool, "buffermsg"))

// legacyFields are those of one kind of media in the old style.
var legacyFields = map[string][]plugin.Field{
	"audio": fields(
		must(plugin.Uint, "audioport", "audiopt"),
		typed(plugin.String, "audiocodec", "audiortpmap", "audiofmtp", "audiomcast", "audioiface"),
		typed(plugin.Uint, "audiortcpport"),
		typed(plugin.Bool, "audioskew"),
	),
	"video": fields(
		must(plugin.Uint, "videoport", "videopt"),
		typed(plugin.String, "videocodec", "videortpmap", "videofmtp", "videomcast", "videoiface", "h264sps"),
		typed(plugin.Uint, "videortcpport", "videoport2", "videoport3"),
		typed(plugin.Bool, "videoskew", "videosimulcast", "videosvc", "videobufferkf"),
	),
	"data": fields(
		must(plugin.Uint, "dataport"),
		typed(plugin.String, "datamcast", "dataiface"),
	),
}

var fileFields = fields(
	must(plugin.String, "filename"),
	typed(plugin.Uint, "audiopt"),
	typed(plugin.String, "audiocodec", "audiortpmap", "audiofmtp"),
)

var rtspFields = fields(broadcastFields,
	typed(plugin.String, "url", "rtsp_user", "rtsp_pwd", "rtspiface", "audiocodec", "audiortpmap", "audiofmtp",
		"videocodec", "videortpmap", "videofmtp"),
	typed(plugin.Bool, "rtsp_quirk", "rtsp_failcheck", "rtsp_check", "rtsp_notify_changes"),
	typed(plugin.Uint, "rtsp_reconnect_delay", "rtsp_session_timeout", "rtsp_timeout", "rtsp_conn_timeout",
		"audiopt", "videopt"),
)

var editFields = fields(
	typed(plugin.String, "new_description", "new_metadata", "new_secret", "new_pin"),
	typed(plugin.Bool, "new_is_private", "permanent", "edited_event"),
)

var watchFields = fields(
	typed(plugin.Array, "media"),
	typed(plugin.Bool, "offer_audio", "offer_video", "offer_data", "restart"),
	layerFields(plugin.Uint),
	typed(plugin.Uint, "fallback"),
)

// layerFields are the fields that choose layers.
func layerFields(t plugin.Type) []plugin.Field {
	return typed(t, "substream", "temporal", "spatial_layer", "temporal_layer")
}
