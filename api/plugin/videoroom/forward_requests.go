package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/kit"
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
