package sdp

import (
	"slices"
	"strconv"
	"strings"
)

// String prints the description. Marshal prints it for a client; String
// prints a description just as it is, for logs and for plain RTP.
func (d *Description) String() string {
	var w writer
	o := &d.Origin
	w.line("v=0")
	w.line("o=", or(o.Username, "-"), " ", utoa(o.SessionID), " ", utoa(o.Version), " ", or(o.Net, "IN"),
		" ", or(o.Family, family(o.Address)), " ", or(o.Address, "0.0.0.0"))
	w.line("s=", or(d.Name, "-"))
	if d.Address != "" {
		w.line("c=IN ", family(d.Address), " ", d.Address)
	}
	w.line("t=0 0")
	if len(d.Bundle) > 0 {
		w.line("a=group:BUNDLE ", strings.Join(d.Bundle, " "))
	}
	w.optional("a=ice-options:", d.ICEOptions)
	common := d.commonFingerprints()
	w.fingerprints(common)
	if d.ExtmapAllowMixed {
		w.line("a=extmap-allow-mixed")
	}
	w.optional("a=msid-semantic: ", d.MSIDSemantic)
	if d.ICELite {
		w.line("a=ice-lite")
	}
	w.attributes(d.Attributes)
	for i := range d.Sections {
		w.section(d, &d.Sections[i], common)
	}
	return w.b.String()
}

// commonFingerprints are printed at session level: the first section's.
func (d *Description) commonFingerprints() []Fingerprint {
	if d.anonymous || len(d.Sections) == 0 {
		return nil
	}
	return d.Sections[0].Fingerprints
}

// writer prints lines. It drops line ends inside values, so that a value that
// came from elsewhere cannot add lines.
type writer struct{ b strings.Builder }

func (w *writer) line(parts ...string) {
	for _, p := range parts {
		if strings.ContainsAny(p, "\r\n") {
			p = strings.NewReplacer("\r", "", "\n", "").Replace(p)
		}
		w.b.WriteString(p)
	}
	w.b.WriteString("\r\n")
}

// optional prints a line unless its value is empty.
func (w *writer) optional(prefix, value string) {
	if value != "" {
		w.line(prefix, value)
	}
}

func (w *writer) attributes(list []Attribute) {
	for _, a := range list {
		if a.Value == "" {
			w.line("a=", a.Key)
		} else {
			w.line("a=", a.Key, ":", a.Value)
		}
	}
}

func (w *writer) section(d *Description, s *Section, common []Fingerprint) {
	media := s.Kind.String()
	if s.Kind == Other {
		media = s.Media
	}
	w.line("m=", media, " ", strconv.Itoa(s.Port), " ", s.Proto, " ", strings.Join(s.formats(), " "))
	w.line("c=IN ", family(s.Address), " ", or(s.Address, "0.0.0.0"))
	if s.Rejected() {
		w.line("a=inactive")
		w.optional("a=mid:", s.MID)
		return
	}
	if s.Bandwidth.Type != "" {
		w.line("b=", s.Bandwidth.Type, ":", utoa(s.Bandwidth.Value))
	}
	w.line("a=", s.Direction.String())
	w.optional("a=mid:", s.MID)
	if !d.anonymous {
		w.transport(s, common)
	}
	w.codecs(s, d.Type)
	w.attributes(s.Attributes)
	w.rtx(s)
	if d.anonymous {
		w.msid(s)
		return
	}
	w.sources(s)
	w.rids(s)
	for _, c := range s.Candidates {
		w.line("a=candidate:", c)
	}
	if s.EndOfCandidates {
		w.line("a=end-of-candidates")
	}
}

// formats is the list of the m= line: retransmissions after everything else.
func (s *Section) formats() []string {
	if len(s.Codecs) == 0 || s.Rejected() {
		if len(s.Formats) == 0 {
			return []string{"0"}
		}
		return s.Formats
	}
	var list []string
	for i := range s.Codecs {
		list = append(list, utoa(uint64(s.Codecs[i].PT)))
	}
	for i := range s.Codecs {
		if rtx := s.Codecs[i].RTX; rtx != 0 {
			list = append(list, utoa(uint64(rtx)))
		}
	}
	return list
}

func (w *writer) fingerprints(list []Fingerprint) {
	for _, f := range list {
		w.line("a=fingerprint:", f.Hash, " ", f.Value)
	}
}

func (w *writer) transport(s *Section, common []Fingerprint) {
	if s.RTCPMux {
		w.line("a=rtcp-mux")
	}
	if s.RTCPRsize {
		w.line("a=rtcp-rsize")
	}
	switch s.Data {
	case SCTPPort:
		w.line("a=sctp-port:5000")
	case SCTPMap:
		w.line("a=sctpmap:5000 webrtc-datachannel 16")
	}
	w.optional("a=ice-ufrag:", s.Ufrag)
	w.optional("a=ice-pwd:", s.Pwd)
	w.optional("a=ice-options:", s.ICEOptions)
	w.optional("a=setup:", s.Setup.String())
	if !slices.Equal(s.Fingerprints, common) {
		w.fingerprints(s.Fingerprints)
	}
}

// codecs prints formats and extensions, in the customary order: an answer's audio
// has parameters before feedback; extensions come before parameters otherwise.
func (w *writer) codecs(s *Section, t Type) {
	for i := range s.Codecs {
		if c := &s.Codecs[i]; c.Name != "" {
			w.line("a=rtpmap:", utoa(uint64(c.PT)), " ", c.RTPMap())
		}
	}
	early := s.fmtpFirst || t == TypeAnswer && s.Kind == Audio
	if early && s.Kind == Audio {
		w.parameters(s)
	}
	for i := range s.Codecs {
		for _, fb := range s.Codecs[i].Feedback {
			w.line("a=rtcp-fb:", utoa(uint64(s.Codecs[i].PT)), " ", fb)
		}
	}
	if early && s.Kind != Audio {
		w.parameters(s)
	}
	for _, e := range s.Extensions {
		id := utoa(uint64(e.ID))
		if e.HasDirection {
			id += "/" + e.Direction.String()
		}
		w.line("a=extmap:", id, " ", e.URI)
	}
	if !early {
		w.parameters(s)
	}
}

func (w *writer) parameters(s *Section) {
	for i := range s.Codecs {
		if c := &s.Codecs[i]; c.Fmtp != "" {
			w.line("a=fmtp:", utoa(uint64(c.PT)), " ", c.Fmtp)
		}
	}
}

func (w *writer) rtx(s *Section) {
	for i := range s.Codecs {
		c := &s.Codecs[i]
		if c.RTX == 0 {
			continue
		}
		rtx := utoa(uint64(c.RTX))
		clock := c.Clock
		if clock == 0 {
			clock = videoClock
		}
		w.line("a=rtpmap:", rtx, " rtx/", strconv.Itoa(clock))
		w.line("a=fmtp:", rtx, " apt=", utoa(uint64(c.PT)))
	}
}

func (w *writer) msid(s *Section) {
	switch {
	case s.Track != "":
		w.line("a=msid:", or(s.Stream, "-"), " ", s.Track)
	case s.Stream != "":
		w.line("a=msid:", s.Stream)
	}
}

func (w *writer) sources(s *Section) {
	for _, g := range s.Groups {
		parts := []string{"a=ssrc-group:", g.Semantics}
		for _, ssrc := range g.SSRCs {
			parts = append(parts, " ", utoa(uint64(ssrc)))
		}
		w.line(parts...)
	}
	w.msid(s)
	for _, ssrc := range s.SSRCs {
		w.line("a=ssrc:", utoa(uint64(ssrc)), " cname:", or(s.CNAME, CNAME))
	}
}

func (w *writer) rids(s *Section) {
	for _, r := range s.RIDs {
		direction := " recv"
		if r.Send {
			direction = " send"
		}
		if r.Params != "" {
			direction += " " + r.Params
		}
		w.line("a=rid:", r.ID, direction)
	}
	parts := append(s.simulcastList("send", s.SimulcastSend), s.simulcastList("recv", s.SimulcastRecv)...)
	if len(parts) == 0 {
		return
	}
	prefix := "a=simulcast:"
	if s.LegacySimulcast {
		prefix += " "
	}
	w.line(prefix, strings.Join(parts, " "))
}

func (s *Section) simulcastList(direction string, ids []string) []string {
	if len(ids) == 0 {
		return nil
	}
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = id
		if r := s.RID(id); r != nil && r.Paused {
			list[i] = "~" + id
		}
	}
	joined := strings.Join(list, ";")
	if s.LegacySimulcast {
		joined = "rid=" + joined
	}
	return []string{direction, joined}
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }

// family is the address type of a c= or o= line.
func family(address string) string {
	if strings.Contains(address, ":") {
		return "IP6"
	}
	return "IP4"
}
