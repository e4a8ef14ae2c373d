package videoroom

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/sdp"
)

// Everything here needs room.mu.

// writeName writes the display name and metadata that a participant has.
func (p *publisher) writeName(w *json.Writer) {
	w.OptStr("display", p.display)
	w.OptRaw("metadata", p.metadata)
}

// writeIdentity writes who a participant is.
func (p *publisher) writeIdentity(w *json.Writer) {
	p.room.plugin.ids.Write(w, "id", p.id)
	p.writeName(w)
}

// writePublisher writes an entry of a list of publishers; full is the shape for
// those who join.
func (p *publisher) writePublisher(w *json.Writer, full bool) {
	w.Object("")
	p.writeIdentity(w)
	if full {
		w.OptTrue("dummy", p.dummy)
	}
	w.OptStr("audio_codec", p.codec(sdp.Audio))
	w.OptStr("video_codec", p.codec(sdp.Video))
	json.Objects(w, "streams", p.streams, func(s *stream) { s.write(w, full) })
	if full && p.hasLevels() {
		w.Bool("talking", p.talking)
	}
	w.End()
}

// codec is that of the first stream of a kind that is in use.
func (p *publisher) codec(k sdp.Kind) string {
	if s := p.first(k); s != nil {
		return s.Codec
	}
	return ""
}

// hasLevels reports whether audio levels come with the audio.
func (p *publisher) hasLevels() bool { return slices.ContainsFunc(p.streams, (*stream).measured) }

// measured reports whether audio levels come with the stream.
func (s *stream) measured() bool {
	return s.kind == sdp.Audio && !s.disabled && s.audioLevelExt != 0
}

// write writes a stream as other participants see it.
func (s *stream) write(w *json.Writer, talking bool) {
	if !s.writeFormat(w) {
		return
	}
	w.OptTrue("moderated", s.moderated)
	if talking && s.measured() {
		w.Bool("talking", s.talking)
	}
}

// writeFormat writes the identity and format of the stream; false if it has none.
func (s *stream) writeFormat(w *json.Writer) bool {
	s.writePlace(w)
	if s.disabled {
		w.Bool("disabled", true)
		return false
	}
	w.OptStr("description", s.description)
	s.Format.Write(w)
	return true
}

func (s *stream) writePlace(w *json.Writer) {
	w.Str("type", plugin.KindName(s.kind))
	w.Int("mindex", int64(s.mindex))
	w.Str("mid", s.mid)
}

// writeOwn writes a stream as its publisher sees it.
func (s *stream) writeOwn(w *json.Writer) {
	if !s.writeFormat(w) {
		return
	}
	w.OptUint("audiolevel_ext_id", uint64(s.audioLevelExt))
	w.OptUint("videoorient_ext_id", uint64(s.orientationExt))
	w.OptUint("playoutdelay_ext_id", uint64(s.delayExt))
}

// query writes the part of plugin_specific that is about a participant.
func (p *publisher) query(w *json.Writer) {
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	w.Str("type", "publisher")
	if p.gone {
		return
	}
	r.writeRoom(w)
	r.plugin.ids.Write(w, "id", p.id)
	w.Uint("private_id", uint64(p.privateID))
	p.writeName(w)
	w.Uint("bitrate", p.bitrate)
	w.OptTrue("e2ee", p.e2ee)
	json.Objects(w, "streams", p.streams, func(s *stream) { s.query(w) })
}

// seat is the participant's place in the room.
func (p *publisher) seat() plugin.Seat {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if p.gone {
		return plugin.Seat{}
	}
	s := p.room.seat("participant", p)
	if p.publishing() {
		s.Role = "publisher"
	}
	return s
}

// seat is a place in the room, of somebody if that is known.
func (r *room) seat(role string, who *publisher) plugin.Seat {
	s := plugin.Seat{Kind: plugin.InRoom, ID: r.id, Role: role}
	if who != nil {
		s.User, s.Name = who.id, who.display
	}
	return s
}

// Title is the display title of the room.
func (r *room) Title() string { return r.description }

func (s *stream) query(w *json.Writer) {
	s.writePlace(w)
	w.OptTrue("disabled", s.disabled)
	w.OptStr("description", s.description)
	s.WriteCodec(w)
	s.delay.Write(w)
	s.WriteLayering(w)
	w.OptStr("recording", s.publisher.recordings.File(s.mindex))
	w.OptTrue("moderated", s.moderated)
	if s.measured() {
		w.Float("audio-level-dBov", s.level)
		w.Bool("talking", s.talking)
	}
	w.Int("subscribers", int64(len(s.lines)))
}

// notifyStreams informs the event handlers of what p publishes.
func (p *publisher) notifyStreams(name string) {
	p.room.notify(p.h, name, func(w *json.Writer) {
		p.writeIdentity(w)
		json.Objects(w, "streams", p.streams, func(s *stream) {
			s.writePlace(w)
			w.OptTrue("disabled", s.disabled)
			w.OptStr("description", s.description)
			s.Format.Write(w)
			w.OptTrue("moderated", s.moderated)
		})
	})
}
