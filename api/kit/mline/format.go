package mline

import (
	"strings"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/sdp"
)

// Format describes the media of a stream to its receivers.
type Format struct {
	Codec string // sdp.Codec.ID, "" if none

	FEC, DTX, Stereo        bool // of opus
	H264Profile, VP9Profile string
	Layering                Layering

	fmtp     string // as agreed on; of multiopus as offered, which says which channel is which
	channels int    // of multiopus, 0 = not known
}

// NewFormat is that of a codec with its parameters.
func NewFormat(codec string, c *sdp.Codec) Format {
	f := Format{Codec: codec}
	is := func(name string) bool {
		v, _ := c.Parameter(name)
		return v == "1"
	}
	switch codec {
	case sdp.Opus:
		f.FEC, f.DTX, f.Stereo = is("useinbandfec"), is("usedtx"), is("stereo")
	case sdp.H264:
		f.H264Profile, _ = c.Parameter("profile-level-id")
	case sdp.VP9:
		f.VP9Profile, _ = c.Parameter("profile-id")
	}
	return f
}

// Agreed is the format that an answer settles for a section of an offer; false if it
// settles none.
func Agreed(answer *sdp.Description, offer *plugin.JSEP, section int) (f Format, ok bool) {
	a := &answer.Sections[section]
	if len(a.Codecs) == 0 {
		return f, false
	}
	f = NewFormat(a.Codecs[0].ID(), &a.Codecs[0])
	f.fmtp = a.Codecs[0].Fmtp
	if c := offer.SDP.Sections[section].Codec(a.Codecs[0].PT); c != nil && f.Codec == sdp.Multiopus {
		f.fmtp, f.channels = c.Fmtp, c.Channels
	}
	if a.Kind == sdp.Video {
		f.Layering = LayeringIn(offer, section, f.Codec)
	}
	return f, true
}

// Fmtp is the parameters that were agreed on, "" if none or nothing was.
func (f *Format) Fmtp() string { return f.fmtp }

// Profile is that of the codec, "" = any.
func (f *Format) Profile() string { return f.H264Profile + f.VP9Profile } // it has one of them at most

// OfferCodec sets what a section offers to one codec; opus in RED is red.
func OfferCodec(o *sdp.OfferSection, codec, profile string) {
	o.Codec, o.Profile = codec, profile
	if codec == sdp.RED {
		c, _ := sdp.LookupCodec(sdp.RED)
		o.Codec, o.RED = sdp.Opus, c.PT
	}
}

// OfferParameters adds the parameters of the codec that a section offers.
func (f *Format) OfferParameters(o *sdp.OfferSection) {
	switch o.Codec {
	case sdp.Opus:
		var list []string
		for _, p := range []struct {
			on   bool
			text string
		}{{f.FEC, "useinbandfec=1"}, {f.DTX, "usedtx=1"}, {f.Stereo, "stereo=1"}} {
			if p.on {
				list = append(list, p.text)
			}
		}
		o.Fmtp = strings.Join(list, ";")
	case sdp.Multiopus:
		o.Fmtp, o.Channels = f.fmtp, f.channels
	}
}

// Write writes the known fields.
func (f *Format) Write(w *json.Writer) {
	w.OptStr("codec", f.Codec)
	w.OptTrue("stereo", f.Stereo)
	w.OptTrue("fec", f.FEC)
	w.OptTrue("dtx", f.DTX)
	w.OptStr("h264_profile", f.H264Profile)
	w.OptStr("vp9_profile", f.VP9Profile)
	f.WriteLayering(w)
}

// WriteCodec writes the codec and its profile, under the names that
// administrators and subscribers see.
func (f *Format) WriteCodec(w *json.Writer) {
	w.OptStr("codec", f.Codec)
	w.OptStr("h264-profile", f.H264Profile)
	w.OptStr("vp9-profile", f.VP9Profile)
}

// WriteLayering writes how the stream is layered.
func (f *Format) WriteLayering(w *json.Writer) {
	w.OptTrue("simulcast", f.Layering == Simulcast)
	w.OptTrue("svc", f.Layering == SVC)
}
