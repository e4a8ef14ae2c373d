package sdp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Limits within one section. Lines beyond them are ignored.
const (
	maxRIDs       = 3
	maxRIDLength  = 15
	maxFeedback   = 32 // of one format
	maxFmtp       = 4096
	maxExtensions = 255
	maxSSRCs      = 64
)

// sectionParser collects the lines that can only be understood once a section is complete.
type sectionParser struct {
	s            *Section
	hasDirection bool
	bundleOnly   bool
	hasMSID      bool
	codecs       []Codec         // by order of the m= line
	index        map[uint8]int   // payload type to position in codecs
	wildcard     []string        // feedback for "*"
	paused       map[string]bool // rids paused in a=simulcast
	sctpMap      bool
	sctpPort     bool
	maxMessage   uint64
	fallbackMSID string // of a=ssrc:N msid:, used without a=msid
}

func newSectionParser(s *Section) *sectionParser {
	p := &sectionParser{s: s, index: map[uint8]int{}, maxMessage: defaultMaxMessage}
	if s.Kind != Audio && s.Kind != Video {
		return p
	}
	for _, f := range s.Formats {
		pt, err := strconv.ParseUint(f, 10, 7)
		if err != nil {
			continue
		}
		if _, dup := p.index[uint8(pt)]; dup {
			continue
		}
		c := staticCodecs[uint8(pt)]
		c.PT = uint8(pt)
		p.index[c.PT] = len(p.codecs)
		p.codecs = append(p.codecs, c)
	}
	return p
}

// codec finds the payload type that starts an attribute's value; rest is what
// follows. It returns nil for one that the m= line does not list.
func (p *sectionParser) codec(value string) (c *Codec, rest string) {
	number, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	pt, err := strconv.ParseUint(number, 10, 7)
	if err != nil {
		return nil, ""
	}
	i, ok := p.index[uint8(pt)]
	if !ok {
		return nil, ""
	}
	return &p.codecs[i], strings.TrimSpace(rest)
}

func (p *sectionParser) attribute(line, key, value string) error {
	s := p.s
	trimmed := strings.TrimSpace(value)
	switch key {
	case "mid":
		if len(trimmed) > MaxMIDLength {
			return fmt.Errorf("Invalid a= line (mid longer than %d characters): %s", MaxMIDLength, line)
		}
		if trimmed == "" || strings.ContainsAny(trimmed, " \t") {
			return invalid(line)
		}
		s.MID = trimmed
	case "setup":
		s.Setup = parseSetup(trimmed)
	case "ice-ufrag":
		s.Ufrag = credential(trimmed)
	case "ice-pwd":
		s.Pwd = credential(trimmed)
	case "ice-options":
		s.ICEOptions = trimmed
	case "fingerprint":
		addFingerprint(s, trimmed)
	case "candidate":
		if trimmed != "" {
			s.Candidates = append(s.Candidates, value)
		}
	case "end-of-candidates":
		s.EndOfCandidates = true
	case "rtcp-mux":
		s.RTCPMux = true
	case "rtcp-rsize":
		s.RTCPRsize = true
	case "bundle-only":
		p.bundleOnly = true
	case "rtcp":
		s.RTCP = parseRTCP(trimmed)
	case "max-message-size":
		if n, err := strconv.ParseUint(trimmed, 10, 64); err == nil {
			p.maxMessage = n
		}
	case "rtpmap", "fmtp", "rtcp-fb":
		p.codecAttribute(key, value)
	case "extmap":
		p.extmap(trimmed)
	case "msid":
		p.msid(trimmed)
	case "ssrc":
		p.ssrc(trimmed)
	case "ssrc-group":
		p.ssrcGroup(trimmed)
	case "rid":
		p.rid(trimmed)
	case "simulcast":
		p.simulcast(trimmed)
	case "sctp-port":
		p.sctpPort = true
	case "sctpmap":
		p.sctpMap = true
	default:
		if d, ok := parseDirection(key); ok {
			s.Direction, p.hasDirection = d, true
			return nil
		}
		s.Attributes = append(s.Attributes, Attribute{key, value})
	}
	return nil
}

// parseRTCP reads a port, maybe with an address; it is the zero value if there is none.
func parseRTCP(value string) (r RTCP) {
	f := strings.Fields(value)
	if len(f) != 1 && (len(f) != 4 || f[1] != "IN") {
		return r
	}
	port, err := strconv.ParseUint(f[0], 10, 16)
	if err != nil || port == 0 {
		return r
	}
	if r.Port = int(port); len(f) == 4 {
		r.Address = f[3]
	}
	return r
}

func (p *sectionParser) codecAttribute(key, value string) {
	if key == "rtcp-fb" && strings.HasPrefix(strings.TrimSpace(value), "* ") {
		if len(p.wildcard) < maxFeedback {
			p.wildcard = append(p.wildcard, joinFields(strings.TrimSpace(value)[2:]))
		}
		return
	}
	c, rest := p.codec(value)
	if c == nil || rest == "" {
		return
	}
	switch key {
	case "rtpmap":
		if m, ok := ParseRTPMap(rest); ok {
			c.Name, c.Clock, c.Channels = m.Name, m.Clock, m.Channels
		}
	case "fmtp":
		if c.Fmtp != "" {
			rest = c.Fmtp + ";" + rest
		}
		if len(rest) <= maxFmtp {
			c.Fmtp = rest
		}
	case "rtcp-fb":
		if len(c.Feedback) < maxFeedback {
			c.Feedback = append(c.Feedback, joinFields(rest))
		}
	}
}

// positive parses a number; anything else, and numbers that do not fit 31 bits, are 0.
func positive(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

func joinFields(s string) string { return strings.Join(strings.Fields(s), " ") }

func (p *sectionParser) extmap(value string) {
	if e, ok := parseExtmap(value); ok && len(p.s.Extensions) < maxExtensions {
		p.s.Extensions = append(p.s.Extensions, e)
	}
}

// parseExtmap reads "4/sendonly urn:x" (RFC 8285, 8).
func parseExtmap(value string) (e Extension, ok bool) {
	f := strings.Fields(value)
	if len(f) < 2 {
		return e, false
	}
	number, direction, hasDirection := strings.Cut(f[0], "/")
	id, err := strconv.ParseUint(number, 10, 8)
	if err != nil || id == 0 {
		return e, false
	}
	e = Extension{ID: uint8(id), URI: strings.Join(f[1:], " ")}
	if hasDirection {
		if e.Direction, e.HasDirection = parseDirection(direction); !e.HasDirection {
			return e, false
		}
	}
	return e, true
}

// msid takes "stream track", of which the track may be left out and "-" is no stream
// (RFC 8830, 2; RFC 9429, 5.2.1).
func (p *sectionParser) msid(value string) {
	f := strings.Fields(value)
	if p.hasMSID || len(f) == 0 {
		return // a track in several streams: the first counts
	}
	p.hasMSID = true
	if f[0] != "-" {
		p.s.Stream = f[0]
	}
	if len(f) > 1 {
		p.s.Track = f[1]
	}
}

func (p *sectionParser) ssrc(value string) {
	number, rest, _ := strings.Cut(value, " ")
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || n == 0 {
		return
	}
	if len(p.s.SSRCs) < maxSSRCs && !slices.Contains(p.s.SSRCs, uint32(n)) {
		p.s.SSRCs = append(p.s.SSRCs, uint32(n))
	}
	key, v, _ := strings.Cut(strings.TrimSpace(rest), ":")
	switch {
	case key == "cname" && p.s.CNAME == "":
		p.s.CNAME = v
	case key == "msid" && p.fallbackMSID == "":
		p.fallbackMSID = v
	}
}

func (p *sectionParser) ssrcGroup(value string) {
	f := strings.Fields(value)
	if len(f) < 2 {
		return
	}
	g := SSRCGroup{Semantics: f[0]}
	for _, s := range f[1:] {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil || n == 0 {
			return
		}
		g.SSRCs = append(g.SSRCs, uint32(n))
	}
	p.s.Groups = append(p.s.Groups, g)
}

func (p *sectionParser) rid(value string) {
	f := strings.Fields(value)
	if len(f) < 2 || len(f[0]) > maxRIDLength || f[1] != "send" && f[1] != "recv" {
		return
	}
	r := RID{ID: f[0], Send: f[1] == "send", Params: strings.Join(f[2:], " ")}
	same := 0
	for _, old := range p.s.RIDs {
		if old.ID == r.ID {
			return
		}
		if old.Send == r.Send {
			same++
		}
	}
	if same < maxRIDs {
		p.s.RIDs = append(p.s.RIDs, r)
	}
}

// simulcast parses "send h;~m;l recv x" (RFC 8853, 5.1), and "send rid=h;m;l" as
// drafts had it. Of alternatives ("a,b") the first counts.
func (p *sectionParser) simulcast(value string) {
	f := strings.Fields(value)
	for ; len(f) >= 2; f = f[2:] {
		list := f[1]
		if rest, ok := strings.CutPrefix(list, "rid="); ok {
			p.s.LegacySimulcast = true
			list = rest
		}
		var ids []string
		for alternatives := range strings.SplitSeq(list, ";") {
			id, _, _ := strings.Cut(alternatives, ",")
			id, isPaused := strings.CutPrefix(id, "~")
			if id == "" || len(id) > maxRIDLength || strings.Contains(id, "~") || slices.Contains(ids, id) || len(ids) == maxRIDs {
				continue
			}
			ids = append(ids, id)
			if isPaused {
				if p.paused == nil {
					p.paused = map[string]bool{}
				}
				p.paused[id] = true
			}
		}
		switch f[0] {
		case "send":
			p.s.SimulcastSend = ids
		case "recv":
			p.s.SimulcastRecv = ids
		}
	}
}

// finish makes the section from the collected lines.
func (p *sectionParser) finish() *Section {
	s := p.s
	s.Codecs = foldRTX(p.codecs)
	if len(s.Codecs) == 0 && len(p.codecs) > 0 {
		// Only retransmissions of nothing: they are not printed again.
		s.Formats = slices.DeleteFunc(s.Formats, func(f string) bool {
			_, err := strconv.ParseUint(f, 10, 7)
			return err == nil
		})
		if len(s.Formats) == 0 {
			s.Formats = []string{"*"} // "0" would mean PCMU
		}
	}
	for i := range s.Codecs {
		for _, fb := range p.wildcard {
			if !s.Codecs[i].HasFeedback(fb) {
				s.Codecs[i].Feedback = append(s.Codecs[i].Feedback, fb)
			}
		}
	}
	for i := range s.RIDs {
		s.RIDs[i].Paused = p.paused[s.RIDs[i].ID]
	}
	if !p.hasMSID {
		if f := strings.Fields(p.fallbackMSID); len(f) == 2 {
			s.Stream, s.Track = f[0], f[1]
		}
	}
	if s.Kind == Application {
		s.Data, s.MaxMessage = p.dataFormat(), p.maxMessage
	}
	return s
}

// defaultMaxMessage holds without a=max-message-size (RFC 8841, 6.1).
const defaultMaxMessage = 65536

func (p *sectionParser) dataFormat() DataFormat {
	switch p.s.Proto {
	case protoDataUDP, protoDataTCP:
		if p.sctpMap && !p.sctpPort {
			return SCTPMap
		}
		return SCTPPort
	case protoDataLegacy:
		if p.sctpPort {
			return SCTPPort
		}
		return SCTPMap
	}
	return DataNone
}

// foldRTX removes the retransmission formats and notes each at the codec that it
// serves (RFC 4588, 8.6). One that serves no listed codec is dropped.
func foldRTX(all []Codec) []Codec {
	var kept []Codec
	for _, c := range all {
		if !isRTX(&c) {
			kept = append(kept, c)
		}
	}
	for _, c := range all {
		if !isRTX(&c) {
			continue
		}
		apt, _ := c.Parameter("apt")
		pt, err := strconv.ParseUint(apt, 10, 7)
		if err != nil {
			continue
		}
		for i := range kept {
			if kept[i].PT == uint8(pt) && kept[i].RTX == 0 {
				kept[i].RTX = c.PT
				break
			}
		}
	}
	return kept
}

func isRTX(c *Codec) bool { return strings.EqualFold(c.Name, "rtx") }
