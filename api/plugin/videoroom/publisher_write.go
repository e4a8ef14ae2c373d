package videoroom

import (
	"bifrons/api/json"
	"bifrons/sdp"
)

// Everything here needs room.mu.

// writeName writes the display name and metadata that a participant has.
func (p *publisher) writeName(w *json.Writer) {
	w.OptStr("display", p.display)
	if p.metadata != nil {
		w.Raw("metadata", p.metadata)
	}
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
	w.Array("streams")
	for _, s := range p.streams {
		w.Object("")
		s.write(w, full)
		w.End()
	}
	w.EndArray()
	if full && p.hasLevels() {
		w.Bool("talking", p.talking)
	}
	w.End()
}

// codec is that of the first stream of a kind that is in use.
func (p *publisher) codec(k sdp.Kind) string {
	for _, s := range p.streams {
		if s.kind == k && !s.disabled {
			return s.codec
		}
	}
	return ""
}

// hasLevels tells whether audio levels come with the audio.
func (p *publisher) hasLevels() bool {
	for _, s := range p.streams {
		if s.measured() {
			return true
		}
	}
	return false
}

// measured tells whether audio levels come with the stream.
func (s *stream) measured() bool {
	return s.kind == sdp.Audio && !s.disabled && s.audioLevelExt != 0
}

// kindName is the kind of media as clients know it.
func kindName(k sdp.Kind) string {
	if k == sdp.Application {
		return "data"
	}
	return k.String()
}

// write writes a stream as other participants see it.
func (s *stream) write(w *json.Writer, talking bool) {
	s.writePlace(w)
	if s.disabled {
		w.Bool("disabled", true)
		return
	}
	w.OptStr("description", s.description)
	s.writeFormat(w)
	w.OptTrue("moderated", s.moderated)
	if talking && s.measured() {
		w.Bool("talking", s.talking)
	}
}

func (s *stream) writePlace(w *json.Writer) {
	w.Str("type", kindName(s.kind))
	w.Int("mindex", int64(s.mindex))
	w.Str("mid", s.mid)
}

func (s *stream) writeFormat(w *json.Writer) {
	w.OptStr("codec", s.codec)
	w.OptTrue("stereo", s.stereo)
	w.OptTrue("fec", s.fec)
	w.OptTrue("dtx", s.dtx)
	w.OptStr("h264_profile", s.h264Profile)
	w.OptStr("vp9_profile", s.vp9Profile)
	w.OptTrue("simulcast", s.simulcast)
	w.OptTrue("svc", s.svc)
}

// writeOwn writes a stream as its publisher sees it.
func (s *stream) writeOwn(w *json.Writer) {
	s.writePlace(w)
	if s.disabled {
		w.Bool("disabled", true)
		return
	}
	w.OptStr("description", s.description)
	s.writeFormat(w)
	optID(w, "audiolevel_ext_id", s.audioLevelExt)
	optID(w, "videoorient_ext_id", s.orientationExt)
	optID(w, "playoutdelay_ext_id", s.delayExt)
}

func optID(w *json.Writer, key string, n uint8) {
	if n != 0 {
		w.Int(key, int64(n))
	}
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
	w.Array("streams")
	for _, s := range p.streams {
		w.Object("")
		s.query(w)
		w.End()
	}
	w.EndArray()
}

func (s *stream) query(w *json.Writer) {
	s.writePlace(w)
	w.OptTrue("disabled", s.disabled)
	w.OptStr("description", s.description)
	w.OptStr("codec", s.codec)
	w.OptStr("h264-profile", s.h264Profile)
	w.OptStr("vp9-profile", s.vp9Profile)
	s.delay.Write(w)
	w.OptTrue("simulcast", s.simulcast)
	w.OptTrue("svc", s.svc)
	w.OptTrue("moderated", s.moderated)
	if s.measured() {
		w.Float("audio-level-dBov", s.level)
		w.Bool("talking", s.talking)
	}
	w.Int("subscribers", int64(len(s.lines)))
}
