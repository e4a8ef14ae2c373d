// Package format describes the media of a stream, and which of it viewers can be
// offered.
package format

import (
	"strings"

	"bifrons/sdp"
	"bifrons/sfu/media"
)

// Format is the format of the media of a stream: a codec, with its payload type and format
// parameters.
type Format struct {
	sdp.Codec
	ID string // sdp.Codec.ID, "" = viewers are not offered the stream

	anyChannels bool // their number was not said
}

const (
	videoClock = 90000 // Hz
	maxFmtp    = 4096  // bytes, as in descriptions
)

// Of is the format of a codec.
func Of(c sdp.Codec) Format {
	f := Format{Codec: c, ID: c.ID()}
	switch f.ID {
	case sdp.RED, sdp.DTMF:
		f.ID = ""
	case "":
	default:
		f.Codec, _ = sdp.LookupCodec(f.ID)
		f.PT, f.Fmtp = c.PT, c.Fmtp
		if f.ID == sdp.Multiopus {
			f.Channels = c.Channels
		}
	}
	return f
}

// Named is the format of a codec that applications name; false if there is none.
func Named(name string) (Format, bool) {
	c, ok := sdp.LookupCodec(name)
	f := Of(c)
	f.anyChannels = true
	return f, ok && f.Name != tones
}

// tones is an encoding name that no stream consists of (RFC 4733).
const tones = "telephone-event"

// Parse reads the value of an rtpmap attribute; false if there is no codec with that
// encoding name. Missing parameters have the values of the codec.
func Parse(rtpmap string) (Format, bool) {
	rtpmap = strings.TrimSpace(rtpmap)
	if c, ok := sdp.LookupCodec(rtpmap); ok {
		return Of(c), c.Name != tones
	}
	c, ok := sdp.ParseRTPMap(rtpmap)
	if !ok || c.Clock == 0 {
		return Format{}, false
	}
	for _, list := range [][]string{sdp.DefaultAudioCodecs, sdp.DefaultVideoCodecs} {
		for _, id := range list {
			if k, _ := sdp.LookupCodec(id); strings.EqualFold(k.Name, c.Name) {
				return Of(c), true
			}
		}
	}
	return Format{}, false
}

// Fits reports whether the format is one of a kind of media, as far as that is known.
func (f *Format) Fits(kind sdp.Kind) bool {
	return f.ID == "" || (f.Clock == videoClock) == (kind == sdp.Video)
}

// Same reports whether two streams can have one payload type in a description.
func (f *Format) Same(g *Format) bool { return f.ID == g.ID && f.Fmtp == g.Fmtp }

// Suits reports whether an offered section has the format.
func (f *Format) Suits(s *sdp.Section) bool {
	c, ok := s.FindCodec(f.ID, "")
	return ok && (f.ID != sdp.Multiopus || f.anyChannels || f.Channels == c.Channels)
}

// Media is the format as the engine has it, of a stream of that kind.
func (f *Format) Media(kind sdp.Kind) media.Codec {
	c := media.Codec{PayloadType: f.PT, ClockRate: uint32(f.Clock)}
	if f.ID != "" {
		c.Name = media.ParseCodecName(f.Name)
	}
	switch {
	case c.ClockRate != 0:
	case kind == sdp.Video:
		c.ClockRate = videoClock
	default:
		c.ClockRate = 48000
	}
	return c
}

// ValidFmtp reports whether format parameters can stand in a description.
func ValidFmtp(fmtp string) bool {
	return len(fmtp) <= maxFmtp && !strings.ContainsAny(fmtp, "\r\n")
}
