package ice

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// ErrCandidate is returned for text that is no candidate attribute.
var ErrCandidate = errors.New("ice: malformed candidate")

const maxCandidateText = 1024

// String returns the type as in SDP: "host", "srflx", "prflx" or "relay".
func (t CandidateType) String() string {
	switch t {
	case Host:
		return "host"
	case ServerReflexive:
		return "srflx"
	case PeerReflexive:
		return "prflx"
	}
	return "relay"
}

func parseType(s string) (CandidateType, bool) {
	for t := Host; t <= Relayed; t++ {
		if strings.EqualFold(s, t.String()) {
			return t, true
		}
	}
	return 0, false
}

// tcpPreference is below that of UDP, as RFC 6544, 4.2 advises, but before any
// relay.
func (t CandidateType) tcpPreference() uint32 {
	if t == Host {
		return 90
	}
	return 80
}

// preference is the recommended type preference (RFC 8445, 5.1.2.2).
func (t CandidateType) preference() uint32 {
	switch t {
	case Host:
		return 126
	case PeerReflexive:
		return 110
	case ServerReflexive:
		return 100
	}
	return 0
}

// priority combines the preferences for component 1 (RFC 8445, 5.1.2.1).
func priority(t CandidateType, local uint16) uint32 {
	return t.preference()<<24 | uint32(local)<<8 | (256 - 1)
}

// overTCP recognises candidates whose datagrams go over a TCP connection.
func (c *Candidate) overTCP() bool { return c.Transport == "tcp" }

// overUDP recognises candidates that datagrams are sent to. The protocol to a remote's relay is
// the remote's affair.
func (c *Candidate) overUDP() bool {
	return c.Transport == "udp" || c.Transport == "tls" && c.Type == Relayed
}

// base is the address that packets of a local candidate are sent from.
func (c *Candidate) base() netip.Addr {
	if c.Base.IsValid() {
		return c.Base
	}
	return c.Addr.Addr()
}

// String returns the text of the candidate attribute behind "candidate:"
// (RFC 8839, 5.1).
func (c Candidate) String() string {
	b := make([]byte, 0, 96)
	b = append(b, c.Foundation...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(c.Component), 10)
	b = append(b, ' ')
	b = append(b, c.Transport...)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(c.Priority), 10)
	b = append(b, ' ')
	if c.Name != "" {
		b = append(b, c.Name...)
		b = append(b, ' ')
		b = strconv.AppendUint(b, uint64(c.Port), 10)
	} else {
		b = appendAddrPort(b, c.Addr, " ")
	}
	b = append(b, " typ "...)
	b = append(b, c.Type.String()...)
	if c.Related.IsValid() {
		b = append(b, " raddr "...)
		b = appendAddrPort(b, c.Related, " rport ")
	}
	if c.TCPType != "" {
		b = append(b, " tcptype "...)
		b = append(b, c.TCPType...)
	}
	return string(b)
}

// appendAddrPort leaves out the zone, which means nothing on another host.
func appendAddrPort(b []byte, a netip.AddrPort, between string) []byte {
	b = a.Addr().WithZone("").AppendTo(b)
	b = append(b, between...)
	return strconv.AppendUint(b, uint64(a.Port()), 10)
}

// ParseCandidate parses a candidate attribute (RFC 8839, 5.1), with or without
// "a=" and "candidate:" before it. Unknown extensions are skipped. The only
// names taken for an address are mDNS ones (".local"). The error is always
// ErrCandidate.
func ParseCandidate(s string) (Candidate, error) {
	if len(s) > maxCandidateText {
		return Candidate{}, ErrCandidate
	}
	s = strings.TrimSpace(s)
	s = strings.TrimPrefix(s, "a=")
	s = strings.TrimPrefix(s, "candidate:")
	f := strings.Fields(s)
	if len(f) < 8 || !strings.EqualFold(f[6], "typ") {
		return Candidate{}, ErrCandidate
	}
	c := Candidate{Foundation: f[0], Transport: strings.ToLower(f[2])}
	component, err1 := strconv.ParseUint(f[1], 10, 16)
	prio, err2 := strconv.ParseUint(f[3], 10, 32)
	port, err3 := strconv.ParseUint(f[5], 10, 16)
	typ, ok := parseType(f[7])
	if err1 != nil || err2 != nil || err3 != nil || !ok ||
		component == 0 || component > 256 ||
		!isICEText(c.Foundation, 32) || !isToken(c.Transport) {
		return Candidate{}, ErrCandidate
	}
	c.Component, c.Priority, c.Type = int(component), uint32(prio), typ
	if !c.setAddress(f[4], uint16(port)) {
		return Candidate{}, ErrCandidate
	}
	c.parseExtensions(f[8:])
	return c, nil
}

func (c *Candidate) setAddress(s string, port uint16) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		c.Addr = netip.AddrPortFrom(a.Unmap(), port)
		return true
	}
	name := strings.ToLower(s)
	if !isMDNSName(name) {
		return false
	}
	c.Name, c.Port = name, port
	return true
}

// parseExtensions takes the name-value pairs that mean something here.
func (c *Candidate) parseExtensions(f []string) {
	var raddr netip.Addr
	var rport uint16
	for ; len(f) >= 2; f = f[2:] {
		switch v := f[1]; strings.ToLower(f[0]) {
		case "raddr":
			raddr, _ = netip.ParseAddr(v)
		case "rport":
			n, _ := strconv.ParseUint(v, 10, 16)
			rport = uint16(n)
		case "tcptype":
			switch t := strings.ToLower(v); t {
			case "active", "passive", "so":
				c.TCPType = t
			}
		}
	}
	if raddr.IsValid() {
		c.Related = netip.AddrPortFrom(raddr.Unmap(), rport)
	}
}

// CandidateUfrag is the user fragment that a candidate attribute says it belongs to, "" if
// it does not (RFC 8840, 4.3).
func CandidateUfrag(s string) string {
	if len(s) > maxCandidateText {
		return ""
	}
	f := strings.Fields(s)
	for i := 8; i+1 < len(f); i += 2 {
		if strings.EqualFold(f[i], "ufrag") {
			return f[i+1]
		}
	}
	return ""
}

// isMDNSName recognises a name that a query for may leave this host.
func isMDNSName(s string) bool {
	host, ok := strings.CutSuffix(s, ".local")
	if !ok || host == "" || len(s) > 253 {
		return false
	}
	for i := 0; i < len(host); i++ {
		c := host[i]
		if !isAlnum(c) && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// isICEText recognises 1 to n ice-chars (RFC 8839, 5.1); "-" and "_" are let through
// for foundations as some endpoints write them.
func isICEText(s string, n int) bool {
	if s == "" || len(s) > n {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isAlnum(c), c == '+', c == '/', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

func isToken(s string) bool {
	if s == "" || len(s) > 16 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isAlnum(s[i]) && s[i] != '-' {
			return false
		}
	}
	return true
}

const iceChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// NewCredentials makes a user fragment of 8 characters and a password of 24,
// 6 random bits each (RFC 8445, 5.3).
func NewCredentials(rand func([]byte)) Credentials {
	var b [32]byte
	rand(b[:])
	for i := range b {
		b[i] = iceChars[b[i]&63]
	}
	return Credentials{Ufrag: string(b[:8]), Pwd: string(b[8:])}
}
