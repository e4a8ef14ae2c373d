package audiobridge

import (
	"math/rand/v2"
	"net"
	"net/netip"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/forward"
	"bifrons/api/kit/recording"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
	sfumedia "bifrons/sfu/media"
)

// plain is audio that comes and goes as plain RTP. It never changes.
type plain struct {
	h      *handle
	source *sfu.Source
	addr   string // of this side, for clients
	port   uint16
	pt     uint8
	level  uint8 // id of the audio-level extension, 0 = none
	fec    bool
	codec  sfu.AudioCodec
	remote forward.Destination // Host is nil while it is not known
	ssrc   uint32              // of the packets sent
}

var plainFields = schema.NotNull(
	schema.Typed(schema.String, "ip"),
	schema.Typed(schema.Uint, "port", "payload_type", "audiolevel_ext"),
	schema.Typed(schema.Bool, "fec"),
)

// openPlain opens the plain RTP of the field rtp of a join; nil if no port is free.
// It looks names up and opens a port.
func (h *handle) openPlain(body kit.Args) (*plain, *schema.Error) {
	rtp := body.Under("rtp")
	c := &plain{h: h, pt: opusPT, fec: rtp.Is("fec"), ssrc: rand.Uint32()}
	if err := c.aim(rtp); err != nil {
		return nil, err
	}
	if n, ok := rtp.Number("payload_type"); ok {
		if n > 127 {
			return nil, errorf(errInvalidElement, "Invalid element (payload_type should be at most 127)")
		}
		c.pt = uint8(n)
	}
	if n, ok := rtp.Number("audiolevel_ext"); ok && n <= 255 {
		c.level = uint8(n)
	}
	c.codec, _ = parseCodec(body.Lower("codec"))
	known, _ := sdp.LookupCodec(codecNames[c.codec])
	if c.codec != sfu.MixOpus {
		c.pt, c.fec = known.PT, false
	}
	if err := c.open(known); err != nil {
		h.plugin.Gateway.Logger().Warn("no port for plain RTP", "session", h.Host.SessionID(), "handle", h.Host.HandleID(), "error", err)
		return nil, nil
	}
	return c, nil
}

// aim reads where to send to, and looks the name up.
func (c *plain) aim(rtp kit.Args) *schema.Error {
	if err := codes.CheckItem(plainFields, rtp, "rtp"); err != nil {
		return err
	}
	rules := c.h.plugin.forwardRules()
	var d forward.Destination
	if err := rules.Read(kit.FromRequest(rtp), forward.Names{Host: "ip", Port: "port"}, &d); err != nil {
		return err
	}
	if d.Host == nil || d.Host.Name == "" || d.Port == 0 {
		return nil
	}
	if err := rules.Resolve(c.h.Host.SessionID(), &d); err != nil {
		return err
	}
	c.remote = d
	return nil
}

// open opens the port.
func (c *plain) open(codec sdp.Codec) (err error) {
	p := c.h.plugin
	bind := sfu.Bind{PortMin: p.general.Ports.Min, PortMax: p.general.Ports.Max}
	local, err := netip.ParseAddr(p.general.LocalIP)
	if err == nil {
		bind.Addr = local
	} else {
		local = ownAddr(c.remote)
	}
	c.addr = local.String()
	track := sfu.TrackConfig{Kind: sfumedia.Audio, Codec: sfumedia.Codec{
		Name: sfumedia.ParseCodecName(codec.Name), PayloadType: c.pt, ClockRate: uint32(codec.Clock)}}
	track.Ext.AudioLevel = c.level
	c.source, err = p.Gateway.Engine().NewSource(sfu.SourceConfig{Label: "plain participant", Tracks: []sfu.TrackConfig{track}}, c)
	if err != nil {
		return err
	}
	if c.port, err = c.source.ListenRTP(bind, 0, 0); err != nil {
		c.source.Close()
	}
	return err
}

// ownAddr is the address of this machine that reaches a destination, or whatever is far.
// Nothing is sent.
func ownAddr(d forward.Destination) netip.Addr {
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 9) // RFC 5737
	if d.Host != nil {
		to = netip.AddrPortFrom(d.Host.Addr, d.Port)
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// close closes the port; c may be nil.
func (c *plain) close() {
	if c != nil {
		c.source.Close()
	}
}

// write writes where to send to, as the answer has it.
func (c *plain) write(w *json.Writer) {
	w.Object("rtp")
	w.Str("ip", c.addr)
	w.Int("port", int64(c.port))
	w.Int("payload_type", int64(c.pt))
	w.End()
}

// media describes it for the client.
func (c *plain) media() media {
	m := media{on: true, codec: c.codec, in: sfu.InputFormat{Level: c.level}, fec: c.fec, call: c}
	m.medium = recording.Medium{Kind: sdp.Audio, Codec: codecNames[c.codec]}
	if c.level != 0 {
		m.medium.Extensions = map[uint8]string{c.level: sdp.URIAudioLevel}
	}
	return m
}

// setPlain makes plain RTP the client's media, if it is still in the room.
func (h *handle) setPlain(c *plain) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.in == nil {
		c.close()
		return
	}
	h.media = c.media()
}

func (h *handle) hasPlain() bool { return h.agreed().call != nil }

// connectPlain takes the address of the other side, as a configure has it, and connects.
func (h *handle) connectPlain(body kit.Args) *schema.Error {
	old := h.agreed().call
	if old == nil {
		return errorf(errInvalidElement, "Not a plain RTP participant")
	}
	next := *old
	if err := next.aim(body.Under("rtp")); err != nil {
		return err
	}
	h.mu.Lock()
	if h.media.call == old {
		h.media = next.media()
	}
	h.mu.Unlock()
	h.begin()
	return nil
}

// send sends the mix to the other side, if that is known. room.mu is held.
func (p *participant) send() {
	c, m := p.media.call, &p.media
	if c.remote.Host == nil {
		return
	}
	to := netip.AddrPortFrom(c.remote.Host.Addr, c.remote.Port)
	var err error
	if m.stream == nil {
		m.stream, err = p.party.Stream(m.sender)
	}
	switch {
	case err != nil:
	case m.sender != nil:
		m.sender.Redirect(m.stream, 0, to)
	default:
		m.sender, err = p.room.plugin.Gateway.Engine().Forward(m.stream, 0, sfu.Forward{To: to, PayloadType: c.pt, SSRC: c.ssrc})
	}
	if err != nil {
		p.room.plugin.Gateway.Logger().Warn("nothing is sent to a plain RTP participant", "room", p.room.id, "id", p.id, "error", err)
	}
}

// SourceEvent sends a participant away whose audio has failed.
func (c *plain) SourceEvent(e sfu.Event) {
	if e.Kind != sfu.EventClosed {
		return
	}
	c.h.Host.Run(func() {
		if m := c.h.agreed(); m.call != nil && m.call.source == c.source {
			c.h.leave(c.h.current(), true)
		}
	})
}

// SourceData is never called: there is sound only.
func (*plain) SourceData(int, bool, []byte) {}
