package sdp

import (
	"slices"
	"strings"
)

const anonymousAddress = "1.1.1.1"

// Anonymise gives a copy without the lines on one peer's transport and
// sources, as applications that relay descriptions to another peer need it.
// Retransmission and redundancy formats of video are gone too: they are agreed on
// with each peer separately.
func (d *Description) Anonymise() *Description {
	c := d.stripped()
	for i := range c.Sections {
		for j := range c.Sections[i].Codecs {
			c.Sections[i].Codecs[j].RTX = 0
		}
	}
	return c
}

// Anonymised is the text of Anonymise.
func (d *Description) Anonymised() string { return d.Anonymise().String() }

// stripped does the work of Anonymise, but keeps the retransmission formats.
func (d *Description) stripped() *Description {
	c := &Description{Type: d.Type, Origin: d.Origin, Name: d.Name, anonymous: true}
	c.Origin.Address, c.Origin.Family = anonymousAddress, "IP4"
	c.Attributes = without(d.Attributes, "group", "crypto", "connection")
	c.Sections = make([]Section, len(d.Sections))
	data := false
	for i := range d.Sections {
		s := &d.Sections[i]
		if !s.acceptable() || s.Kind == Application && data {
			r := rejected(s)
			r.Formats = s.formats()
			r.Address = anonymousAddress
			c.Sections[i] = r
			continue
		}
		data = data || s.Kind == Application
		c.Sections[i] = s.stripped()
	}
	return c
}

func (s *Section) stripped() Section {
	c := Section{
		Kind: s.Kind, MID: s.MID, Port: 9, Proto: s.Proto, Address: anonymousAddress,
		Direction: s.Direction, Formats: slices.Clone(s.Formats), Stream: s.Stream, Track: s.Track,
		Data: s.Data, Bandwidth: s.Bandwidth, fmtpFirst: s.fmtpFirst,
		Attributes: without(s.Attributes, "crypto", "connection", "group", "msid-semantic"),
	}
	for _, codec := range s.Codecs {
		if isVideoRedundancy(&codec) {
			continue
		}
		codec.Feedback = slices.Clone(codec.Feedback)
		c.Codecs = append(c.Codecs, codec)
	}
	for _, e := range s.Extensions {
		if !strings.Contains(e.URI, uriEncrypted) {
			c.Extensions = append(c.Extensions, e)
		}
	}
	return c
}

// isVideoRedundancy reports formats that are never agreed on for video
// (RFC 5109, RFC 8627).
func isVideoRedundancy(c *Codec) bool {
	switch strings.ToLower(c.Name) {
	case "red", "ulpfec", "flexfec-03":
		return c.Clock == videoClock
	}
	return false
}

// without copies the list except for some keys and for ICE attributes.
func without(list []Attribute, keys ...string) []Attribute {
	var kept []Attribute
	for _, a := range list {
		if slices.Contains(keys, a.Key) || strings.HasPrefix(a.Key, "ice-") || strings.Contains(a.Value, uriEncrypted) {
			continue
		}
		kept = append(kept, a)
	}
	return kept
}
