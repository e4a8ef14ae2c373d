package sdp

import (
	"slices"
	"strings"
)

// Negotiated is the agreement of both descriptions of a section.
type Negotiated struct {
	Kind       Kind
	MID        string
	Direction  Direction // as the server sees it
	Codecs     []Codec   // parameters as the peer gave them
	Extensions []Extension
	Data       DataFormat // the peer's, DataNone if there are no data channels
	MaxMessage uint64     // the peer's, see Section
}

// Negotiate intersects the server's and the peer's descriptions of section i, no
// matter who offered. ok is false if either lacks or rejects it.
func Negotiate(local, remote *Description, i int) (n Negotiated, ok bool) {
	l, r := local.section(i), remote.section(i)
	if l == nil || r == nil || l.Rejected() || r.Rejected() || l.Kind != r.Kind {
		return Negotiated{}, false
	}
	n = Negotiated{Kind: l.Kind, MID: l.MID, Direction: l.Direction.And(r.Direction.Reverse()), Data: r.Data, MaxMessage: r.MaxMessage}
	for _, c := range r.Codecs {
		own := l.Codec(c.PT)
		if own == nil || !strings.EqualFold(own.Name, c.Name) || own.Clock != c.Clock {
			continue
		}
		if own.RTX != c.RTX {
			c.RTX = 0
		}
		var feedback []string
		for _, fb := range c.Feedback {
			if own.HasFeedback(fb) && !slices.Contains(feedback, fb) {
				feedback = append(feedback, fb)
			}
		}
		c.Feedback = feedback
		n.Codecs = append(n.Codecs, c)
	}
	for _, e := range l.Extensions {
		if r.ExtensionID(e.URI) == e.ID {
			n.Extensions = append(n.Extensions, e)
		}
	}
	return n, true
}

// Codec finds a payload type, nil if it is not listed. The result points into s.
func (s *Section) Codec(pt uint8) *Codec {
	for i := range s.Codecs {
		if s.Codecs[i].PT == pt {
			return &s.Codecs[i]
		}
	}
	return nil
}

// ExtensionID is the id of a header extension, 0 if the section lacks it.
func (s *Section) ExtensionID(uri string) uint8 {
	for _, e := range s.Extensions {
		if e.URI == uri {
			return e.ID
		}
	}
	return 0
}

// RID finds a rid, nil if there is none. The result points into s.
func (s *Section) RID(id string) *RID {
	for i := range s.RIDs {
		if s.RIDs[i].ID == id {
			return &s.RIDs[i]
		}
	}
	return nil
}

// ValidMID reports whether a text can be a mid: a token (RFC 8866, 9) of 1 to
// MaxMIDLength characters.
func ValidMID(mid string) bool {
	for _, c := range []byte(mid) {
		if c <= ' ' || c > '~' || strings.IndexByte("\"(),/:;<=>?@[\\]", c) >= 0 {
			return false
		}
	}
	return mid != "" && len(mid) <= MaxMIDLength
}

// SectionByMID is the index of the section with a mid.
func (d *Description) SectionByMID(mid string) (i int, ok bool) {
	i = slices.IndexFunc(d.Sections, func(s Section) bool { return s.MID == mid })
	return i, i >= 0
}

// SectionBySSRC is the index of the section that announces a source, be it in
// a=ssrc or in a=ssrc-group.
func (d *Description) SectionBySSRC(ssrc uint32) (i int, ok bool) {
	i = slices.IndexFunc(d.Sections, func(s Section) bool {
		return slices.Contains(s.SSRCs, ssrc) ||
			slices.ContainsFunc(s.Groups, func(g SSRCGroup) bool { return slices.Contains(g.SSRCs, ssrc) })
	})
	return i, i >= 0
}
