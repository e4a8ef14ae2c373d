package audiobridge

import (
	"strings"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/forward"
	"bifrons/api/schema"
	"bifrons/sfu"
)

// mix is the input of a forwarder: everybody or one group, in a codec. Forwarders of the same
// mix share one encoder.
type mix struct {
	codec    sfu.AudioCodec
	group    int // 0 = everybody
	alwaysOn bool
}

// mixed is a mix that is forwarded.
type mixed struct {
	party  *sfu.Party
	origin sfu.Origin
}

// forwarded describes a forwarder.
type forwarded struct {
	mix
	ssrc uint32 // that it sends with
}

type forwarder = forward.Forwarder[forwarded]

var (
	forwardNames = forward.Names{Host: "host", Family: "host_family", Suite: "srtp_suite", Crypto: "srtp_crypto",
		Port: "port", SSRC: "ssrc", PayloadType: "ptype"}
	staticNames = forward.Names{Host: "rtp_forward_host", Family: "rtp_forward_host_family", Suite: "rtp_forward_srtp_suite",
		Crypto: "rtp_forward_srtp_crypto", Port: "rtp_forward_port", SSRC: "rtp_forward_ssrc", PayloadType: "rtp_forward_ptype"}
)

// forwardRules are those by which rooms are forwarded.
func (p *Plugin) forwardRules() *forward.Rules {
	return &forward.Rules{Policy: p.general.Policy, Engine: func() *sfu.Engine { return p.Gateway.Engine() }, Of: "room", Codes: codes, Failed: errUnknown}
}

// mayForward reports whether the administrator lets a client forward.
func (p *Plugin) mayForward(body kit.Args) *schema.Error {
	return codes.MayLocked(body, p.general.LockForward, p.general.AdminKey)
}

// readForward reads the streams to forward, and their destination.
func (p *Plugin) readForward(src kit.Values, names forward.Names, codec string, m *mix, d *forward.Destination) *schema.Error {
	if codec = strings.ToLower(codec); codec == "" {
		codec = "opus"
	}
	var ok bool
	if m.codec, ok = parseCodec(codec); !ok {
		return errorf(errInvalidElement, "Unsupported codec (%s)", codec)
	}
	d.PayloadType = opusPT
	if err := p.forwardRules().Read(src, names, d); err != nil {
		return err
	}
	if d.Port == 0 {
		return errorf(errInvalidElement, "Invalid element (%s)", names.Port)
	}
	switch m.codec {
	case sfu.MixPCMU:
		d.PayloadType = 0
	case sfu.MixPCMA:
		d.PayloadType = 8
	}
	return nil
}

// rtpForward sends the mix of a room somewhere as plain RTP or SRTP.
func (p *Plugin) rtpForward(q *kit.Request, w *json.Writer) *schema.Error {
	if err := p.mayForward(q.Body); err != nil {
		return err
	}
	m := mix{alwaysOn: q.Body.Is("always_on")}
	var d forward.Destination
	if err := p.readForward(kit.FromRequest(q.Body), forwardNames, q.Body.Str("codec"), &m, &d); err != nil {
		return err
	}
	if err := p.rooms.Manage(q.Body, func(r *room) *schema.Error { return r.pick(&m, q.Body.Str("group")) }); err != nil {
		return err
	}
	if err := p.forwardRules().Resolve(q.Host.SessionID(), &d); err != nil {
		return err
	}
	return p.rooms.Manage(q.Body, func(r *room) *schema.Error {
		f, err := r.forward(m, d, 0)
		if err != nil {
			return err
		}
		r.begin(w, "success")
		w.OptStr("group", r.groupName(m.group))
		w.Uint("stream_id", uint64(f.ID))
		w.Str("host", f.Host.Addr.String())
		w.Int("port", int64(f.Port))
		return nil
	})
}

// pick finds the group of a mix. A room without groups ignores the name. mu is held.
func (r *room) pick(m *mix, group string) *schema.Error {
	if group == "" || len(r.groups) == 0 {
		return nil
	}
	if m.group = r.group(group); m.group == 0 {
		return errorf(errNoSuchGroup, "No such group (%s)", group)
	}
	return nil
}

// forward starts a forwarder, with a random id if that is 0. mu is held, and the destination was resolved.
func (r *room) forward(m mix, d forward.Destination, id uint32) (*forwarder, *schema.Error) {
	if err := r.plugin.forwardRules().Limit(r.forwarders.Len() + 1); err != nil {
		return nil, err
	}
	x, err := r.mix(m)
	if err != nil {
		return nil, err
	}
	f, bad := r.forwarders.Start(r.plugin.Gateway.Engine(), forward.Track{Origin: x.origin, OwnSSRC: true, ID: id}, d, forwarded{mix: m}, &r.mu, r.forwarderLost)
	if bad != nil {
		r.forwarderGone(m)
		return nil, errorf(errUnknown, "%v", bad)
	}
	if f.Of.ssrc = d.SSRC; f.Of.ssrc == 0 {
		f.Of.ssrc = f.ID
	}
	return f, nil
}

// mix is a mix that can be forwarded. mu is held.
func (r *room) mix(m mix) (*mixed, *schema.Error) {
	if x := r.mixes[m]; x != nil {
		return x, nil
	}
	conf, err := r.mixing()
	if err != nil {
		return nil, err
	}
	cfg := sfu.PartyConfig{Codec: m.codec, Hears: m.group, Idle: !m.alwaysOn}
	cfg.Volume, cfg.Position = defaultVolume, defaultPosition
	cfg.Encoding = sfu.OpusSettings{Bitrate: r.bitrate, Complexity: defaultQuality, FEC: r.loss > 0, Loss: r.loss}
	x := &mixed{party: conf.Join(cfg)}
	var bad error
	if x.origin, bad = x.party.Stream(nil); bad != nil {
		x.party.Leave()
		r.rest()
		return nil, errorf(errUnknown, "%v", bad)
	}
	r.mixes[m] = x
	return x, nil
}

// forwarderLost follows the end of a forwarder that has ended by itself. mu is held.
func (r *room) forwarderLost(f *forwarder) { r.forwarderGone(f.Of.mix) }

// forwarderGone ends a mix that nothing forwards any more. mu is held.
func (r *room) forwarderGone(m mix) {
	x := r.mixes[m]
	if x == nil || len(r.forwarders.All(func(of forwarded) bool { return of.mix == m })) > 0 {
		return
	}
	delete(r.mixes, m)
	x.party.Leave()
	r.rest()
}

// stopForward ends a forwarder that rtpForward began.
func (p *Plugin) stopForward(q *kit.Request, w *json.Writer) *schema.Error {
	if err := p.mayForward(q.Body); err != nil {
		return err
	}
	id, _ := q.Body.Number("stream_id")
	return p.rooms.Manage(q.Body, func(r *room) *schema.Error {
		if f := r.forwarders.Find(uint32(id)); f != nil && int64(f.ID) == id {
			r.forwarders.StopOne(f)
			r.forwarderGone(f.Of.mix)
		}
		r.begin(w, "success")
		w.Int("stream_id", id)
		return nil
	})
}

// listForwarders says where the mix goes to.
func (p *Plugin) listForwarders(q *kit.Request, w *json.Writer) *schema.Error {
	return p.rooms.Manage(q.Body, func(r *room) *schema.Error {
		r.begin(w, "forwarders")
		all := r.forwarders.All(func(forwarded) bool { return true })
		json.Objects(w, "rtp_forwarders", all, func(f *forwarder) {
			w.Uint("stream_id", uint64(f.ID))
			w.OptStr("group", r.groupName(f.Of.group))
			w.Str("ip", f.Host.Addr.String())
			w.Int("port", int64(f.Port))
			w.Uint("ssrc", uint64(f.Of.ssrc))
			w.Str("codec", codecNames[f.Of.codec])
			w.Int("ptype", int64(f.PayloadType))
			w.OptTrue("srtp", f.SRTP != nil)
			w.Bool("always_on", f.Of.alwaysOn)
		})
		return nil
	})
}

// startStatic starts the forwarder that the file has for a room. Errors are
// logged; the room exists in any case.
func (p *Plugin) startStatic(r *room, c *config.Reader) {
	s := r.static
	if s.host == "" {
		return
	}
	m := mix{alwaysOn: s.alwaysOn}
	var d forward.Destination
	err := p.readForward(kit.FromFile(c), staticNames, s.codec, &m, &d)
	if err == nil {
		err = r.pick(&m, s.group)
	}
	if err != nil {
		c.Reject("rtp_forward_host", "settings that fit together ("+err.Text+")", "nothing is forwarded")
		return
	}
	if p.Gateway == nil { // the file is looked at, no more
		return
	}
	p.tasks.Go(func() {
		err := p.forwardRules().Resolve(0, &d)
		if err == nil {
			err = r.forwardStatic(m, d)
		}
		if err != nil {
			p.Gateway.Logger().Error("a room of the file is not forwarded", "room", r.id, "error", err)
		}
	})
}

func (r *room) forwardStatic(m mix, d forward.Destination) *schema.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Gone {
		return nil
	}
	_, err := r.forward(m, d, uint32(r.static.id))
	return err
}
