package gateway

import (
	"errors"
	"slices"
	"strings"

	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// Protocols of the far end's media (RFC 3551, RFC 3711).
const (
	protoPlain  = "RTP/AVP"
	protoSecure = "RTP/SAVP"
)

// isSecure reports whether a protocol is one of SRTP, with or without feedback (RFC 5124).
func isSecure(proto string) bool { return strings.HasPrefix(proto, protoSecure) }

// secured is a protocol of the far end's with or without SRTP, and with feedback where it has that.
func secured(proto string, secure bool) string {
	p := protoPlain
	if secure {
		p = protoSecure
	}
	if strings.HasSuffix(proto, "F") {
		p += "F"
	}
	return p
}

// numKinds is how many kinds of media a leg has: audio and video, one section of each.
const numKinds = 2

// sections are those with the media of a leg, by sdp.Kind; -1 = none.
type sections [numKinds]int

var none = sections{-1, -1}

// has reports whether a section of a description, with its index, is one of them.
func (at sections) has(s *sdp.Section, i int) bool { return s.Kind < numKinds && at[s.Kind] == i }

// firsts are the first sections of each kind that none of the descriptions rejects.
func firsts(list ...*sdp.Description) sections {
	at := none
	for i := range list[0].Sections {
		kind := list[0].Sections[i].Kind
		if kind >= numKinds || at[kind] >= 0 {
			continue
		}
		if !slices.ContainsFunc(list, func(d *sdp.Description) bool { return !usable(d, i, kind) }) {
			at[kind] = i
		}
	}
	return at
}

// usable reports whether a section of a description may have media of a kind.
func usable(d *sdp.Description, i int, kind sdp.Kind) bool {
	if i >= len(d.Sections) {
		return false
	}
	s := &d.Sections[i]
	return s.Kind == kind && !s.Rejected() && len(s.Codecs) > 0
}

// restrict rejects the sections of a far end's description that nothing can be done with: those of another
// protocol, and further ones of a kind.
func restrict(d *sdp.Description) {
	for i := range d.Sections {
		if s := &d.Sections[i]; strings.TrimSuffix(s.Proto, "F") != protoPlain && strings.TrimSuffix(s.Proto, "F") != protoSecure {
			s.Port = 0
		}
	}
	at := firsts(d)
	for i := range d.Sections {
		if s := &d.Sections[i]; !at.has(s, i) {
			s.Port = 0
		}
	}
}

// dropped are attributes of browsers that mean nothing to the far end, wherever they stand.
var dropped = []string{
	"crypto", "mid", "msid", "msid-semantic", "bundle-only", "extmap-allow-mixed", "group", "connection", "candidate", "remote-candidates",
	"rtcp", "rtcp-mux", "rtcp-mux-only", "rtcp-rsize", "ssrc", "ssrc-group", "rid", "simulcast",
}

// relayed are the header extensions that both sides may have.
var relayed = []string{sdp.URIAudioLevel, sdp.URIVideoOrientation}

// plainSection is a browser's section for the far end, without port, address and keys. The server
// answers for everything that belongs to one side only: retransmissions, feedback but requests for key frames,
// most header extensions.
func plainSection(s *sdp.Section) sdp.Section {
	p := sdp.Section{Kind: s.Kind, Direction: s.Direction, Bandwidth: s.Bandwidth, Attributes: withoutKeys(s.Attributes, dropped)}
	for _, c := range s.Codecs {
		pli := c.HasFeedback(sdp.FeedbackPLI)
		c.RTX, c.Feedback = 0, nil
		if pli {
			c.Feedback = []string{sdp.FeedbackPLI}
		}
		p.Codecs = append(p.Codecs, c)
	}
	for _, e := range s.Extensions {
		if slices.Contains(relayed, e.URI) {
			p.Extensions = append(p.Extensions, e)
		}
	}
	return p
}

func withoutKeys(list []sdp.Attribute, keys []string) []sdp.Attribute {
	return slices.DeleteFunc(slices.Clone(list), func(a sdp.Attribute) bool { return slices.Contains(keys, a.Key) })
}

// refused is a section that the far end is not to have, with the protocol and the formats that go
// with it.
func refused(s *sdp.Section, proto string) sdp.Section {
	return sdp.Section{Kind: s.Kind, Media: s.Media, Proto: proto, Formats: s.Formats}
}

// shortened leaves the first payload type of each codec.
func shortened(codecs []sdp.Codec) (list []sdp.Codec) {
	for _, c := range codecs {
		same := func(x sdp.Codec) bool { return strings.EqualFold(x.Name, c.Name) && x.Clock == c.Clock }
		if c.Name == "" || !slices.ContainsFunc(list, same) {
			list = append(list, c)
		}
	}
	return list
}

// agreed are the codecs of an answer, in its order, that the offer has under the same payload types.
func agreed(answer, offer *sdp.Section) (list []sdp.Codec) {
	for _, c := range answer.Codecs {
		if o := offer.Codec(c.PT); o != nil && strings.EqualFold(o.Name, c.Name) && o.Clock == c.Clock {
			list = append(list, c)
		}
	}
	return list
}

// engineCodecs are codecs as the engine has them.
func engineCodecs(codecs []sdp.Codec) (list []media.Codec) {
	for _, c := range codecs {
		list = append(list, media.Codec{Name: media.ParseCodecName(c.Name), PayloadType: c.PT, ClockRate: uint32(c.Clock)})
	}
	return list
}

// agreedExtensions are the ids of header extensions that both descriptions have.
func agreedExtensions(a, b *sdp.Section) (ids media.ExtensionIDs) {
	both := func(uri string) uint8 {
		if id := a.ExtensionID(uri); id == b.ExtensionID(uri) {
			return id
		}
		return 0
	}
	ids.AudioLevel, ids.VideoOrientation = both(sdp.URIAudioLevel), both(sdp.URIVideoOrientation)
	return ids
}

// takesPLI reports whether a far end takes requests for key frames.
func takesPLI(s *sdp.Section) bool {
	return slices.ContainsFunc(s.Codecs, func(c sdp.Codec) bool { return c.HasFeedback(sdp.FeedbackPLI) })
}

// key is an SRTP key as a description has it.
type key struct {
	tag int
	*sfu.SRTPKey
}

// srtp is the key for the engine, nil if k is.
func (k *key) srtp() *sfu.SRTPKey {
	if k == nil {
		return nil
	}
	return k.SRTPKey
}

// attribute is the line with a key; k is not nil.
func (k *key) attribute() sdp.Attribute {
	return sdp.Attribute{Key: "crypto", Value: sdp.Crypto{Tag: k.tag, Suite: sfu.SuiteName(k.Profile), Key: k.Inline()}.String()}
}

// makeKey makes a key of a suite, or takes the one before if that is of it: as long as a key lives
// the numbers of its packets continue.
func makeKey(tag int, suite sfu.SRTPProfile, before *key) *key {
	if before != nil && before.Profile == suite {
		return &key{tag, before.SRTPKey}
	}
	return &key{tag, sfu.RandomSRTPKey(suite)}
}

// offeredKey is the first key of a section that can be used, nil if there is none. why describes the
// faults of the others.
func offeredKey(s *sdp.Section) (k *key, why string) {
	return findKey(s, func(int, sfu.SRTPProfile) bool { return true })
}

// answeredKey finds the key that answers ours, nil if there is none: it has the same tag and suite
// (RFC 4568, 5.1.2). ours may be nil.
func answeredKey(ours *key) func(s *sdp.Section) (k *key, why string) {
	return func(s *sdp.Section) (*key, string) {
		return findKey(s, func(tag int, suite sfu.SRTPProfile) bool {
			return ours != nil && tag == ours.tag && suite == ours.Profile
		})
	}
}

func findKey(s *sdp.Section, wanted func(tag int, suite sfu.SRTPProfile) bool) (k *key, why string) {
	for _, a := range s.Attributes {
		if a.Key != "crypto" {
			continue
		}
		c, err := sdp.ParseCrypto(a.Value)
		if err != nil {
			why = err.Error()
			continue
		}
		suite, known := sfu.SRTPSuite(c.Suite)
		if !known || !wanted(c.Tag, suite) {
			why = "no suite and tag that fit"
			continue
		}
		srtp, err := readKey(suite, c.Key)
		if err != nil {
			why = err.Error()
			continue
		}
		return &key{c.Tag, srtp}, ""
	}
	return nil, why
}

var errKeyLength = errors.New("the key has another length than its suite asks for")

// readKey reads a key of exactly the length that its suite asks for. Padding may be missing.
func readKey(suite sfu.SRTPProfile, inline string) (*sfu.SRTPKey, error) {
	inline = strings.TrimRight(inline, "=")
	if len(inline) > maxKey {
		return nil, errKeyLength
	}
	inline += strings.Repeat("=", -len(inline)&3)
	k, err := sfu.ParseSRTPKey(suite, inline)
	if err == nil && len(k.Inline()) != len(inline) {
		return nil, errKeyLength
	}
	return k, err
}

// maxKey is the length of the longest key, as base64: 32 bytes and 12 of salt.
const maxKey = 60
