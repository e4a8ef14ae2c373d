package streaming

import (
	"strings"

	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu/media"
)

// mediaFormat is what the media of a stream is.
type mediaFormat struct {
	pt       uint8
	codec    string // sdp.Codec.ID, "" if no viewer is offered the stream
	channels int    // 0 = the codec's
	fmtp     string

	// One of both says what it is.
	codecName string // in lower case
	rtpmap    string
}

const (
	videoClock = 90000 // Hz
	maxFmtp    = 4096  // bytes, as in descriptions
)

// readFormat takes over what says what the media of a stream is.
func (st *streamSettings) readFormat(src kit.Source, name func(string) string) *schema.Error {
	codec, named := src.Text(name("codec"))
	rtpmap, mapped := src.Text(name("rtpmap"))
	known := false
	var c sdp.Codec
	switch {
	case named:
		st.codecName = strings.ToLower(codec)
		c, known = sdp.LookupCodec(st.codecName)
		known = known && st.codecName != sdp.DTMF
		if st.codecName != sdp.RED {
			st.codec = c.ID()
		}
	case mapped:
		c, known = parseRTPMap(rtpmap)
		codec, st.rtpmap = rtpmap, c.RTPMap()
		st.setCodec(&c)
	default:
		return errorf(errCantCreate, "Can't add 'rtp' stream, missing codec (%s)", name("codec"))
	}
	switch {
	case !known:
		return errorf(errCantCreate, "Can't add 'rtp' stream, unknown codec '%s'", codec)
	case st.codec != "" && (c.Clock == videoClock) != (st.kind == sdp.Video):
		return errorf(errCantCreate, "Can't add 'rtp' stream, the codec '%s' is not one of %s", codec, kindName(st.kind))
	}
	return nil
}

// setCodec takes over a codec, if viewers can be offered it.
func (f *mediaFormat) setCodec(c *sdp.Codec) {
	f.codec, f.channels = c.ID(), 0
	switch f.codec {
	case sdp.RED, sdp.DTMF:
		f.codec = ""
	case sdp.Multiopus:
		f.channels = c.Channels
	}
}

// parseRTPMap reads the value of an rtpmap attribute; ok is false if there is no
// codec with that encoding name. What it does not say is as the codec has it.
func parseRTPMap(text string) (c sdp.Codec, ok bool) {
	text = strings.TrimSpace(text)
	if c, ok := sdp.LookupCodec(text); ok {
		return c, text != sdp.DTMF
	}
	c, ok = sdp.ParseRTPMap(text)
	if !ok || c.Clock == 0 {
		return c, false
	}
	for _, list := range [][]string{sdp.DefaultAudioCodecs, sdp.DefaultVideoCodecs} {
		for _, id := range list {
			if k, _ := sdp.LookupCodec(id); strings.EqualFold(k.Name, c.Name) {
				return c, true
			}
		}
	}
	return c, false
}

// checkFmtp refuses format parameters that cannot stand in a description.
func checkFmtp(fmtp string) *schema.Error {
	if len(fmtp) > maxFmtp || strings.ContainsAny(fmtp, "\r\n") {
		return errorf(errCantCreate, "Invalid value (fmtp should be one line of at most %d characters)", maxFmtp)
	}
	return nil
}

// described is the codec as descriptions have it; ok is false if it is not offered.
func (f *mediaFormat) described() (c sdp.Codec, ok bool) {
	c, ok = sdp.LookupCodec(f.codec)
	if f.channels != 0 {
		c.Channels = f.channels
	}
	return c, ok
}

// suits tells whether an offered section has the format.
func (f *mediaFormat) suits(s *sdp.Section) bool {
	c, ok := s.FindCodec(f.codec, "")
	return ok && (f.channels == 0 || f.channels == c.Channels)
}

// mediaCodec is the codec as the engine has it.
func (st *streamSettings) mediaCodec() media.Codec {
	c, ok := st.described()
	if !ok {
		c, _ = sdp.ParseRTPMap(st.rtpmap)
		c.Name = ""
	}
	if c.Clock == 0 {
		c.Clock = 48000
		if st.kind == sdp.Video {
			c.Clock = videoClock
		}
	}
	return media.Codec{Name: media.ParseCodecName(c.Name), PayloadType: st.pt, ClockRate: uint32(c.Clock)}
}
