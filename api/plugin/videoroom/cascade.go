package videoroom

import (
	"net/netip"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// remotization is a publisher's presence on another server: all of his streams
// go to one port there. It lasts as long as he is in the room, whatever he
// publishes. room.mu guards it.
type remotization struct {
	id   string
	host string // as it was given
	rtcp uint16 // 0 = none
	to   netip.AddrPort
	destination
}

// cascadeSSRC is the SSRC by which the other server knows a stream.
func cascadeSSRC(mindex, substream int) uint32 { return 1000 + 10*uint32(mindex) + uint32(substream) }

// cascade makes every stream of a publisher's go to the other servers that he is
// published on. room.mu is held.
func (p *publisher) cascade() {
	for _, rem := range p.remotes {
		for _, s := range p.streams {
			if !s.disabled && !s.goesTo(rem) {
				s.forwardTo(rem)
			}
		}
	}
}

// goesTo tells whether a stream has forwarders for a remotization.
func (s *stream) goesTo(rem *remotization) bool {
	for _, f := range s.forwarders {
		if f.remote == rem {
			return true
		}
	}
	return false
}

// forwardTo starts the forwarders for a remotization.
func (s *stream) forwardTo(rem *remotization) {
	log := s.publisher.room.plugin.gw.Logger()
	n := s.cascadeSize()
	if err := s.publisher.mayHave(n); err != nil {
		log.Warn("not forwarded to another server", "remote", rem.id, "error", err)
		return
	}
	for i := range n {
		x := forwarding{to: rem.to, ssrc: cascadeSSRC(s.mindex, i), substream: i, key: rem.key}
		if s.kind == sdp.Video {
			x.rtcp = rem.rtcp
		}
		if _, err := s.forward(x, rem); err != nil {
			log.Warn("cannot forward to another server", "remote", rem.id, "error", err)
		}
	}
	s.requestKeyframe()
}

// publishRemotely sends all of a publisher's media to another server.
func (p *Plugin) publishRemotely(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	err := checkTransport(r.Body)
	var port, rtcp uint16
	if err == nil {
		port, err = portOf(r.Body, "port")
	}
	if err == nil {
		rtcp, err = portOf(r.Body, "rtcp_port")
	}
	if err == nil && port == 0 {
		err = errorf(errInvalidElement, "Invalid element (port)")
	}
	if err != nil {
		return kit.Response{}, err
	}
	d, err := p.destinationOf(r.Body, p.resolver(h))
	if err != nil {
		return kit.Response{}, err
	}
	rem := &remotization{rtcp: rtcp, to: netip.AddrPortFrom(d.addr, port), destination: d}
	if err := (&forwarding{to: rem.to, rtcp: rtcp}).check(p); err != nil {
		return kit.Response{}, err
	}
	name := r.Body.Str("remote_id")
	host := r.Body.Str("host")
	return p.forwardRequest(r.Body, func(room *room) (kit.Response, *schema.Error) {
		feed, err := room.feed(r.Body)
		switch {
		case err != nil:
			return kit.Response{}, err
		case feed.source != nil:
			return fail(errInvalidElement, "Publisher %s is a remote one", feed.id)
		case feed.remote(name) != nil:
			return fail(errIDExists, "Remote publisher %s already exists", name)
		}
		if err := feed.mayHave(feed.cascadeSize()); err != nil {
			return kit.Response{}, err
		}
		if len(feed.remotes) >= p.general.forward.most { // who publishes nothing yet
			return kit.Response{}, p.tooMany()
		}
		rem.id, rem.host = name, host
		feed.remotes = append(feed.remotes, rem)
		if feed.up {
			feed.cascade()
		}
		w.Str("videoroom", "success")
		room.writeRoom(w)
		p.ids.Write(w, "id", feed.id)
		w.Str("remote_id", name)
		return kit.Response{}, nil
	})
}

// remote finds a remotization, nil if there is none. room.mu is held.
func (p *publisher) remote(name string) *remotization {
	for _, rem := range p.remotes {
		if rem.id == name {
			return rem
		}
	}
	return nil
}

// unpublishRemotely ends what publishRemotely began.
func (p *Plugin) unpublishRemotely(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	name := r.Body.Str("remote_id")
	return p.manage(r.Body, func(room *room) (kit.Response, *schema.Error) {
		feed, err := room.feed(r.Body)
		if err != nil {
			return kit.Response{}, err
		}
		rem := feed.remote(name)
		if rem == nil {
			return fail(errNoSuchFeed, "No such remote (%s)", name)
		}
		feed.stopRemotes(func(x *remotization) bool { return x == rem })
		w.Str("videoroom", "success")
		room.writeRoom(w)
		p.ids.Write(w, "id", feed.id)
		return kit.Response{}, nil
	})
}

// stopRemotes ends the remotizations that match. room.mu is held.
func (p *publisher) stopRemotes(match func(rem *remotization) bool) {
	var kept []*remotization
	for _, rem := range p.remotes {
		if !match(rem) {
			kept = append(kept, rem)
			continue
		}
		for _, s := range p.streams {
			s.stopForwarders(func(f *forwarder) bool { return f.remote == rem })
		}
	}
	p.remotes = kept
}

// listRemotes tells to which servers a publisher's media goes.
func (p *Plugin) listRemotes(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return p.manage(r.Body, func(room *room) (kit.Response, *schema.Error) {
		feed, err := room.feed(r.Body)
		if err != nil {
			return kit.Response{}, err
		}
		w.Str("videoroom", "success")
		room.writeRoom(w)
		p.ids.Write(w, "id", feed.id)
		w.Array("list")
		for _, rem := range feed.remotes {
			w.Object("")
			w.Str("remote_id", rem.id)
			w.Str("host", rem.host)
			w.Int("port", int64(rem.to.Port()))
			optUint(w, "rtcp_port", uint64(rem.rtcp))
			w.End()
		}
		w.EndArray()
		return kit.Response{}, nil
	})
}
