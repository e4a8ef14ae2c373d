package sdp

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Limits of Parse.
const (
	MaxSize      = 64 << 10 // bytes of one description
	MaxSections  = 256
	MaxMIDLength = 16
	maxMediaLine = 1000 // bytes; 128 payload types take half of that
	maxInherited = 256  // bytes of a value that every section gets from the session level

	maxFingerprints = 8 // at the session level, and in each section

	// Extensions of the session level, which every section gets as well.
	maxSessionExtensions = 32
	maxSessionURIs       = 2048 // bytes of them all
)

// Errors of Parse that name no line.
var (
	ErrNoVersion = errors.New("Invalid SDP (doesn't start with v=)")
	ErrMandatory = errors.New("Missing mandatory lines (o=, s= or m=)")
	ErrSections  = errors.New("Invalid SDP (too many m= lines)")
)

// Parse reads a session description (RFC 8866). Lines end with LF or CRLF. Lines
// and attributes it does not know are tolerated, and blank lines. Of several c= lines
// the first counts, numbers beyond 64 bits are the highest that fits. An error's text
// is fit to be shown to the client; it quotes at most one line of the description.
//
// A bundle-only section with port 0 counts as one in use with port 9 (RFC 9143, 6).
func Parse(text string) (*Description, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("Invalid SDP (too long): %d", len(text))
	}
	if !strings.HasPrefix(strings.TrimLeft(text, "\r\n"), "v=") {
		return nil, ErrNoVersion
	}
	p := parser{d: &Description{}}
	for line := range strings.FieldsFuncSeq(text, isLineEnd) {
		if err := p.line(line); err != nil {
			return nil, err
		}
	}
	return p.finish()
}

func isLineEnd(r rune) bool { return r == '\n' || r == '\r' }

// parser holds the state between lines: the session level's values, which are
// resolved into the sections at the end, and the pending values of each section.
type parser struct {
	d                   *Description
	origin, name        bool
	session             Section
	sessionHasDirection bool
	sessionURIs         int // bytes
	sections            []*sectionParser
	current             *sectionParser
}

func (p *parser) line(line string) error {
	if len(line) == 2 && line[1] == '=' && strings.ContainsRune("siuep", rune(line[0])) {
		line += " " // of information for people only
	}
	if len(line) < 3 {
		return fmt.Errorf("Invalid line (%d bytes): %s", len(line), line)
	}
	if line[1] != '=' {
		return fmt.Errorf("Invalid line (2nd char is not '='): %s", line)
	}
	value := line[2:]
	switch line[0] {
	case 'v':
		if strings.TrimSpace(value) != "0" {
			return invalid(line)
		}
	case 'o':
		if p.origin {
			return fmt.Errorf("Multiple o= lines: %s", line)
		}
		p.origin = true
		return p.parseOrigin(line)
	case 's':
		if p.current != nil {
			return nil
		}
		if p.name {
			return fmt.Errorf("Multiple s= lines: %s", line)
		}
		p.name = true
		p.d.Name = strings.TrimSpace(value)
	case 't':
		return checkTime(line)
	case 'c':
		return p.parseConnection(line)
	case 'b':
		return p.parseBandwidth(line)
	case 'm':
		return p.parseMedia(line)
	case 'a':
		return p.parseAttribute(line)
	}
	return nil
}

func invalid(line string) error {
	return fmt.Errorf("Invalid %c= line: %s", line[0], line)
}

func (p *parser) parseOrigin(line string) error {
	f := strings.Fields(line[2:])
	if len(f) != 6 {
		return invalid(line)
	}
	if f[3] != "IN" || f[4] != "IP4" && f[4] != "IP6" {
		bad := f[4]
		if f[3] != "IN" {
			bad = f[3]
		}
		return fmt.Errorf("Invalid o= line (unsupported protocol %s): %s", bad, line)
	}
	id, ok := number(f[1])
	version, ok2 := number(f[2])
	if !ok || !ok2 {
		return invalid(line)
	}
	p.d.Origin = Origin{f[0], id, version, f[3], f[4], f[5]}
	return nil
}

// number reads digits; beyond 64 bits it is the highest that fits.
func number(s string) (n uint64, ok bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

func checkTime(line string) error {
	f := strings.Fields(line[2:])
	if len(f) != 2 {
		return invalid(line)
	}
	for _, s := range f {
		if _, ok := number(s); !ok {
			return invalid(line)
		}
	}
	return nil
}

func (p *parser) parseConnection(line string) error {
	f := strings.Fields(line[2:])
	if len(f) != 3 || len(f[2]) > maxInherited {
		return invalid(line)
	}
	if f[0] != "IN" || f[1] != "IP4" && f[1] != "IP6" {
		bad := f[1]
		if f[0] != "IN" {
			bad = f[0]
		}
		return fmt.Errorf("Invalid c= line (unsupported protocol %s): %s", bad, line)
	}
	at := &p.session.Address
	if p.current != nil {
		at = &p.current.s.Address
	}
	if *at == "" {
		*at = f[2]
	}
	return nil
}

func (p *parser) parseBandwidth(line string) error {
	kind, text, _ := strings.Cut(line[2:], ":")
	whole, fraction, _ := strings.Cut(strings.TrimSpace(text), ".")
	value, ok := number(whole)
	if _, also := number("0" + fraction); !ok || !also {
		return invalid(line)
	}
	if p.current != nil && p.current.s.Bandwidth.Type == "" && (kind == "AS" || kind == "TIAS") {
		p.current.s.Bandwidth = Bandwidth{kind, value}
	}
	return nil
}

func (p *parser) parseMedia(line string) error {
	if len(line) > maxMediaLine {
		return fmt.Errorf("Invalid m= line (too long): %d", len(line))
	}
	if len(p.sections) == MaxSections {
		return ErrSections
	}
	f := strings.Fields(line[2:])
	if len(f) < 3 {
		return invalid(line)
	}
	port, _, _ := strings.Cut(f[1], "/")
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return invalid(line)
	}
	if len(f) == 3 {
		return fmt.Errorf("Invalid m= line (no payload types/formats): %s", line)
	}
	s := &Section{Port: int(n), Proto: f[2], Formats: f[3:], Kind: Other}
	for k := Audio; k < Other; k++ {
		if f[0] == k.String() {
			s.Kind = k
		}
	}
	if s.Kind == Other {
		s.Media = f[0]
	}
	p.current = newSectionParser(s)
	p.sections = append(p.sections, p.current)
	return nil
}

func (p *parser) parseAttribute(line string) error {
	key, value, _ := strings.Cut(line[2:], ":")
	if key == "" || (key == "mid" || key == "setup") && strings.TrimSpace(value) == "" {
		return invalid(line)
	}
	if p.current != nil {
		return p.current.attribute(line, key, value)
	}
	p.sessionAttribute(key, value)
	return nil
}

// sessionAttribute handles an attribute before the first m= line.
func (p *parser) sessionAttribute(key, value string) {
	trimmed := strings.TrimSpace(value)
	switch key {
	case "ice-ufrag":
		p.session.Ufrag = credential(trimmed)
	case "ice-pwd":
		p.session.Pwd = credential(trimmed)
	case "fingerprint":
		addFingerprint(&p.session, trimmed)
	case "setup":
		p.session.Setup = parseSetup(trimmed)
	case "extmap":
		p.sessionExtmap(trimmed)
	case "end-of-candidates":
		p.session.EndOfCandidates = true
	case "ice-options":
		p.d.ICEOptions = trimmed
	case "ice-lite":
		p.d.ICELite = true
	case "extmap-allow-mixed":
		p.d.ExtmapAllowMixed = true
	case "msid-semantic":
		p.d.MSIDSemantic = strings.Join(strings.Fields(value), " ")
	case "group":
		if f := strings.Fields(value); len(f) > 0 && f[0] == "BUNDLE" {
			if p.d.Bundle == nil {
				p.d.Bundle = f[1:]
			}
			return
		}
		p.d.Attributes = append(p.d.Attributes, Attribute{key, value})
	default:
		if d, ok := parseDirection(key); ok {
			p.session.Direction, p.sessionHasDirection = d, true
			return
		}
		p.d.Attributes = append(p.d.Attributes, Attribute{key, value})
	}
}

// sessionExtmap keeps an extension for all sections.
func (p *parser) sessionExtmap(value string) {
	e, ok := parseExtmap(value)
	p.sessionURIs += len(e.URI)
	if ok && len(p.session.Extensions) < maxSessionExtensions && p.sessionURIs <= maxSessionURIs {
		p.session.Extensions = append(p.session.Extensions, e)
	}
}

// finish checks for missing lines and resolves the session level.
func (p *parser) finish() (*Description, error) {
	if !p.origin || !p.name || len(p.sections) == 0 {
		return nil, ErrMandatory
	}
	if !p.sessionHasDirection {
		p.session.Direction = SendRecv
	}
	p.d.Sections = make([]Section, 0, len(p.sections))
	for _, sp := range p.sections {
		s := sp.finish()
		inherit(s, &p.session, sp.hasDirection)
		if s.Port == 0 && sp.bundleOnly {
			s.Port, s.bundleOnly = 9, true
		}
		p.d.Sections = append(p.d.Sections, *s)
	}
	if err := p.d.finishMIDs(); err != nil {
		return nil, err
	}
	return p.d, nil
}

// finishMIDs sees to it that every section has a mid of its own. Two in use may not have
// the same one (RFC 5888, 4); a rejected one needs none and gives way.
func (d *Description) finishMIDs() error {
	taken := make(map[string]bool, len(d.Sections))
	for i := range d.Sections {
		s := &d.Sections[i]
		if s.MID == "" || s.Rejected() {
			continue
		}
		if taken[s.MID] {
			return fmt.Errorf("Invalid a= line (mid used twice): a=mid:%s", s.MID)
		}
		taken[s.MID] = true
	}
	for i := range d.Sections {
		s := &d.Sections[i]
		if !s.Rejected() {
			continue
		}
		if taken[s.MID] {
			s.MID = ""
		}
		taken[s.MID] = true
	}
	for i := range d.Sections {
		s := &d.Sections[i]
		for n := i; s.MID == ""; n++ {
			if mid := strconv.Itoa(n); !taken[mid] {
				s.MID, s.madeUpMID, taken[mid] = mid, true, true
			}
		}
	}
	return nil
}

// inherit resolves the session level's values into a section.
func inherit(s, session *Section, hasDirection bool) {
	if s.Address == "" {
		s.Address = session.Address
	}
	if s.Ufrag == "" && s.Pwd == "" {
		s.Ufrag, s.Pwd = session.Ufrag, session.Pwd
	}
	if len(s.Fingerprints) == 0 {
		s.Fingerprints = session.Fingerprints
	}
	if s.Setup == SetupNone {
		s.Setup = session.Setup
	}
	if !hasDirection {
		s.Direction = session.Direction
	}
	s.EndOfCandidates = s.EndOfCandidates || session.EndOfCandidates
	if s.Kind != Audio && s.Kind != Video {
		return
	}
	own := s.Extensions // which come first: an id and an extension are mapped once (RFC 8285, 5)
	for _, e := range session.Extensions {
		if !slices.ContainsFunc(own, func(x Extension) bool { return x.ID == e.ID || x.URI == e.URI }) {
			s.Extensions = append(s.Extensions, e)
		}
	}
}

func parseSetup(s string) Setup {
	for v := SetupActpass; v <= SetupHoldconn; v++ {
		if strings.EqualFold(s, v.String()) {
			return v
		}
	}
	return SetupNone
}

// credential is "" for one that is longer than RFC 8839, 5.4 allows.
func credential(s string) string {
	if len(s) > maxInherited {
		return ""
	}
	return s
}

// fingerprintHashes are those whose fingerprints count. MD5 and MD2 must not be used
// (RFC 8122, 5).
var fingerprintHashes = []string{"sha-1", "sha-224", "sha-256", "sha-384", "sha-512"}

// addFingerprint keeps a fingerprint (RFC 8122, 5.1 allows several). Malformed ones and
// those with unknown hashes, and any beyond the limit, are ignored.
func addFingerprint(s *Section, value string) {
	hash, hex, _ := strings.Cut(value, " ")
	f := Fingerprint{strings.ToLower(hash), strings.ToUpper(strings.TrimSpace(hex))}
	if !slices.Contains(fingerprintHashes, f.Hash) || f.Value == "" || len(value) > maxInherited ||
		strings.Trim(f.Value, "0123456789ABCDEF:") != "" {
		return
	}
	if len(s.Fingerprints) < maxFingerprints && !slices.Contains(s.Fingerprints, f) {
		s.Fingerprints = append(s.Fingerprints, f)
	}
}
