package videoroom

import (
	"errors"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/forward"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu/media"
)

// forwarder sends one stream of a publisher's as plain RTP or SRTP, or the messages of
// its data channel.
type forwarder = forward.Forwarder[forwarded]

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

// forwardRules are those by which publishers are forwarded.
func (p *Plugin) forwardRules() *forward.Rules {
	return &forward.Rules{Policy: p.general.forward, Engine: p.Gateway.Engine, Of: "publisher", Codes: codes, Failed: errUnknown}
}

// mayForward reports whether the administrator lets a client forward.
func (p *Plugin) mayForward(body kit.Args) *schema.Error {
	return codes.MayLocked(body, p.general.lockForwarding, p.general.adminKey)
}

// ofFeed is manage for a request about a publisher.
func (p *Plugin) ofFeed(body kit.Args, f func(feed *publisher) *schema.Error) *schema.Error {
	return p.rooms.Manage(body, func(room *room) *schema.Error {
		name, _ := p.ids.Read(body, "publisher_id")
		feed := room.participants[name]
		if feed == nil || feed.dummy {
			return errorf(errNoSuchFeed, "No such feed (%s)", name)
		}
		return f(feed)
	})
}

// prepareForward does the work before a feed can be sent somewhere. Names are
// looked up only for those who may forward.
func (p *Plugin) prepareForward(r *kit.Request, list ...*forward.Destination) *schema.Error {
	if err := p.mayForward(r.Body); err != nil {
		return err
	}
	if err := p.ofFeed(r.Body, func(*publisher) *schema.Error { return nil }); err != nil {
		return err
	}
	return p.forwardRules().Resolve(r.Host.SessionID(), list...)
}

var errNoMedia = errors.New("videoroom: the publisher has no media")

// forward adds a forwarder. room.mu is held, and the destination was prepared.
func (s *stream) forward(d forward.Destination, remote *remotization) (*forwarder, error) {
	p := s.publisher
	x := forward.Track{Origin: p.origin(), Section: s.mindex, Simulcast: s.Layering == mline.Simulcast, Paused: !s.flows()}
	if x.Origin == nil { // the connection has just ended
		return nil, errNoMedia
	}
	if s.kind == sdp.Application {
		x.Section = -1
	}
	return p.forwarders.Start(p.room.plugin.Gateway.Engine(), x, d, forwarded{s, remote}, &p.room.mu, p.notifyStopped)
}

// notifyStopped reports that a forwarder has ended.
func (p *publisher) notifyStopped(f *forwarder) {
	p.room.notify(p.h, "stop_rtp_forward", p.writeStopped(f))
}

func (p *publisher) writeStopped(f *forwarder) func(w *json.Writer) {
	return func(w *json.Writer) {
		p.writeFeed(w)
		w.Uint("stream_id", uint64(f.ID))
	}
}

func (p *publisher) writeFeed(w *json.Writer) { p.room.plugin.ids.Write(w, "publisher_id", p.id) }

// stopForwarders ends those of a stream. room.mu is held.
func (s *stream) stopForwarders() {
	s.publisher.forwarders.Stop(func(of forwarded) bool { return of.stream == s })
}

// ownForwarders are those of a stream. room.mu is held.
func (s *stream) ownForwarders() []*forwarder {
	return s.publisher.forwarders.All(func(of forwarded) bool { return of.stream == s })
}

// holdForwarders follows a change of stream.flows. room.mu is held.
func (s *stream) holdForwarders() {
	for _, f := range s.ownForwarders() {
		f.SetPaused(!s.flows())
	}
}

// writeForwarder writes a forwarder into an open object.
func writeForwarder(w *json.Writer, f *forwarder) {
	kind := f.Of.stream.kind
	f.Write(w, forward.Form{
		Brief: kind == sdp.Application,
		Own:   func(w *json.Writer) { w.Str("type", plugin.KindName(kind)) },
	})
}

func (p *publisher) notifyForward(f *forwarder) {
	p.room.notify(p.h, "rtp_forward", func(w *json.Writer) {
		p.writeFeed(w)
		w.Str("media", plugin.KindName(f.Of.stream.kind))
		w.OptStr("codec", f.Of.stream.Codec)
		w.OptUint("video_substream", uint64(f.Encoding))
		writeForwarder(w, f)
	})
}

// planned is a forwarder that a request wants.
type planned struct {
	forward.Destination
	mid  string   // new form: of the stream
	kind sdp.Kind // old form: the first stream of a kind
	name string   // old form: of the answer's fields
}

// forwardPlan is all that a request wants to forward.
type forwardPlan struct {
	forward.Destination // for all
	legacy              bool
	list                []planned
}

// read reads a request.
func (x *forwardPlan) read(rules *forward.Rules, body kit.Args) *schema.Error {
	if err := rules.Read(kit.FromRequest(body), transportNames, &x.Destination); err != nil {
		return err
	}
	if x.legacy = !body.Has("streams"); x.legacy {
		for _, y := range []planned{
			{kind: sdp.Audio, name: "audio"}, {kind: sdp.Video, name: "video"}, {kind: sdp.Application, name: "data"},
		} {
			y.Destination = x.Destination
			y.Best = y.kind == sdp.Video && body.Is("simulcast")
			if err := x.readPorts(rules, body, y, y.name+"_"); err != nil {
				return err
			}
		}
		return nil
	}
	items := body.Items("streams")
	if err := rules.Limit(len(items)); err != nil {
		return err
	}
	for _, v := range items {
		if err := checkItem(forwardItem, v, "streams"); err != nil {
			return err
		}
		y := planned{Destination: x.Destination, mid: v.Str("mid")}
		y.Best = v.Is("simulcast")
		if err := rules.Read(kit.FromRequest(v), forward.Names{Host: "host", Family: "host_family"}, &y.Destination); err != nil {
			return err
		}
		if err := x.readPorts(rules, v, y, ""); err != nil {
			return err
		}
	}
	return nil
}

// readPorts plans a forwarder for each port that is given for a stream: of one as a
// whole, or of its encodings.
func (x *forwardPlan) readPorts(rules *forward.Rules, body kit.Args, y planned, prefix string) *schema.Error {
	for i, suffix := range [media.MaxEncodings]string{"", "_2", "_3"} {
		names := forward.Names{Port: prefix + "port" + suffix, PayloadType: prefix + "pt" + suffix, SSRC: prefix + "ssrc" + suffix}
		if i == 0 {
			names.RTCPPort = prefix + "rtcp_port"
		}
		z := y
		z.Encoding = i
		if err := rules.Read(kit.FromRequest(body), names, &z.Destination); err != nil {
			return err
		}
		if z.Port != 0 && (i == 0 || !y.Best) {
			x.list = append(x.list, z)
		}
	}
	return nil
}

// rtpForward sends a publisher's media somewhere as plain RTP or SRTP.
func (p *Plugin) rtpForward(r *kit.Request, w *json.Writer) *schema.Error {
	rules := p.forwardRules()
	var plan forwardPlan
	if err := plan.read(rules, r.Body); err != nil {
		return err
	}
	all := []*forward.Destination{&plan.Destination}
	for i := range plan.list {
		all = append(all, &plan.list[i].Destination)
	}
	if err := p.prepareForward(r, all...); err != nil {
		return err
	}
	return p.ofFeed(r.Body, func(feed *publisher) *schema.Error {
		if feed.origin() == nil {
			return errorf(errNoSuchFeed, "Feed %s is not publishing", feed.id)
		}
		if err := rules.Limit(feed.forwarders.Len() + len(plan.list)); err != nil {
			return err
		}
		feed.room.begin(w, "rtp_forward")
		feed.writeFeed(w)
		if err := feed.startForwarders(&plan, w); err != nil {
			return errorf(errUnknown, "%v", err)
		}
		return nil
	})
}

// startForwarders starts the planned forwarders and writes them. room.mu is held.
func (p *publisher) startForwarders(plan *forwardPlan, w *json.Writer) error {
	if plan.legacy {
		w.Object("rtp_stream")
	} else {
		w.Array("forwarders")
	}
	for i := range plan.list {
		x := &plan.list[i]
		s := p.stream(x.mid)
		if plan.legacy {
			s = p.first(x.kind)
		}
		if s == nil || s.disabled {
			continue
		}
		f, err := s.forward(x.Destination, nil)
		if err != nil {
			return err
		}
		if plan.legacy {
			x.writeLegacy(w, f)
			s.requestKeyframe()
		} else {
			w.Object("")
			writeForwarder(w, f)
			w.End()
		}
		p.notifyForward(f)
	}
	if !plan.legacy {
		w.EndArray()
		return nil
	}
	w.Str("warning", "deprecated_api")
	w.Str("host", plan.Host.Addr.String())
	w.End()
	return nil
}

// writeLegacy writes a forwarder in the old form of the answer.
func (x *planned) writeLegacy(w *json.Writer, f *forwarder) {
	suffix := ""
	if x.Encoding > 0 {
		suffix = "_" + string(rune('1'+x.Encoding))
	}
	w.Uint(x.name+"_stream_id"+suffix, uint64(f.ID))
	w.Int(x.name+suffix, int64(x.Port))
	w.OptUint(x.name+"_rtcp", uint64(x.RTCPPort))
}

// stopForward ends a forwarder that rtpForward began.
func (p *Plugin) stopForward(r *kit.Request, w *json.Writer) *schema.Error {
	if err := p.mayForward(r.Body); err != nil {
		return err
	}
	id, _ := r.Body.Number("stream_id")
	return p.ofFeed(r.Body, func(feed *publisher) *schema.Error {
		f := feed.forwarders.Find(uint32(id))
		if f == nil || f.Of.remote != nil || id != int64(f.ID) {
			return errorf(errNoSuchFeed, "No such stream (%d)", id)
		}
		feed.forwarders.StopOne(f)
		feed.room.begin(w, "stop_rtp_forward")
		feed.writeStopped(f)(w)
		feed.notifyStopped(f)
		return nil
	})
}

// listForwarders lists the forwarders, except those to other servers.
func (p *Plugin) listForwarders(r *kit.Request, w *json.Writer) *schema.Error {
	return p.rooms.Manage(r.Body, func(room *room) *schema.Error {
		room.begin(w, "forwarders")
		w.Array("publishers")
		for _, x := range room.members {
			x.writeForwarders(w)
		}
		w.EndArray()
		return nil
	})
}

// writeForwarders writes a publisher who has forwarders. room.mu is held.
func (p *publisher) writeForwarders(w *json.Writer) {
	var list []*forwarder
	for _, s := range p.streams {
		list = append(list, p.forwarders.All(func(of forwarded) bool { return of == forwarded{s, nil} })...)
	}
	if len(list) == 0 {
		return
	}
	w.Object("")
	p.writeFeed(w)
	p.writeName(w)
	json.Objects(w, "forwarders", list, func(f *forwarder) { writeForwarder(w, f) })
	w.End()
}
