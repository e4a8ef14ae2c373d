package videoroom

import (
	"bifrons/api/json"
	"bifrons/sdp"
)

// writeStreams writes the list of m-lines. room.mu is held.
func (s *subscriber) writeStreams(w *json.Writer) {
	json.Objects(w, "streams", s.lines, func(l *line) { l.write(w) })
}

func (l *line) write(w *json.Writer) {
	w.Str("type", kindName(l.kind))
	w.Bool("active", l.active())
	w.Int("mindex", int64(l.index))
	w.Str("mid", l.mid)
	w.OptStr("crossrefid", l.crossref)
	w.Bool("ready", l.ready)
	w.Bool("send", l.send)
	switch {
	case l.kind == sdp.Application:
		l.writeSources(w)
	case l.active():
		l.writeFeed(w, l.stream())
	}
}

// writeSources writes whose messages go to the data channels.
func (l *line) writeSources(w *json.Writer) {
	if len(l.sources) == 0 {
		return
	}
	w.Int("sources", int64(len(l.sources)))
	w.Array("source_ids")
	for _, x := range l.sources {
		l.sub.room.plugin.ids.Write(w, "", x.publisher.id)
	}
	w.EndArray()
}

func (l *line) writeFeed(w *json.Writer, st *stream) {
	p := st.publisher
	l.sub.room.plugin.ids.Write(w, "feed_id", p.id)
	w.OptStr("feed_display", p.display)
	if p.metadata != nil {
		w.Raw("feed_metadata", p.metadata)
	}
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
