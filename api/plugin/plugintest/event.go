package plugintest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bifrons/api/plugin"
	"bifrons/sdp"
)

// Event is an event that a client got.
type Event struct {
	// Kind is "" for an event of the plugin, and for those of the core "webrtcup",
	// "media", "slowlink", "hangup" (Data is the reason), "detached".
	Kind string

	Transaction string // of the request that it answers, "" if none
	Topic       string // of news from Host.Tell
	Data        string // compact JSON

	JSEP *plugin.JSEP // as the plugin pushed it, nil if none
	SDP  string       // as the client gets it, "" for a described client
}

// String is the transaction, the data and the gist of the description, as far as there
// are any, or the kind in brackets.
func (e Event) String() string {
	if e.Kind != "" {
		return strings.TrimSpace("[" + e.Kind + "] " + e.Data)
	}
	text := strings.TrimSpace(e.Transaction + " " + e.Data)
	if e.JSEP != nil {
		text += " " + Outline(e.JSEP)
	}
	return text
}

// Field finds a value in the data by the names, or the indexes, on the way to it; nil if
// there is none. Numbers are float64.
func (e Event) Field(path ...any) any {
	var v any
	if json.Unmarshal([]byte(e.Data), &v) != nil {
		return nil
	}
	for _, step := range path {
		switch at := v.(type) {
		case map[string]any:
			name, _ := step.(string)
			v = at[name]
		case []any:
			i, ok := step.(int)
			if !ok || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

// Outline is the gist of a description:
// "offer(0:audio sendonly opus/111{fmtp}, 1:data sendrecv)".
func Outline(j *plugin.JSEP) string {
	parts := make([]string, len(j.SDP.Sections))
	for i := range j.SDP.Sections {
		s := &j.SDP.Sections[i]
		p := fmt.Sprintf("%s:%s %s", s.MID, plugin.KindName(s.Kind), s.Direction)
		for k := range s.Codecs {
			c := &s.Codecs[k]
			p += fmt.Sprintf(" %s/%d", c.ID(), c.PT)
			if c.Fmtp != "" {
				p += "{" + c.Fmtp + "}"
			}
		}
		if s.Rejected() {
			p += " rejected"
		}
		parts[i] = p
	}
	text := j.SDP.Type.String() + "(" + strings.Join(parts, ", ") + ")"
	if j.E2EE {
		text += " e2ee"
	}
	if j.Restart {
		text += " restart"
	}
	return text
}

// ParseOffer is a client's offer as a plugin sees it, without transport.
func ParseOffer(t testing.TB, text string) *plugin.JSEP {
	t.Helper()
	d, err := sdp.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	d.Type = sdp.TypeOffer
	return &plugin.JSEP{SDP: d.Anonymise(), Simulcast: simulcast(d)}
}

// MakeOffer is an offer of sections.
func MakeOffer(sections ...sdp.OfferSection) *plugin.JSEP {
	return &plugin.JSEP{SDP: sdp.Offer(sdp.OfferOptions{Name: "-", Sections: sections})}
}

// simulcast are the sections with several encodings, as signalling tells of them.
func simulcast(d *sdp.Description) (list []plugin.Simulcast) {
	for i := range d.Sections {
		sim, ok := d.Simulcast(i, "")
		if !ok {
			continue
		}
		s := plugin.Simulcast{Index: i, MID: d.Sections[i].MID, RIDID: sim.RIDExtension}
		for _, rid := range slices.Backward(sim.RIDs) {
			s.RIDs = append(s.RIDs, rid)
		}
		for _, src := range sim.Sources {
			s.SSRCs = append(s.SSRCs, src.SSRC)
		}
		list = append(list, s)
	}
	return list
}
