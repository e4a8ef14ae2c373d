package replay

import (
	"fmt"
	"strings"

	"bifrons/rtp"
	"bifrons/sdp"
)

// extensionURIs are the header extensions by the names of a description.
var extensionURIs = map[string]string{
	sdp.URIMID: "mid", sdp.URIRID: "rid", sdp.URIRepairedRID: "repaired-rid",
	sdp.URIAudioLevel: "audio-level", sdp.URIVideoOrientation: "video-orientation",
	sdp.URIAbsSendTime: "abs-send-time", sdp.URITransportCC: "transport-cc", sdp.URIPlayoutDelay: "playout-delay",
	sdp.URIDependencyDescriptor: "dependency-descriptor", sdp.URIAbsCaptureTime: "abs-capture-time",
	sdp.URIVideoLayers: "video-layers",
}

// Describe makes the sections of a description from the session description of
// the sender. Only payload types that occur in the capture are taken.
// ridOrder is "lmh" if the lowest encoding is offered first, else "hml".
func Describe(text, ridOrder string, svc bool, list []Datagram) ([]Section, error) {
	d, err := sdp.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("session description: %w", err)
	}
	seen := payloadTypes(list)
	var out []Section
	for i := range d.Sections {
		m := &d.Sections[i]
		if m.Rejected() || m.Kind != sdp.Audio && m.Kind != sdp.Video || !m.Direction.Sends() {
			continue
		}
		s := Section{Kind: m.Kind.String(), MID: m.MID, Extensions: map[string]uint8{}}
		for _, c := range m.Codecs {
			if seen[c.PT] || c.RTX != 0 && seen[c.RTX] {
				s.Codecs = append(s.Codecs, Codec{Name: c.Name, Payload: c.PT, RTX: c.RTX, Clock: uint32(c.Clock)})
			}
		}
		if len(s.Codecs) == 0 {
			continue
		}
		for _, e := range m.Extensions {
			if name := extensionURIs[e.URI]; name != "" {
				s.Extensions[name] = e.ID
			}
		}
		if sim, ok := d.Simulcast(i, ridOrder); ok {
			for _, rid := range sim.RIDs {
				s.Encodings = append(s.Encodings, Encoding{RID: rid})
			}
			for _, src := range sim.Sources {
				s.Encodings = append(s.Encodings, Encoding{SSRC: src.SSRC, RTX: src.RTX})
			}
		} else if src := m.Sources(); len(src) > 0 {
			s.Encodings = []Encoding{{SSRC: src[0].SSRC, RTX: src[0].RTX}}
		}
		s.SVC = svc && s.Kind == "video" && !s.simulcast()
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the session description has no section with a payload type that was captured")
	}
	return out, nil
}

// payloadTypes are the payload types in the list.
func payloadTypes(list []Datagram) (seen [128]bool) {
	var h rtp.Header
	for _, d := range list {
		if rtp.Classify(d.Data) == rtp.ClassRTP && h.Parse(d.Data) == nil {
			seen[h.PayloadType&0x7f] = true
		}
	}
	return seen
}

// Overview lists everything that looks like RTP in a capture, for whoever has to describe
// it.
func Overview(list []Datagram) string {
	type flow struct {
		from, to string
		ssrc     uint32
		pt       uint8
	}
	count := map[flow]int{}
	var flows []flow
	var h rtp.Header
	for _, d := range list {
		if rtp.Classify(d.Data) != rtp.ClassRTP || h.Parse(d.Data) != nil {
			continue
		}
		f := flow{d.From.String(), d.To.String(), h.SSRC, h.PayloadType}
		if count[f]++; count[f] == 1 {
			flows = append(flows, f)
		}
	}
	if len(flows) == 0 {
		return "It has no RTP."
	}
	var b strings.Builder
	b.WriteString("It has RTP of:\n")
	for _, f := range flows[:min(len(flows), maxFlows)] {
		fmt.Fprintf(&b, "  %s to %s, SSRC %d, payload type %d: %d packets\n", f.from, f.to, f.ssrc, f.pt, count[f])
	}
	return b.String()
}

// maxFlows bounds the overview.
const maxFlows = 40
