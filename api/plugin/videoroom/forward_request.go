package videoroom

import (
	"net/netip"
	"strings"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
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

// forwardRequest is manage for what the administrator may have reserved.
func (p *Plugin) forwardRequest(body kit.Args, f func(r *room) (kit.Response, *schema.Error)) (kit.Response, *schema.Error) {
	if p.general.lockForwarding {
		if err := authorize(body, "admin_key", p.general.adminKey); err != nil {
			return kit.Response{}, err
		}
	}
	return p.manage(body, f)
}

// feed finds the publisher whom a request is about. room.mu is held.
func (r *room) feed(body kit.Args) (*publisher, *schema.Error) {
	name, _ := r.plugin.ids.Parse(body.Get("publisher_id"))
	if p := r.publisher(name); p != nil && !p.dummy {
		return p, nil
	}
	return nil, errorf(errNoSuchFeed, "No such feed (%s)", name)
}

func checkFamily(body kit.Args) *schema.Error {
	family := body.Str("host_family")
	if family != "" && !strings.EqualFold(family, "ipv4") && !strings.EqualFold(family, "ipv6") {
		return errorf(errInvalidElement, "Unsupported protocol family (%s)", family)
	}
	return nil
}

// checkTransport looks at where media is to be sent, and how it is encrypted.
func checkTransport(body kit.Args) *schema.Error {
	if err := checkFamily(body); err != nil {
		return err
	}
	suite, hasSuite := body.Number("srtp_suite")
	_, hasKey := body.Text("srtp_crypto")
	switch {
	case hasSuite && suite != 32 && suite != 80:
		return errorf(errInvalidElement, "Invalid SRTP suite (%d)", suite)
	case hasSuite != hasKey:
		return errorf(errMissingElement, "Missing mandatory element (srtp_suite or srtp_crypto)")
	}
	return nil
}

// planned is a forwarder that a request wants.
type planned struct {
	forwarding
	mid  string   // new form: of the stream
	kind sdp.Kind // old form: the first stream of a kind
	name string   // old form: of the answer's fields
}

// rtpForward sends a publisher's media somewhere as plain RTP or SRTP.
func (p *Plugin) rtpForward(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	err := checkTransport(r.Body)
	for _, v := range r.Body.Items("streams") {
		if err == nil {
			err = checkItem(forwardItem, v, "streams")
		}
		if err == nil {
			err = checkFamily(v)
		}
	}
	if err != nil {
		return kit.Response{}, err
	}
	if n := len(r.Body.Items("streams")); n > p.general.forward.most {
		return kit.Response{}, p.tooMany()
	}
	find := p.resolver(h)
	d, err := p.destinationOf(r.Body, find)
	if err != nil {
		return kit.Response{}, err
	}
	legacy := !r.Body.Has("streams")
	var list []planned
	if legacy {
		list, err = legacyForwards(r.Body, d)
	} else {
		list, err = forwardItems(r.Body, d, find)
	}
	for i := range list {
		if err == nil {
			err = list[i].check(p)
		}
	}
	if err != nil {
		return kit.Response{}, err
	}
	return p.forwardRequest(r.Body, func(room *room) (kit.Response, *schema.Error) {
		feed, err := room.feed(r.Body)
		switch {
		case err != nil:
			return kit.Response{}, err
		case feed.origin() == nil:
			return fail(errNoSuchFeed, "Feed %s is not publishing", feed.id)
		}
		if err := feed.mayHave(len(list)); err != nil {
			return kit.Response{}, err
		}
		w.Str("videoroom", "rtp_forward")
		room.writeRoom(w)
		p.ids.Write(w, "publisher_id", feed.id)
		if legacy {
			return feed.forwardLegacy(list, d, w)
		}
		return feed.forwardStreams(list, w)
	})
}

// forwardStreams starts forwarders and writes them. room.mu is held.
func (p *publisher) forwardStreams(list []planned, w *json.Writer) (kit.Response, *schema.Error) {
	w.Array("forwarders")
	for _, x := range list {
		s := p.stream(x.mid)
		if s == nil || s.disabled {
			continue
		}
		f, err := s.forward(x.forwarding, nil)
		if err != nil {
			return fail(errUnknown, "%v", err)
		}
		w.Object("")
		f.write(w, s)
		w.End()
		p.notifyForward(f, s)
	}
	w.EndArray()
	return kit.Response{}, nil
}

// forwardLegacy is forwardStreams with the old form of the answer. room.mu is
// held.
func (p *publisher) forwardLegacy(list []planned, d destination, w *json.Writer) (kit.Response, *schema.Error) {
	w.Object("rtp_stream")
	for _, x := range list {
		s := p.first(x.kind)
		if s == nil {
			continue
		}
		f, err := s.forward(x.forwarding, nil)
		if err != nil {
			return fail(errUnknown, "%v", err)
		}
		suffix := ""
		if x.substream > 0 {
			suffix = "_" + string(rune('1'+x.substream))
		}
		w.Uint(x.name+"_stream_id"+suffix, uint64(f.id))
		w.Int(x.name+suffix, int64(x.to.Port()))
		if x.substream == 0 {
			optUint(w, x.name+"_rtcp", uint64(x.rtcp))
		}
		if s.kind == sdp.Video {
			s.requestKeyframe()
		}
		p.notifyForward(f, s)
	}
	w.Str("warning", "deprecated_api")
	w.Str("host", d.addr.String())
	w.End()
	return kit.Response{}, nil
}

// first is the first stream of a kind that is in use, nil if there is none.
// room.mu is held.
func (p *publisher) first(k sdp.Kind) *stream {
	for _, s := range p.streams {
		if s.kind == k && !s.disabled {
			return s
		}
	}
	return nil
}

func (p *publisher) notifyForward(f *forwarder, s *stream) {
	p.h.notify("rtp_forward", func(w *json.Writer) {
		p.room.writeRoom(w)
		p.room.plugin.ids.Write(w, "publisher_id", p.id)
		w.Str("media", kindName(s.kind))
		w.OptStr("codec", s.codec)
		optUint(w, "video_substream", uint64(f.substream))
		f.write(w, s)
	})
}

// forwardItems reads the streams of a request, whose fields were checked.
func forwardItems(body kit.Args, d destination, find resolver) (list []planned, err *schema.Error) {
	for _, v := range body.Items("streams") {
		addr, err := find(v)
		if err != nil {
			return nil, err
		}
		if !addr.IsValid() {
			addr = d.addr
		}
		x := planned{mid: v.Str("mid")}
		x.best, x.key = v.Is("simulcast"), d.key
		more, err := x.ports(v, addr, "")
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

// legacyForwards reads the old form of a request.
func legacyForwards(body kit.Args, d destination) (list []planned, err *schema.Error) {
	for _, x := range []planned{
		{kind: sdp.Audio, name: "audio"}, {kind: sdp.Video, name: "video"}, {kind: sdp.Application, name: "data"},
	} {
		x.key = d.key
		x.best = x.kind == sdp.Video && body.Is("simulcast")
		more, err := x.ports(body, d.addr, x.name+"_")
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

// ports makes a forwarder for each port that is given for a stream: of one as a
// whole, or of its substreams.
func (x planned) ports(body kit.Args, addr netip.Addr, prefix string) (list []planned, err *schema.Error) {
	if x.rtcp, err = portOf(body, prefix+"rtcp_port"); err != nil {
		return nil, err
	}
	for i, suffix := range [numEncodings]string{"", "_2", "_3"} {
		port, err := portOf(body, prefix+"port"+suffix)
		if err == nil {
			err = x.format(body, prefix+"pt"+suffix, prefix+"ssrc"+suffix)
		}
		switch {
		case err != nil:
			return nil, err
		case port == 0 || i > 0 && x.best:
			continue
		}
		x.to, x.substream = netip.AddrPortFrom(addr, port), i
		if i > 0 {
			x.rtcp = 0
		}
		list = append(list, x)
	}
	return list, nil
}

// stopForward ends what rtpForward began.
func (p *Plugin) stopForward(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	id, _ := r.Body.Number("stream_id")
	return p.forwardRequest(r.Body, func(room *room) (kit.Response, *schema.Error) {
		feed, err := room.feed(r.Body)
		if err != nil {
			return kit.Response{}, err
		}
		s, f := feed.forwarder(uint32(id))
		if f == nil || f.remote != nil || id != int64(f.id) {
			return fail(errNoSuchFeed, "No such stream (%d)", id)
		}
		s.stopForwarders(func(x *forwarder) bool { return x == f })
		w.Str("videoroom", "stop_rtp_forward")
		fields := feed.writeForwarder(f.id)
		fields(w)
		feed.h.notify("stop_rtp_forward", fields)
		return kit.Response{}, nil
	})
}

// listForwarders tells what is forwarded.
func (p *Plugin) listForwarders(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return p.manage(r.Body, func(room *room) (kit.Response, *schema.Error) {
		w.Str("videoroom", "forwarders")
		room.writeRoom(w)
		w.Array("publishers")
		for _, x := range room.members() {
			x.writeForwarders(w)
		}
		w.EndArray()
		return kit.Response{}, nil
	})
}

// writeForwarders writes a publisher who has forwarders. room.mu is held.
func (p *publisher) writeForwarders(w *json.Writer) {
	open := false
	for _, s := range p.streams {
		for _, f := range s.forwarders {
			if f.remote != nil {
				continue
			}
			if !open {
				open = true
				w.Object("")
				p.room.plugin.ids.Write(w, "publisher_id", p.id)
				p.writeName(w)
				w.Array("forwarders")
			}
			w.Object("")
			f.write(w, s)
			w.End()
		}
	}
	if open {
		w.EndArray()
		w.End()
	}
}
