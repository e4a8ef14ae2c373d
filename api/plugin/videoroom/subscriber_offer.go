package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/sdp"
)

// offer makes the next offer, which covers everything that has changed. room.mu
// is held.
func (s *subscriber) offer() *plugin.JSEP {
	o := sdp.OfferOptions{Name: "VideoRoom " + s.room.id, Sections: make([]sdp.OfferSection, len(s.lines))}
	for i, l := range s.lines {
		o.Sections[i] = l.section()
		l.offered = l.active()
	}
	j := &plugin.JSEP{SDP: sdp.Offer(o), E2EE: s.e2ee, Restart: s.restart}
	s.answered, s.pending, s.restart, s.stale = false, false, false, false
	return j
}

// section is the offered section of an m-line. room.mu is held.
func (l *line) section() sdp.OfferSection {
	o := sdp.OfferSection{Kind: l.kind, MID: l.mid, Direction: sdp.SendOnly}
	if l.kind == sdp.Application {
		return o
	}
	st := l.stream()
	if st != nil && st.Codec != "" {
		l.codec, l.profile = st.Codec, st.Profile()
	}
	mline.OfferCodec(&o, l.codec, l.profile)
	o.Extensions = l.extensions()
	if !l.active() {
		o.Direction = sdp.Inactive
		return o
	}
	st.OfferParameters(&o)
	if l.sub.useMSID {
		o.Stream, o.Track = st.publisher.id, st.mid
	}
	return o
}

// extensions are the RTP header extensions to offer for an m-line. room.mu is
// held.
func (l *line) extensions() []sdp.Extension {
	var list []sdp.Extension
	offer := func(uri string, wanted bool) {
		if wanted {
			list = append(list, sdp.Extension{URI: uri})
		}
	}
	r, st, video := l.sub.room, l.stream(), l.kind == sdp.Video
	on := l.active()
	offer(sdp.URIMID, true)
	offer(sdp.URITransportCC, r.transportCC)
	offer(sdp.URIAbsSendTime, video)
	offer(sdp.URIAudioLevel, !video && on && st.audioLevelExt != 0)
	offer(sdp.URIPlayoutDelay, video && on && r.delayExt)
	offer(sdp.URIVideoOrientation, video && on && st.orientationExt != 0)
	return list
}

// answer takes a client's answer: accepted media is relayed from now on. room.mu is
// held.
func (s *subscriber) answer(d *sdp.Description) {
	if s.over {
		return
	}
	s.answered = true
	for i, l := range s.lines {
		l.ready = mline.Accepted(d, i) && (l.kind == sdp.Application || l.offered && l.stream() != nil)
	}
	s.sync()
}

// renegotiate sees to it that the client gets an offer by itself, before it
// hears from other handles of later changes. room.mu is held.
func (s *subscriber) renegotiate() {
	s.pending = true
	if !s.answered {
		return
	}
	place := s.h.Host.Reserve()
	s.h.Host.Run(func() {
		defer place.Release()
		s.flush()
	})
}

// flush sends the offer that is due, if there may be one now. It runs on the
// executor, without the lock.
func (s *subscriber) flush() {
	data, j := s.due()
	if j == nil {
		return
	}
	if err := s.h.Host.Push("", data, j); err != nil {
		s.room.plugin.Gateway.Logger().Debug("no offer", "handle", s.h.Host.HandleID(), "error", err)
	}
}

// due is the event that carries the offer which is due, if there may be one now.
func (s *subscriber) due() (data []byte, j *plugin.JSEP) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	if s.over || !s.answered || !s.pending {
		return nil, nil
	}
	data = s.room.event("updated", s.writeStreams)
	s.notifyUpdated()
	return data, s.offer()
}

func (s *subscriber) notifyUpdated() {
	s.room.notify(s.h, "updated", func(w *json.Writer) {
		s.writeStreams(w)
		w.Uint("private_id", uint64(s.privateID))
	})
}

// writeStreams writes the list of m-lines. room.mu is held.
func (s *subscriber) writeStreams(w *json.Writer) {
	json.Objects(w, "streams", s.lines, func(l *line) { l.write(w) })
}

func (l *line) write(w *json.Writer) {
	w.Str("type", plugin.KindName(l.kind))
	w.Bool("active", l.active())
	w.Int("mindex", int64(l.index))
	w.Str("mid", l.mid)
	w.OptStr("crossrefid", l.crossref)
	w.Bool("ready", l.ready)
	w.Bool("send", l.send)
	switch {
	case l.kind == sdp.Application && len(l.sources) > 0:
		w.Int("sources", int64(len(l.sources)))
		w.Array("source_ids")
		for _, st := range l.sources {
			l.sub.room.plugin.ids.Write(w, "", st.publisher.id)
		}
		w.EndArray()
	case l.kind != sdp.Application && l.active():
		l.writeFeed(w, l.stream())
	}
}

func (l *line) writeFeed(w *json.Writer, st *stream) {
	p := st.publisher
	l.sub.room.plugin.ids.Write(w, "feed_id", p.id)
	w.OptStr("feed_display", p.display)
	w.OptRaw("feed_metadata", p.metadata)
	w.Str("feed_mid", st.mid)
	w.OptStr("feed_description", st.description)
	st.WriteCodec(w)
	l.playoutDelay().Write(w)
	l.layers.Write(w, l.layering())
}

// query writes plugin_specific.
func (s *subscriber) query(w *json.Writer) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	w.Str("type", "subscriber")
	s.room.writeRoom(w)
	w.Uint("private_id", uint64(s.privateID))
	w.Bool("answered", s.answered)
	w.Bool("pending_offer", s.pending)
	w.Bool("pending_restart", s.restart)
	w.Bool("paused", s.paused)
	w.OptTrue("e2ee", s.e2ee)
	s.writeStreams(w)
}

// seat is the subscriber's place in the room.
func (s *subscriber) seat() plugin.Seat {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	return s.room.seat("subscriber", s.owner)
}
