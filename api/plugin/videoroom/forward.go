package videoroom

import (
	"slices"
	"strings"

	"bifrons/api/json"
	"bifrons/api/plugin"
)

// forwardRequests adds the requests that have to do with media outside of
// WebRTC: RTP forwarders and publishers on other servers.
func (p *Plugin) forwardRequests(add func(string, func(*plugin.Request, *json.Writer) plugin.Response, ...plugin.Field)) {
	room, publisher := p.idField("room", true), p.idField("publisher_id", true)
	user := p.idField("id", true)
	must := func(name string, t plugin.Type) plugin.Field {
		return plugin.Field{Name: name, Type: t, Required: true}
	}
	with := func(list []plugin.Field, more ...plugin.Field) []plugin.Field { return append(more, list...) }

	add("rtp_forward", p.rtpForward, with(forwardFields, room, publisher, must("host", plugin.String))...)
	add("stop_rtp_forward", p.stopForward, room, publisher, must("stream_id", plugin.Uint))
	add("listforwarders", p.listForwarders, room)
	add("publish_remotely", p.publishRemotely, with(transportFields, room, publisher,
		must("remote_id", plugin.String), must("host", plugin.String), must("port", plugin.Uint))...)
	add("unpublish_remotely", p.unpublishRemotely, room, publisher, must("remote_id", plugin.String))
	add("listremotes", p.listRemotes, room, publisher)
	add("add_remote_publisher", p.addRemote, with(remoteFields, room, p.idField("id", false),
		must("streams", plugin.NonEmptyArray))...)
	add("update_remote_publisher", p.updateRemote, with(remoteFields, room, user, must("streams", plugin.Array))...)
	add("remove_remote_publisher", p.removeRemote, room, user)
}

var transportFields = fields(
	typed(plugin.String, "host_family", "srtp_crypto"),
	typed(plugin.Uint, "rtcp_port", "srtp_suite"),
	[]plugin.Field{{Name: "admin_key", Type: plugin.String}},
)

var forwardFields = fields(transportFields,
	typed(plugin.Array, "streams"),
	typed(plugin.Bool, "simulcast"),
	typed(plugin.Uint, "audio_port", "audio_rtcp_port", "audio_ssrc", "audio_pt",
		"video_port", "video_rtcp_port", "video_ssrc", "video_pt",
		"video_port_2", "video_ssrc_2", "video_pt_2", "video_port_3", "video_ssrc_3", "video_pt_3", "data_port"),
)

var forwardItem = fields(
	[]plugin.Field{{Name: "mid", Type: plugin.String, Required: true}, {Name: "port", Type: plugin.Uint, Required: true}},
	typed(plugin.String, "host", "host_family"),
	typed(plugin.Bool, "simulcast"),
	typed(plugin.Uint, "rtcp_port", "ssrc", "pt", "port_2", "ssrc_2", "pt_2", "port_3", "ssrc_3", "pt_3"),
)

var remoteFields = fields(
	typed(plugin.String, "display", "mcast", "iface", "srtp_crypto"),
	typed(plugin.Object, "metadata"),
	typed(plugin.Uint, "port", "rtcp_port", "srtp_suite"),
)

var remoteItem = fields(
	[]plugin.Field{{Name: "type", Type: plugin.String, Required: true},
		{Name: "mindex", Type: plugin.Uint, Required: true}, {Name: "mid", Type: plugin.String, Required: true}},
	typed(plugin.String, "codec", "description", "h264_profile", "vp9_profile"),
	typed(plugin.Bool, "disabled", "stereo", "fec", "dtx", "simulcast", "svc"),
	typed(plugin.Uint, "audiolevel_ext_id", "videoorient_ext_id", "playoutdelay_ext_id"),
)

// noForwarding is the error for those who want to forward.
func noForwarding() plugin.Response {
	return fail(errUnknown, "RTP forwarding is not available in this build yet")
}

// forwarding is manage for what the administrator may have reserved.
func (p *Plugin) forwarding(body *json.Value, f func(r *room) plugin.Response) plugin.Response {
	if p.general.lockForwarding {
		if err := authorize(body, "admin_key", p.general.adminKey); err != nil {
			return plugin.Response{Err: err}
		}
	}
	return p.manage(body, f)
}

// feed finds the publisher whom a request is about. room.mu is held.
func (r *room) feed(body *json.Value) (*publisher, *plugin.Error) {
	name, _ := r.plugin.parseID(body.Get("publisher_id"))
	if p := r.publisher(name); p != nil {
		return p, nil
	}
	return nil, errorf(errNoSuchFeed, "No such feed (%s)", name)
}

// rtpForward sends a publisher's media somewhere as plain RTP or SRTP.
func (p *Plugin) rtpForward(r *plugin.Request, _ *json.Writer) plugin.Response {
	err := checkTransport(r.Body)
	for _, v := range json.Array(r.Body.Get("streams")) {
		if err == nil {
			err = checkItem(forwardItem, v, "streams")
		}
		if err == nil {
			err = checkFamily(v)
		}
	}
	if err != nil {
		return plugin.Response{Err: err}
	}
	return p.forwarding(r.Body, func(room *room) plugin.Response {
		if _, err := room.feed(r.Body); err != nil {
			return plugin.Response{Err: err}
		}
		return noForwarding()
	})
}

func checkFamily(body *json.Value) *plugin.Error {
	family, _ := json.String(body.Get("host_family"))
	if family != "" && !strings.EqualFold(family, "ipv4") && !strings.EqualFold(family, "ipv6") {
		return errorf(errInvalidElement, "Unsupported protocol family (%s)", family)
	}
	return nil
}

// checkTransport looks at where media is to be sent, and how it is encrypted.
func checkTransport(body *json.Value) *plugin.Error {
	if err := checkFamily(body); err != nil {
		return err
	}
	suite, hasSuite := json.Int(body.Get("srtp_suite"))
	_, hasKey := json.String(body.Get("srtp_crypto"))
	switch {
	case hasSuite && suite != 32 && suite != 80:
		return errorf(errInvalidElement, "Invalid SRTP suite (%d)", suite)
	case hasSuite != hasKey:
		return errorf(errMissingElement, "Missing mandatory element (srtp_suite or srtp_crypto)")
	}
	return nil
}

// stopForward ends what rtpForward began.
func (p *Plugin) stopForward(r *plugin.Request, _ *json.Writer) plugin.Response {
	stream, _ := json.Int(r.Body.Get("stream_id"))
	return p.forwarding(r.Body, func(room *room) plugin.Response {
		if _, err := room.feed(r.Body); err != nil {
			return plugin.Response{Err: err}
		}
		return fail(errNoSuchFeed, "No such stream (%d)", stream)
	})
}

// listForwarders tells what is forwarded.
func (p *Plugin) listForwarders(r *plugin.Request, w *json.Writer) plugin.Response {
	return p.manage(r.Body, func(room *room) plugin.Response {
		w.Str("videoroom", "forwarders")
		room.writeRoom(w)
		w.Array("publishers")
		w.EndArray()
		return plugin.Response{}
	})
}

// publishRemotely sends all of a publisher's media to another server.
func (p *Plugin) publishRemotely(r *plugin.Request, _ *json.Writer) plugin.Response {
	err := checkTransport(r.Body)
	if port, _ := json.Int(r.Body.Get("port")); err == nil && (port == 0 || port > 1<<16-1) {
		err = errorf(errInvalidElement, "Invalid element (port)")
	}
	if err != nil {
		return plugin.Response{Err: err}
	}
	return p.forwarding(r.Body, func(room *room) plugin.Response {
		if _, err := room.feed(r.Body); err != nil {
			return plugin.Response{Err: err}
		}
		return noForwarding()
	})
}

// unpublishRemotely ends what publishRemotely began.
func (p *Plugin) unpublishRemotely(r *plugin.Request, _ *json.Writer) plugin.Response {
	remote, _ := json.String(r.Body.Get("remote_id"))
	return p.manage(r.Body, func(room *room) plugin.Response {
		if _, err := room.feed(r.Body); err != nil {
			return plugin.Response{Err: err}
		}
		return fail(errNoSuchFeed, "No such remote (%s)", remote)
	})
}

// listRemotes tells to which servers a publisher's media goes.
func (p *Plugin) listRemotes(r *plugin.Request, w *json.Writer) plugin.Response {
	return p.manage(r.Body, func(room *room) plugin.Response {
		feed, err := room.feed(r.Body)
		if err != nil {
			return plugin.Response{Err: err}
		}
		w.Str("videoroom", "success")
		room.writeRoom(w)
		p.writeID(w, "id", feed.id)
		w.Array("list")
		w.EndArray()
		return plugin.Response{}
	})
}

// addRemote adds a publisher whose media comes from another server.
func (p *Plugin) addRemote(r *plugin.Request, _ *json.Writer) plugin.Response {
	if err := checkRemote(r.Body); err != nil {
		return plugin.Response{Err: err}
	}
	return p.manage(r.Body, func(room *room) plugin.Response {
		name, ok := p.parseID(r.Body.Get("id"))
		if !p.none(name, ok) && room.publisher(name) != nil {
			return fail(errIDExists, "User ID %s already exists", name)
		}
		return noForwarding()
	})
}

func checkRemote(body *json.Value) *plugin.Error {
	if err := checkTransport(body); err != nil {
		return err
	}
	for _, v := range json.Array(body.Get("streams")) {
		if err := checkItem(remoteItem, v, "streams"); err != nil {
			return err
		}
		kind, _ := json.String(v.Get("type"))
		codec, ok := json.String(v.Get("codec"))
		kind, codec = strings.ToLower(kind), strings.ToLower(codec)
		known, named := knownCodecs[kind]
		switch {
		case !named:
			return errorf(errInvalidElement, "Invalid element (type %s)", kind)
		case known != nil && (!ok || !slices.Contains(known, codec)):
			return errorf(errMissingElement, "Missing or invalid element (codec)")
		}
	}
	return nil
}

// updateRemote changes what a publisher on another server publishes.
func (p *Plugin) updateRemote(r *plugin.Request, w *json.Writer) plugin.Response {
	if err := checkRemote(r.Body); err != nil {
		return plugin.Response{Err: err}
	}
	return p.removeRemote(r, w)
}

// removeRemote ends what addRemote began.
func (p *Plugin) removeRemote(r *plugin.Request, _ *json.Writer) plugin.Response {
	return p.manage(r.Body, func(room *room) plugin.Response {
		user, err := room.user(r.Body)
		if err != nil {
			return plugin.Response{Err: err}
		}
		return fail(errNoSuchFeed, "User %s in room %s is not remote", user.id, room.id)
	})
}
