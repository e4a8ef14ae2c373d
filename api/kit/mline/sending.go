package mline

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// Sending has a client's settings for all that it sends.
type Sending struct {
	Audio, Video bool   // go on to others
	Bitrate      uint64 // cap in bit/s, 0 = none
}

// SendingFields are those of requests that set it.
var SendingFields = []schema.Field{
	{Name: "audio", Type: schema.Bool},
	{Name: "video", Type: schema.Bool},
	{Name: "bitrate", Type: schema.Uint},
}

// NewSending are the settings before a client says anything.
func NewSending() Sending { return Sending{Audio: true, Video: true} }

// Set applies the settings of a request.
func (s *Sending) Set(request kit.Args) {
	s.Audio, s.Video = request.FlagOr("audio", s.Audio), request.FlagOr("video", s.Video)
	if n, ok := request.Number("bitrate"); ok {
		s.Bitrate = uint64(n)
	}
}

// Mutes reports whether media of a kind is not passed on.
func (s *Sending) Mutes(k sdp.Kind) bool {
	if k == sdp.Video {
		return !s.Video
	}
	return !s.Audio
}

// Write writes the settings in force, with the codecs that are known.
func (s *Sending) Write(w *json.Writer, c Codecs) {
	w.Bool("audio_active", s.Audio)
	w.Bool("video_active", s.Video)
	w.OptStr("audio_codec", c.Audio)
	w.OptTrue("audio_red", c.RED)
	w.OptStr("video_codec", c.Video)
	w.Uint("bitrate", s.Bitrate)
}

// Codecs are the first ones of each kind in an answer, "" if there is none.
type Codecs struct {
	Audio, Video string // sdp.Codec.ID
	RED          bool   // around the audio (RFC 2198)
}

// Add takes over the codec of a section, which lists some, if it is the first of its kind.
func (c *Codecs) Add(s *sdp.Section) {
	switch main := s.Codecs[0].ID(); {
	case s.Kind == sdp.Video && c.Video == "":
		c.Video = main
	case s.Kind == sdp.Audio && c.Audio == "":
		c.Audio = main
		for i := range s.Codecs {
			if c.Audio != sdp.RED {
				break
			}
			c.RED, c.Audio = true, s.Codecs[i].ID()
		}
	}
}
