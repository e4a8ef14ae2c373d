package videoroom

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// forwarder sends one stream of a publisher's as plain RTP or SRTP, or the
// messages of its data channel. room.mu guards it.
type forwarder struct {
	forwarding // fixed
	id         uint32
	remote     *remotization // that it belongs to, nil if none
	media      *sfu.Forwarder
}

// forwarding says where a stream goes to, and how.
type forwarding struct {
	to        netip.AddrPort
	rtcp      uint16 // port of the receiver's RTCP, 0 = none
	pt        uint8  // 0 = as it comes
	ssrc      uint32 // 0 = as it comes
	substream int
	best      bool // simulcast: the best substream, instead of one as it comes
	key       *sfu.SRTPKey
}

var errNoMedia = errors.New("videoroom: the publisher has no media")

// forward adds a forwarder. room.mu is held, and the engine was prepared.
func (s *stream) forward(x forwarding, remote *remotization) (*forwarder, error) {
	f := &forwarder{forwarding: x, remote: remote, id: s.publisher.room.freeForwarder()}
	c := sfu.Forward{
		To: x.to, PayloadType: x.pt, SSRC: x.ssrc, Encoding: x.substream, SRTP: x.key,
		Failed: func() { s.forwarderFailed(f) },
	}
	if x.rtcp != 0 {
		c.RTCP = netip.AddrPortFrom(x.to.Addr(), x.rtcp)
	}
	if x.best && s.simulcast {
		c.Encoding = -1
		if c.SSRC == 0 {
			c.SSRC = f.id
		}
	}
	section := s.mindex
	if s.kind == sdp.Application {
		section = -1
	}
	from := s.publisher.origin()
	if from == nil { // the connection has just ended
		return nil, errNoMedia
	}
	var err error
	if f.media, err = s.publisher.room.plugin.gw.Engine().Forward(from, section, c); err != nil {
		return nil, err
	}
	f.media.SetPaused(!s.flows())
	s.forwarders = append(s.forwarders, f)
	return f, nil
}

// forwarderFailed forgets a forwarder that has ended by itself.
func (s *stream) forwarderFailed(f *forwarder) {
	p := s.publisher
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if _, there := p.forwarder(f.id); there == f {
		s.stopForwarders(func(x *forwarder) bool { return x == f })
		p.h.notify("stop_rtp_forward", p.writeForwarder(f.id))
	}
}

// writeForwarder writes which forwarder an event is about.
func (p *publisher) writeForwarder(id uint32) func(w *json.Writer) {
	return func(w *json.Writer) {
		p.room.writeRoom(w)
		p.room.plugin.ids.Write(w, "publisher_id", p.id)
		w.Uint("stream_id", uint64(id))
	}
}

// freeForwarder makes an id that no forwarder of the room has. room.mu is held.
func (r *room) freeForwarder() uint32 {
	for {
		id := rand.Uint32()
		if id != 0 && !r.hasForwarder(id) {
			return id
		}
	}
}

func (r *room) hasForwarder(id uint32) bool {
	for _, p := range r.participants {
		if _, f := p.forwarder(id); f != nil {
			return true
		}
	}
	return false
}

// forwarder finds one by its id. room.mu is held.
func (p *publisher) forwarder(id uint32) (*stream, *forwarder) {
	for _, s := range p.streams {
		for _, f := range s.forwarders {
			if f.id == id {
				return s, f
			}
		}
	}
	return nil, nil
}

// stopForwarders ends those that match. room.mu is held.
func (s *stream) stopForwarders(match func(f *forwarder) bool) {
	kept := s.forwarders[:0]
	for _, f := range s.forwarders {
		if match(f) {
			f.media.Close()
		} else {
			kept = append(kept, f)
		}
	}
	clear(s.forwarders[len(kept):])
	s.forwarders = kept
}

// stopForwarders ends all forwarders of a publisher's. room.mu is held.
func (p *publisher) stopForwarders() {
	for _, s := range p.streams {
		s.stopForwarders(func(*forwarder) bool { return true })
	}
}

// holdForwarders follows a change of stream.flows. room.mu is held.
func (s *stream) holdForwarders() {
	for _, f := range s.forwarders {
		f.media.SetPaused(!s.flows())
	}
}

// messageForwarders sends a message of the data channel on. room.mu is held.
func (s *stream) messageForwarders(binary bool, payload []byte) {
	if !s.flows() {
		return
	}
	for _, f := range s.forwarders {
		f.media.Message(binary, payload)
	}
}

// write writes a forwarder into an open object.
func (f *forwarder) write(w *json.Writer, s *stream) {
	w.Uint("stream_id", uint64(f.id))
	w.Str("host", f.to.Addr().String())
	w.Int("port", int64(f.to.Port()))
	w.Str("type", kindName(s.kind))
	if s.kind == sdp.Application {
		return
	}
	optUint(w, "local_rtcp_port", uint64(f.media.RTCPPort()))
	optUint(w, "remote_rtcp_port", uint64(f.rtcp))
	optUint(w, "pt", uint64(f.pt))
	optUint(w, "ssrc", uint64(f.ssrc))
	optUint(w, "substream", uint64(f.substream))
	w.OptTrue("srtp", f.key != nil)
}

func optUint(w *json.Writer, key string, n uint64) {
	if n != 0 {
		w.Uint(key, n)
	}
}

// destination is where a request wants media to be sent, and with which key.
type destination struct {
	addr netip.Addr // invalid if the request names no host
	key  *sfu.SRTPKey
}

// resolveTimeout bounds how long the names of a request are looked up.
const resolveTimeout = 5 * time.Second

// resolver finds the address of the host in an object of a request. It may take a
// while and must not be called with a lock held.
type resolver func(v kit.Args) (netip.Addr, *schema.Error)

// resolver makes one for a request: a name is looked up once, and all of them in
// the time that there is for one.
func (p *Plugin) resolver(h *handle) resolver {
	type question struct{ network, host string }
	known := map[question]netip.Addr{}
	deadline := time.Now().Add(resolveTimeout)
	return func(v kit.Args) (netip.Addr, *schema.Error) {
		host, ok := v.Text("host")
		if !ok {
			return netip.Addr{}, nil
		}
		q := question{"ip", host}
		switch v.Lower("host_family") {
		case "ipv4":
			q.network = "ip4"
		case "ipv6":
			q.network = "ip6"
		}
		if a, ok := known[q]; ok {
			return a, nil
		}
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		list, err := p.gw.Engine().LookupHost(ctx, h.Host.SessionID(), q.network, host)
		if err != nil || len(list) == 0 {
			return netip.Addr{}, errorf(errInvalidElement, "Could not resolve address (%s)", host)
		}
		known[q] = list[0]
		for _, a := range list { // IPv4 first, which every receiver has
			if a.Unmap().Is4() {
				known[q] = a.Unmap()
				break
			}
		}
		return known[q], nil
	}
}

// destinationOf reads where a request wants media to be sent, and prepares the
// engine for that. Names are looked up only for those who may forward.
func (p *Plugin) destinationOf(body kit.Args, find resolver) (d destination, err *schema.Error) {
	if d.key, err = keyOf(body); err != nil {
		return d, err
	}
	if _, err = p.forwardRequest(body, func(r *room) (kit.Response, *schema.Error) {
		_, err := r.feed(body)
		return kit.Response{}, err
	}); err != nil {
		return d, err
	}
	if d.addr, err = find(body); err != nil {
		return d, err
	}
	if bad := p.gw.Engine().PrepareForward(); bad != nil {
		return d, errorf(errUnknown, "%v", bad)
	}
	return d, nil
}

// keyOf reads the SRTP key of a request, nil if it has none.
func keyOf(body kit.Args) (*sfu.SRTPKey, *schema.Error) {
	suite, _ := body.Number("srtp_suite")
	crypto, ok := body.Text("srtp_crypto")
	if !ok {
		return nil, nil
	}
	key, err := sfu.NewSRTPKey(int(suite), crypto)
	if err != nil {
		return nil, errorf(errInvalidElement, "Invalid element (srtp_crypto: %v)", err)
	}
	return key, nil
}

// portOf reads a port; 0 if it is absent.
func portOf(body kit.Args, name string) (uint16, *schema.Error) {
	n, _ := body.Number(name)
	if n < 0 || n > 65535 {
		return 0, errorf(errInvalidElement, "Invalid element (%s should be a port)", name)
	}
	return uint16(n), nil
}

// format reads payload type and SSRC of a forwarder.
func (x *forwarding) format(body kit.Args, pt, ssrc string) *schema.Error {
	n, _ := body.Number(pt)
	m, _ := body.Number(ssrc)
	if n < 0 || n > 127 || m < 0 || m > 1<<32-1 {
		return errorf(errInvalidElement, "Invalid element (%s or %s)", pt, ssrc)
	}
	x.pt, x.ssrc = uint8(n), uint32(m)
	return nil
}

// numEncodings is how many substreams a stream may have.
const numEncodings = media.MaxEncodings
