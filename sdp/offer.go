package sdp

import (
	"cmp"
	"slices"
	"strings"
)

// OfferOptions describe an application's offer.
type OfferOptions struct {
	Name      string // s= line
	SessionID uint64 // of the o= line
	Version   uint64
	Sections  []OfferSection
}

// OfferSection is one section of an application's offer.
type OfferSection struct {
	Kind          Kind
	MID           string // "" lets Complete choose
	Direction     Direction
	Codec         string // Codec.ID; not for Application
	PT            uint8  // 0 for the codec's default
	Channels      int    // 0 for the codec's default
	Fmtp          string
	Profile       string // VP9 or H.264 profile, if Fmtp is ""; for H.264 DefaultH264Profile if it is none
	RED           uint8  // payload type of RED around the codec, listed first; 0 for none
	DTMF          bool
	Extensions    []Extension // ID 0 means DefaultExtensionID
	Feedback      []string    // nil for the usual one
	Stream, Track string      // msid, "" for the default
	Bandwidth     Bandwidth
	Rejected      bool
}

// Offer makes an application's offer: no transport attributes. A section without
// a known codec of its kind is offered as rejected, so that the others keep their places.
func Offer(o OfferOptions) *Description {
	d := &Description{
		Type:      TypeOffer,
		Origin:    Origin{Username: "-", SessionID: o.SessionID, Version: o.Version},
		Name:      o.Name,
		Sections:  make([]Section, len(o.Sections)),
		anonymous: true,
	}
	for i := range o.Sections {
		d.Sections[i] = offerSection(&o.Sections[i])
	}
	return d
}

func offerSection(o *OfferSection) Section {
	s := Section{Kind: o.Kind, MID: o.MID, Port: 9, Proto: protoRTP, Direction: o.Direction,
		Stream: o.Stream, Track: o.Track, Bandwidth: o.Bandwidth}
	if o.Kind == Application {
		s.Data, s.Proto, s.Formats = SCTPPort, protoDataUDP, []string{formatData}
		if o.Rejected {
			return rejected(&s)
		}
		return s
	}
	codec, ok := LookupCodec(o.Codec)
	if !ok || o.Rejected || (o.Kind == Video) != (codec.Clock == videoClock) {
		return rejected(&s)
	}
	if o.PT != 0 {
		codec.PT = o.PT
	}
	if o.Channels != 0 {
		codec.Channels = o.Channels
	}
	s.Extensions = offerExtensions(o.Extensions)
	codec.Fmtp = o.Fmtp
	switch id := strings.ToLower(o.Codec); {
	case codec.Fmtp != "":
	case id == H264:
		codec.Fmtp = profileFmtp(id, o.h264Profile())
	case id == VP9 && len(o.Profile) == 1 && o.Profile >= "0" && o.Profile <= "3": // RFC 9628, 7
		codec.Fmtp = profileFmtp(id, o.Profile)
	}
	codec.Feedback = slices.Clone(o.Feedback)
	if o.Feedback == nil && o.Kind == Video {
		codec.Feedback = slices.Clone(videoFeedback)
	}
	if s.ExtensionID(URITransportCC) != 0 {
		codec.Feedback = append(codec.Feedback, FeedbackTransportCC)
	}
	if o.RED != 0 {
		pt := utoa(uint64(codec.PT))
		s.Codecs = append(s.Codecs, Codec{PT: o.RED, Name: "red", Clock: 48000, Channels: 2, Fmtp: pt + "/" + pt})
	}
	s.Codecs = append(s.Codecs, codec)
	if o.DTMF {
		s.Codecs = append(s.Codecs, knownCodecs[DTMF])
	}
	return s
}

// h264Profile is the profile to offer: a damaged one would make browsers refuse all.
func (o *OfferSection) h264Profile() string {
	if _, _, ok := parseProfileLevel(o.Profile); ok {
		return o.Profile
	}
	return DefaultH264Profile
}

func offerExtensions(wanted []Extension) []Extension {
	var list []Extension
	for _, e := range wanted {
		if e.ID == 0 {
			e.ID = DefaultExtensionID(e.URI)
		}
		if e.ID != 0 {
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b Extension) int { return cmp.Compare(a.ID, b.ID) })
	return list
}
