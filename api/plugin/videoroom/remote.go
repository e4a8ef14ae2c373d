package videoroom

import (
	"slices"
	"strconv"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/forward"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

var remoteFields = fields(
	typed(schema.String, "display", "mcast", "iface", "srtp_crypto"),
	typed(schema.Object, "metadata"),
	typed(schema.Uint, "port", "rtcp_port", "srtp_suite"),
)

var remoteItem = fields(
	[]schema.Field{{Name: "type", Type: schema.String, Required: true},
		{Name: "mindex", Type: schema.Uint, Required: true}, {Name: "mid", Type: schema.String, Required: true}},
	typed(schema.String, "codec", "description", "h264_profile", "vp9_profile"),
	typed(schema.Bool, "disabled", "stereo", "fec", "dtx", "simulcast", "svc"),
	typed(schema.Uint, "audiolevel_ext_id", "videoorient_ext_id", "playoutdelay_ext_id"),
)

// Ports of remote publishers are chosen in this range.
const minRemotePort, maxRemotePort = 10000, 60000

// readRemote looks at a request with streams of a publisher on another server, and
// reads by which ports and with which key they come.
func (p *Plugin) readRemote(body kit.Args) (from forward.Destination, err *schema.Error) {
	names := forward.Names{Suite: "srtp_suite", Crypto: "srtp_crypto", Port: "port", RTCPPort: "rtcp_port"}
	if err := p.forwardRules().Read(kit.FromRequest(body), names, &from); err != nil {
		return from, err
	}
	for _, v := range body.Items("streams") {
		if err := checkItem(remoteItem, v, "streams"); err != nil {
			return from, err
		}
		kind, named := plugin.ParseKind(v.Str("type"))
		known := knownCodecs[kind]
		index, _ := v.Number("mindex")
		switch {
		case !named:
			return from, errorf(errInvalidElement, "Invalid element (type %s)", v.Str("type"))
		case known != nil && !slices.Contains(known, v.Lower("codec")):
			return from, errorf(errMissingElement, "Missing or invalid element (codec)")
		case index >= sdp.MaxSections:
			return from, errorf(errInvalidElement, "Invalid element (mindex)")
		}
	}
	return from, nil
}

// addRemote adds a publisher whose media comes from another server.
func (p *Plugin) addRemote(r *kit.Request, w *json.Writer) *schema.Error {
	from, err := p.readRemote(r.Body)
	if err != nil {
		return err
	}
	bind, bad := sfu.BindTo(r.Body.Str("mcast"), r.Body.Str("iface"))
	if bad != nil {
		return errorf(errUnknown, "%v", bad)
	}
	var x *publisher
	err = p.rooms.Manage(r.Body, func(room *room) *schema.Error {
		name, err := room.newID(r.Body)
		if err != nil {
			return err
		}
		x = &publisher{room: room, id: name, up: true, gone: true, display: r.Body.Str("display"), metadata: r.Body.Raw("metadata")}
		if err := x.takeStreams(r.Body); err != nil {
			return err
		}
		room.coming[name] = struct{}{}
		return nil
	})
	if err != nil {
		return err
	}
	defer x.room.expectNoMore(x.id)
	source, ports, failure := x.openSource(&from, bind)
	if err = x.enter(source, failure); err != nil {
		return err
	}
	x.writeRemote(w)
	if bind.Addr.IsValid() {
		w.Str("ip", bind.Addr.String())
	}
	w.Int("port", int64(ports[0]))
	w.Int("rtcp_port", int64(ports[1]))
	return nil
}

// openSource makes the source of a publisher on another server, whom nobody knows of
// yet, and opens its ports: for RTP and for RTCP. It is called without the lock.
func (p *publisher) openSource(from *forward.Destination, bind sfu.Bind) (source *sfu.Source, ports [2]uint16, err error) {
	source, err = p.room.plugin.Gateway.Engine().NewSource(sfu.SourceConfig{
		Label: "remote publisher " + p.id, Tracks: p.sourceStreams(), SRTP: from.SRTP,
	}, remoteHandler{p})
	if err != nil {
		return nil, ports, err
	}
	at := func(port uint16) sfu.Bind {
		bind.PortMin, bind.PortMax = port, port
		if port == 0 {
			bind.PortMin, bind.PortMax = minRemotePort, maxRemotePort
		}
		return bind
	}
	if ports[0], err = source.ListenRTP(at(from.Port), -1, 0); err == nil {
		ports[1], err = source.ListenRTCP(at(from.RTCPPort), -1)
	}
	return source, ports, err
}

// enter adds a publisher on another server to the room, if there still is one and
// nothing has failed.
func (p *publisher) enter(source *sfu.Source, failure error) (err *schema.Error) {
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case failure != nil:
		err = errorf(errUnknown, "%v", failure)
	case r.Gone:
		err = errorf(errNoSuchRoom, "No such room (%s)", r.id)
	case p.lost:
		err = errorf(errUnknown, "The publisher's media has failed")
	}
	if err != nil {
		if source != nil {
			source.Close()
		}
		return err
	}
	p.source, p.gone = source, false
	r.add(p)
	p.startRecording()
	p.announce()
	return nil
}

// takeStreams applies the streams of a request: those with a known
// mid are changed, others added. Nothing changes if those are too many. room.mu is
// held, or the publisher not shared yet.
func (p *publisher) takeStreams(body kit.Args) *schema.Error {
	find := func(mid string) int {
		return slices.IndexFunc(p.streams, func(s *stream) bool { return s.remoteMID == mid })
	}
	added := make(map[string]struct{})
	for _, v := range body.Items("streams") {
		if mid := v.Str("mid"); find(mid) < 0 {
			added[mid] = struct{}{}
		}
	}
	if len(p.streams)+len(added) > sdp.MaxSections {
		return errorf(errInvalidElement, "Too many streams (%d at most)", sdp.MaxSections)
	}
	for _, v := range body.Items("streams") {
		mid := v.Str("mid")
		i := find(mid)
		if i < 0 {
			i = len(p.streams)
			kind, _ := plugin.ParseKind(v.Str("type"))
			s := p.newStream(i, strconv.Itoa(i), kind)
			s.remoteMID = mid
			p.streams = append(p.streams, s)
		}
		p.streams[i].take(v)
	}
	p.firstData = p.first(sdp.Application)
	return nil
}

// take takes over the description of a stream on another server.
func (s *stream) take(v kit.Args) {
	index, _ := v.Number("mindex")
	s.remoteSSRC = cascadeSSRC(int(index), 0)
	s.Codec = v.Lower("codec")
	s.disabled = v.Is("disabled")
	if s.kind == sdp.Application {
		s.Codec = ""
	} else if !s.publisher.room.allows(s.kind, s.Codec) {
		s.disabled = true
	}
	s.description = v.Str("description")
	s.Stereo, s.FEC, s.DTX = v.Is("stereo"), v.Is("fec"), v.Is("dtx")
	s.H264Profile = v.Str("h264_profile")
	s.VP9Profile = v.Str("vp9_profile")
	s.Layering = mline.LayeringOf(v.Is("simulcast"), v.Is("svc"))
	id := func(name string) uint8 {
		n, _ := v.Number(name)
		if n > 255 {
			return 0
		}
		return uint8(n)
	}
	s.audioLevelExt = id("audiolevel_ext_id")
	s.orientationExt = id("videoorient_ext_id")
	s.delayExt = id("playoutdelay_ext_id")
	s.gateChanged()
}

// sourceStreams describes the streams of a publisher on another server for the
// engine.
func (p *publisher) sourceStreams() []sfu.TrackConfig {
	list := make([]sfu.TrackConfig, 0, len(p.streams))
	for _, s := range p.streams {
		x := sfu.TrackConfig{SSRC: s.remoteSSRC, Kind: media.Data, Encrypted: p.e2ee}
		if s.kind != sdp.Application {
			c, _ := sdp.LookupCodec(s.Codec)
			x.Kind = media.Audio
			x.Codec = media.Codec{Name: media.ParseCodecName(c.Name), PayloadType: c.PT, ClockRate: uint32(c.Clock)}
		}
		if s.kind == sdp.Video {
			x.Kind, x.Simulcast, x.SVC = media.Video, s.Layering == mline.Simulcast, s.Layering == mline.SVC
		}
		x.Ext = media.ExtensionIDs{
			AudioLevel: s.audioLevelExt, VideoOrientation: s.orientationExt, PlayoutDelay: s.delayExt,
		}
		if p.room.audioLevelEvent && s.measured() {
			x.LevelWindow = p.room.audioActivePackets
		}
		list = append(list, x)
	}
	return list
}

// remoteOf finds the publisher of a request, who has to be on another server.
// room.mu is held.
func (r *room) remoteOf(body kit.Args) (*publisher, *schema.Error) {
	user, err := r.user(body)
	if err == nil && user.source == nil {
		err = errorf(errNoSuchFeed, "User %s in room %s is not remote", user.id, r.id)
	}
	return user, err
}

// updateRemote changes the streams of a publisher on another server.
func (p *Plugin) updateRemote(r *kit.Request, w *json.Writer) *schema.Error {
	if _, err := p.readRemote(r.Body); err != nil {
		return err
	}
	return p.rooms.Manage(r.Body, func(room *room) *schema.Error {
		user, err := room.remoteOf(r.Body)
		if err != nil {
			return err
		}
		if err := user.takeStreams(r.Body); err != nil {
			return err
		}
		user.rename(r.Body)
		user.source.SetTracks(user.sourceStreams())
		user.startRecording()
		room.feedChanged(user)
		user.announce()
		w.Str("videoroom", "success")
		return nil
	})
}

// removeRemote removes a publisher that addRemote added.
func (p *Plugin) removeRemote(r *kit.Request, w *json.Writer) *schema.Error {
	return p.rooms.Manage(r.Body, func(room *room) *schema.Error {
		user, err := room.remoteOf(r.Body)
		if err != nil {
			return err
		}
		room.feedGone(user, true)
		user.left()
		w.Str("videoroom", "success")
		return nil
	})
}

// remoteHandler is a publisher on another server as the engine sees it.
type remoteHandler struct{ *publisher }

// SourceEvent handles the events of the media engine.
func (h remoteHandler) SourceEvent(e sfu.Event) {
	switch e.Kind {
	case sfu.EventAudioLevel:
		h.level(e)
	case sfu.EventClosed:
		h.failed()
	}
}

// failed takes a publisher out of the room whose media has failed.
func (h remoteHandler) failed() {
	h.room.mu.Lock()
	defer h.room.mu.Unlock()
	h.lost = true
	if !h.gone {
		h.room.feedGone(h.publisher, true)
		h.left()
	}
}

// SourceData passes a message on.
func (h remoteHandler) SourceData(_ int, binary bool, payload []byte) { h.data("", binary, payload) }
