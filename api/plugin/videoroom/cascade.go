package videoroom

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu/media"
)

// cascadeSSRC is the SSRC by which the other server knows a stream.
func cascadeSSRC(mindex, encoding int) uint32 { return 1000 + 10*uint32(mindex) + uint32(encoding) }

// cascade makes every stream of a publisher's go to the other servers that he is
// published on. room.mu is held.
func (p *publisher) cascade() {
	for _, rem := range p.remotes {
		for _, s := range p.streams {
			if !s.disabled && len(p.forwarders.All(func(of forwarded) bool { return of == forwarded{s, rem} })) == 0 {
				s.forwardTo(rem)
			}
		}
	}
}

// forwardTo starts the forwarders for a remotization. room.mu is held.
func (s *stream) forwardTo(rem *remotization) {
	p := s.publisher
	log := p.room.plugin.Gateway.Logger()
	n := s.cascadeSize()
	if err := p.room.plugin.forwardRules().Limit(p.forwarders.Len() + n); err != nil {
		log.Warn("not forwarded to another server", "remote", rem.id, "error", err)
		return
	}
	for i := range n {
		d := rem.Destination
		d.SSRC, d.Encoding = cascadeSSRC(s.mindex, i), i
		if s.kind != sdp.Video {
			d.RTCPPort = 0
		}
		if _, err := s.forward(d, rem); err != nil {
			log.Warn("cannot forward to another server", "remote", rem.id, "error", err)
		}
	}
	s.requestKeyframe()
}

// cascadeSize is how many forwarders one more server takes. room.mu is held.
func (p *publisher) cascadeSize() (n int) {
	for _, s := range p.streams {
		n += s.cascadeSize()
	}
	return n
}

func (s *stream) cascadeSize() int {
	switch {
	case s.disabled:
		return 0
	case s.Layering == mline.Simulcast && s.kind == sdp.Video:
		return media.MaxEncodings
	}
	return 1
}

// publishRemotely sends all of a publisher's media to another server.
func (p *Plugin) publishRemotely(r *kit.Request, w *json.Writer) *schema.Error {
	rules, names := p.forwardRules(), transportNames
	names.Port, names.RTCPPort = "port", "rtcp_port"
	rem := &remotization{id: r.Body.Str("remote_id")}
	err := rules.Read(kit.FromRequest(r.Body), names, &rem.Destination)
	if err == nil && rem.Port == 0 {
		err = errorf(errInvalidElement, "Invalid element (port)")
	}
	if err == nil {
		err = p.prepareForward(r, &rem.Destination)
	}
	if err != nil {
		return err
	}
	return p.ofFeed(r.Body, func(feed *publisher) *schema.Error {
		switch {
		case feed.source != nil:
			return errorf(errInvalidElement, "Publisher %s is a remote one", feed.id)
		case feed.remote(rem.id) != nil:
			return errorf(errIDExists, "Remote publisher %s already exists", rem.id)
		}
		// Each remotization counts, too, for those who publish nothing yet.
		if err := rules.Limit(max(feed.forwarders.Len()+feed.cascadeSize(), len(feed.remotes)+1)); err != nil {
			return err
		}
		feed.remotes = append(feed.remotes, rem)
		if feed.up {
			feed.cascade()
		}
		feed.writeRemote(w)
		w.Str("remote_id", rem.id)
		return nil
	})
}

// writeRemote begins an answer about a publisher's remotizations.
func (p *publisher) writeRemote(w *json.Writer) {
	p.room.begin(w, "success")
	p.room.plugin.ids.Write(w, "id", p.id)
}

// remote finds a remotization, nil if there is none. room.mu is held.
func (p *publisher) remote(name string) *remotization {
	return kit.Find(p.remotes, func(rem *remotization) bool { return rem.id == name })
}

// unpublishRemotely ends a forwarder that publishRemotely began.
func (p *Plugin) unpublishRemotely(r *kit.Request, w *json.Writer) *schema.Error {
	return p.ofFeed(r.Body, func(feed *publisher) *schema.Error {
		name := r.Body.Str("remote_id")
		rem := feed.remote(name)
		if rem == nil {
			return errorf(errNoSuchFeed, "No such remote (%s)", name)
		}
		feed.remotes = slices.DeleteFunc(feed.remotes, func(x *remotization) bool { return x == rem })
		feed.forwarders.Stop(func(of forwarded) bool { return of.remote == rem })
		feed.writeRemote(w)
		return nil
	})
}

// listRemotes lists the servers to which a publisher's media goes.
func (p *Plugin) listRemotes(r *kit.Request, w *json.Writer) *schema.Error {
	return p.ofFeed(r.Body, func(feed *publisher) *schema.Error {
		feed.writeRemote(w)
		json.Objects(w, "list", feed.remotes, func(rem *remotization) {
			w.Str("remote_id", rem.id)
			w.Str("host", rem.Host.Name)
			w.Int("port", int64(rem.Port))
			w.OptUint("rtcp_port", uint64(rem.RTCPPort))
		})
		return nil
	})
}
