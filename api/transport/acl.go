package transport

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// ACL is a list of IP addresses. An entry is an address, a network in CIDR
// notation, or the beginning of the text form of addresses, "192.168.1." or
// "2001:db8:". An empty list allows everybody.
type ACL struct {
	rules     []rule
	forwarded bool
}

// rule is one entry of a list.
type rule struct {
	net    netip.Prefix // of an address or a network, else invalid
	prefix string       // of the text form, in lower case
}

// NewACL makes an access list. forwarded makes AllowsRequest look at
// X-Forwarded-For, too. Entries that are nothing allow nobody.
func NewACL(entries []string, forwarded bool) ACL {
	a := ACL{forwarded: forwarded}
	for _, e := range entries {
		if e = strings.TrimSpace(e); e != "" {
			r, _ := parseRule(e)
			a.rules = append(a.rules, r)
		}
	}
	return a
}

// Doubt is an entry of an access list that may not have its intended effect.
type Doubt struct{ Entry, Text, Effect string }

// Doubts returns the doubtful entries of an access list.
func Doubts(entries []string) (list []Doubt) {
	for _, e := range entries {
		if e = strings.TrimSpace(e); e != "" {
			if _, d := parseRule(e); d.Text != "" {
				list = append(list, d)
			}
		}
	}
	return list
}

// parseRule reads an entry, and returns doubts about it.
func parseRule(entry string) (r rule, d Doubt) {
	d.Entry = entry
	text := strings.ToLower(entry)
	switch addr, err := netip.ParseAddr(text); {
	case strings.Contains(text, "/"):
		n, err := netip.ParsePrefix(text)
		if err != nil {
			d.Text, d.Effect = "is no network", "allows nobody"
			return r, d
		}
		r.net = unmapped(n)
	case strings.Trim(text, "0123456789abcdef.:") != "" && err != nil:
		d.Text, d.Effect = "is neither an address nor the beginning of one", "allows nobody"
	case strings.HasSuffix(text, ".") || strings.HasSuffix(text, ":"):
		r.prefix = text
	case err == nil:
		r.net = netip.PrefixFrom(addr.WithZone("").Unmap(), addr.Unmap().BitLen())
		d.Text, d.Effect = "is a whole address", "allows this one alone; an entry for more ends in a dot or a colon, or is a network like 192.0.2.0/24"
	default:
		r.prefix = text
		if grows(text) {
			d.Text, d.Effect = "is the beginning of more addresses than it looks like", "allows "+text+"0 too; end it in a dot or a colon"
		}
	}
	return r, d
}

// unmapped is a network of IPv4 addresses mapped into IPv6 as one of IPv4.
func unmapped(n netip.Prefix) netip.Prefix {
	if n.Addr().Is4In6() && n.Bits() >= 96 {
		n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
	}
	return n.Masked()
}

// grows reports whether the last number of the beginning of an address can have
// more digits.
func grows(prefix string) bool {
	last := prefix[strings.LastIndexAny(prefix, ".:")+1:]
	if strings.Contains(prefix, ":") && !strings.Contains(prefix, ".") {
		return len(last) < 4 && last != "0"
	}
	n, err := strconv.Atoi(last)
	return err != nil || n > 0 && n <= 25
}

// Allows reports whether an address may use the server. IPv4 addresses mapped
// into IPv6 match in both forms. A text that is no IP address is allowed by an
// empty list only.
func (a ACL) Allows(ip string) bool {
	if len(a.rules) == 0 {
		return true
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	addr = addr.WithZone("").Unmap()
	plain, mapped, in6 := addr.String(), "", addr
	if addr.Is4() {
		mapped, in6 = "::ffff:"+plain, netip.AddrFrom16(addr.As16())
	}
	for _, r := range a.rules {
		switch {
		case r.net.IsValid():
			if r.net.Contains(addr) || r.net.Contains(in6) {
				return true
			}
		case r.prefix == "":
		case strings.HasPrefix(plain, r.prefix) || mapped != "" && strings.HasPrefix(mapped, r.prefix):
			return true
		}
	}
	return false
}

// AllowsRequest checks the addresses in X-Forwarded-For when the list was made
// with forwarded. Every one of them has to be allowed, since a client may
// write what it likes in front of what the proxy appends.
func (a ACL) AllowsRequest(r *http.Request) bool {
	if !a.forwarded {
		return true
	}
	for _, line := range r.Header.Values("X-Forwarded-For") {
		for ip := range strings.SplitSeq(line, ",") {
			if ip = strings.TrimSpace(ip); ip != "" && !a.Allows(ip) {
				return false
			}
		}
	}
	return true
}
