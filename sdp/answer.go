package sdp

import (
	"slices"
	"strings"
)

// AnswerOptions say how an application answers an offer.
type AnswerOptions struct {
	Name string // s= line, "" for the offer's

	// Choose is asked once for each section that could be accepted, in order. Nil
	// accepts everything with defaults.
	Choose func(i int, s *Section) SectionChoice
}

// SectionChoice is an application's choice for one offered section. The zero
// value accepts it with the default codec order, both directions and no extensions.
type SectionChoice struct {
	Reject          bool
	Codecs          []string  // preference by Codec.ID, nil for the default order
	Profile         string    // VP9 profile-id or H.264 profile-level-id to look for first
	ProfileRequired bool      // nothing but Profile will do
	NoSend          bool      // never send, whatever the offer allows
	NoReceive       bool      // never receive
	Extensions      []string  // accepted extension URIs
	Feedback        []string  // RTCP feedback of the codec, nil for the usual one
	OpusRED         bool      // accept RED around Opus (RFC 2198)
	DTMF            bool      // accept telephone-event/8000 (RFC 4733)
	AudioParams     []string  // "useinbandfec=1", ...: repeated if any offered codec has them
	Fmtp            string    // the codec's parameters, where they may answer the offered ones
	Stream, Track   string    // msid, "" for the default
	Bandwidth       Bandwidth // b= line
}

// Answer makes an application's answer: one section for each offered one, with one
// codec and no transport attributes. A section with nothing to agree on is
// rejected. The direction mirrors the offer's.
func Answer(offer *Description, o AnswerOptions) *Description {
	d := &Description{
		Type:      TypeAnswer,
		Origin:    offer.Origin,
		Name:      or(o.Name, offer.Name),
		Sections:  make([]Section, len(offer.Sections)),
		anonymous: true,
	}
	d.Origin.Username = "-"
	data := false
	for i := range offer.Sections {
		s := &offer.Sections[i]
		if !s.acceptable() || s.Kind == Application && data {
			d.Sections[i] = rejected(s)
			continue
		}
		var c SectionChoice
		if o.Choose != nil {
			c = o.Choose(i, s)
		}
		d.Sections[i] = answerSection(s, &c)
		if s.Kind == Application && !d.Sections[i].Rejected() {
			data = true
		}
	}
	return d
}

// acceptable reports whether the section is in use and of a kind and a protocol
// that can be answered.
func (s *Section) acceptable() bool {
	switch {
	case s.Rejected():
		return false
	case s.Kind == Audio || s.Kind == Video:
		return strings.Contains(s.Proto, "RTP/")
	case s.Kind == Application:
		return s.Data != DataNone
	}
	return false
}

// rejected is a section's rejection (RFC 3264, 6).
func rejected(s *Section) Section {
	r := Section{Kind: s.Kind, Media: s.Media, MID: s.MID, Proto: s.Proto, Formats: []string{"0"}}
	if s.Kind == Application || s.Kind == Other {
		r.Formats = s.Formats
	}
	return r
}

func answerSection(s *Section, c *SectionChoice) Section {
	if c.Reject {
		return rejected(s)
	}
	a := Section{Kind: s.Kind, MID: s.MID, Port: 9, Proto: s.Proto, Data: s.Data,
		Direction: s.Direction.Reverse(), Stream: c.Stream, Track: c.Track, Bandwidth: c.Bandwidth}
	if c.NoSend {
		a.Direction &^= SendOnly
	}
	if c.NoReceive {
		a.Direction &^= RecvOnly
	}
	if s.Kind == Application {
		a.Formats = s.Formats
		return a
	}
	codec, forced, ok := s.choose(c)
	if !ok {
		return rejected(s)
	}
	a.fmtpFirst = forced
	a.Extensions = s.accepted(c.Extensions, codec.ID())
	codec.Feedback = slices.Clone(c.Feedback)
	if c.Feedback == nil && s.Kind == Video {
		codec.Feedback = slices.Clone(videoFeedback)
	}
	if a.ExtensionID(URITransportCC) != 0 {
		codec.Feedback = append(codec.Feedback, FeedbackTransportCC)
	}
	if s.Kind == Audio {
		a.Codecs = s.answerAudio(codec, c)
		return a
	}
	if c.Fmtp != "" && (codec.ID() != H264 || codec.permitsH264(c.Fmtp)) {
		codec.Fmtp = c.Fmtp
	}
	a.Codecs = []Codec{codec}
	return a
}

// answerAudio gives the chosen codec its parameters and adds its companions.
func (s *Section) answerAudio(codec Codec, c *SectionChoice) []Codec {
	codec.RTX = 0
	switch {
	case c.Fmtp != "":
		codec.Fmtp = c.Fmtp
	case codec.ID() != Multiopus:
		codec.Fmtp = s.repeatParams(c.AudioParams)
	}
	codecs := []Codec{codec}
	if red, ok := s.FindCodec(RED, ""); ok && c.OpusRED && codec.ID() == Opus {
		pt := utoa(uint64(codec.PT))
		red.Fmtp, red.Feedback, red.RTX = pt+"/"+pt, nil, 0
		codecs = []Codec{red, codec}
	}
	if dtmf, ok := s.FindCodec(DTMF, ""); ok && c.DTMF {
		codecs = append(codecs, Codec{PT: dtmf.PT, Name: dtmf.Name, Clock: dtmf.Clock})
	}
	return codecs
}

// repeatParams keeps those of the wanted parameters that any offered codec has.
func (s *Section) repeatParams(wanted []string) string {
	var kept []string
	for _, w := range wanted {
		name, value, _ := strings.Cut(w, "=")
		for i := range s.Codecs {
			if v, ok := s.Codecs[i].Parameter(name); ok && v == value {
				kept = append(kept, w)
				break
			}
		}
	}
	return strings.Join(kept, ";")
}

// choose picks the codec to answer with. forced reports that its parameters were
// made from the wanted profile instead of being copied.
func (s *Section) choose(c *SectionChoice) (codec Codec, forced, ok bool) {
	order := c.Codecs
	if order == nil {
		order = DefaultAudioCodecs
		if s.Kind == Video {
			order = DefaultVideoCodecs
		}
	}
	for _, id := range order {
		id = strings.ToLower(id)
		if c.Profile != "" && (id == VP9 || id == H264) {
			if codec, ok = s.FindCodec(id, c.Profile); ok {
				codec.Fmtp = codec.profileAnswer(id, c.Profile)
				return codec, true, true
			}
			if c.ProfileRequired {
				continue
			}
		}
		if wanted, named := (&Codec{Fmtp: c.Fmtp}).Parameter("profile-level-id"); named && id == H264 {
			if codec, ok = s.FindCodec(id, wanted); ok {
				return codec, false, true
			}
		}
		if codec, ok = s.FindCodec(id, ""); ok {
			return codec, false, true
		}
	}
	return Codec{}, false, false
}

// profileAnswer is the parameters that accept a format for the sake of its profile.
func (c *Codec) profileAnswer(id, profile string) string {
	if id == H264 {
		return c.h264Answer(profile)
	}
	return profileFmtp(id, profile)
}

// profileFmtp is the parameters that ask for a profile.
func profileFmtp(id, profile string) string {
	if id == VP9 {
		return "profile-id=" + profile
	}
	return "profile-level-id=" + profile + ";packetization-mode=1"
}

// FindCodec finds the first format of a codec by its ID. With a profile, VP9 must
// have it as its profile-id (RFC 9628, 7: 0 if absent) and H.264 the profile of that
// profile-level-id (RFC 6184, 8.2.2). H.264 in packetization mode 1 goes before mode
// 0, and nothing else is found.
func (s *Section) FindCodec(id, profile string) (Codec, bool) {
	var best *Codec
	for i := range s.Codecs {
		c := &s.Codecs[i]
		if c.ID() != id || profile != "" && !c.hasProfile(id, profile) {
			continue
		}
		if id != H264 || c.h264Mode() == "1" {
			best = c
			break
		}
		if best == nil && c.h264Mode() == "0" {
			best = c
		}
	}
	if best == nil {
		return Codec{}, false
	}
	found := *best
	found.Feedback = slices.Clone(found.Feedback)
	return found, true
}

func (c *Codec) hasProfile(id, profile string) bool {
	switch id {
	case VP9:
		v, ok := c.Parameter("profile-id")
		return v == profile || !ok && profile == "0"
	case H264:
		return c.hasH264Profile(profile)
	}
	return true
}

// accepted keeps the offered extensions that the application accepts, with the
// offer's ids and mirrored directions (RFC 8285, 6).
func (s *Section) accepted(uris []string, codecID string) []Extension {
	var list []Extension
	for _, e := range s.Extensions {
		if !slices.Contains(uris, e.URI) {
			continue
		}
		if e.URI == URIDependencyDescriptor && codecID != AV1 && codecID != VP9 {
			continue
		}
		if slices.ContainsFunc(list, func(x Extension) bool { return x.URI == e.URI }) {
			continue
		}
		if e.HasDirection {
			e.Direction = e.Direction.Reverse()
		}
		list = append(list, e)
	}
	return list
}
