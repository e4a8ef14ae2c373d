package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/forward"
	"bifrons/api/schema"
)

// forwardRequests adds the requests that have to do with media outside of
// WebRTC: RTP forwarders and publishers on other servers.
func (p *Plugin) forwardRequests(add func(string, func(*kit.Request, *json.Writer) (kit.Response, *schema.Error), ...schema.Field),
	told func(string, run, ...schema.Field)) {
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

// transportNames are the settings of a request as a whole that say where media goes to.
var transportNames = forward.Names{Host: "host", Family: "host_family", Suite: "srtp_suite", Crypto: "srtp_crypto"}

var transportFields = fields(
	typed(schema.String, "host_family", "srtp_crypto"),
	typed(schema.Uint, "rtcp_port", "srtp_suite"),
	[]schema.Field{{Name: "admin_key", Type: schema.String}},
)

var forwardFields = fields(transportFields,
	typed(schema.Array, "streams"),
	typed(schema.Bool, "simulcast"),
	typed(schema.Uint, "audio_port", "audio_rtcp_port", "audio_ssrc", "audio_pt",
		"video_port", "video_rtcp_port", "video_ssrc", "video_pt",
		"video_port_2", "video_ssrc_2", "video_pt_2", "video_port_3", "video_ssrc_3", "video_pt_3", "data_port"),
)

var forwardItem = fields(
	[]schema.Field{{Name: "mid", Type: schema.String, Required: true}, {Name: "port", Type: schema.Uint, Required: true}},
	typed(schema.String, "host", "host_family"),
	typed(schema.Bool, "simulcast"),
	typed(schema.Uint, "rtcp_port", "ssrc", "pt", "port_2", "ssrc_2", "pt_2", "port_3", "ssrc_3", "pt_3"),
)
