package ice

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// HostPolicy says which of the host's addresses become candidates, and how
// they are printed.
type HostPolicy struct {
	// Enforce and Ignore are prefixes of interface names or addresses. With
	// Enforce only matches are used, and of Ignore only the address
	// prefixes count; a whole address stands for itself alone.
	Enforce, Ignore []string

	IPv6      bool // use IPv6 addresses at all
	LinkLocal bool // fe80::/10 as well

	// PublicIPs are the addresses that a 1:1 NAT shows in place of the host's;
	// ports do not change. KeepPrivate prints the host's address as well.
	PublicIPs   []netip.Addr
	KeepPrivate bool

	loopback bool // loopback addresses are used
}

// HostAddr is one address of an interface that is up.
type HostAddr struct {
	Interface string
	Addr      netip.Addr
	Loopback  bool
}

// Candidates returns the host candidates for a socket on port, the most
// preferred first: one for each printed address, with Base the address of the
// interface. Loopback addresses are used when Enforce matches them, or when
// there is nothing else.
func (p HostPolicy) Candidates(addrs []HostAddr, port uint16) []Candidate {
	used := p.filter(addrs)
	if len(used) == 0 {
		p.loopback = true
		used = p.filter(addrs)
	}
	var out []Candidate
	for i, base := range used {
		for _, printed := range p.printed(base) {
			if announced(out, printed) {
				continue
			}
			out = append(out, Candidate{
				Foundation: strconv.Itoa(i + 1), // one per base (RFC 8445, 5.1.1.3)
				Component:  1,
				Transport:  "udp",
				Priority:   priority(Host, uint16(65535-len(out))),
				Addr:       netip.AddrPortFrom(printed, port),
				Type:       Host,
				Base:       base,
			})
		}
	}
	return out
}

// PassiveCandidates returns the ICE-TCP candidates for a listener on port
// (RFC 6544, 4.1), one beside each of the host candidates.
func PassiveCandidates(hosts []Candidate, port uint16) []Candidate {
	out := make([]Candidate, 0, len(hosts))
	for i, c := range hosts {
		c.Foundation = "t" + c.Foundation
		c.Transport, c.TCPType = "tcp", "passive"
		c.Priority = passivePriority(i)
		c.Addr = netip.AddrPortFrom(c.Addr.Addr(), port)
		out = append(out, c)
	}
	return out
}

// passivePriority is that of the i-th passive host candidate (RFC 6544, 4.2).
func passivePriority(i int) uint32 {
	const direction = 4
	local := uint32(direction<<13 | max(1<<13-1-i, 0))
	return Host.tcpPreference()<<24 | local<<8 | (256 - 1)
}

func announced(cs []Candidate, a netip.Addr) bool {
	for i := range cs {
		if cs[i].Addr.Addr() == a {
			return true
		}
	}
	return false
}

// printed returns the addresses to announce for base.
func (p HostPolicy) printed(base netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, ip := range p.PublicIPs {
		if ip = ip.Unmap(); ip.IsValid() && ip.Is4() == base.Is4() {
			out = append(out, ip)
		}
	}
	if len(out) == 0 || p.KeepPrivate {
		out = append(out, base)
	}
	return out
}

func (p HostPolicy) filter(addrs []HostAddr) []netip.Addr {
	var out []netip.Addr
	for _, h := range addrs {
		h.Addr = h.Addr.Unmap()
		h.Loopback = h.Loopback || h.Addr.IsLoopback()
		if p.usable(h) {
			out = append(out, h.Addr)
		}
	}
	return out
}

func (p HostPolicy) usable(h HostAddr) bool {
	a := h.Addr
	if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() {
		return false
	}
	if a.Is6() && (!p.IPv6 || a.IsLinkLocalUnicast() && !p.LinkLocal) {
		return false
	}
	text := a.WithZone("").String()
	enforcing := false
	for _, e := range p.Enforce {
		if e = strings.TrimSpace(e); e == "" {
			continue
		}
		enforcing = true
		if strings.HasPrefix(h.Interface, e) || matches(text, e) {
			return !p.ignoredAddress(text)
		}
	}
	if enforcing || h.Loopback && !p.loopback {
		return false
	}
	return !p.ignoredAddress(text) && !p.ignoredInterface(h.Interface)
}

func (p HostPolicy) ignoredAddress(text string) bool {
	return p.ignored(func(entry string) bool { return matches(text, entry) })
}

func (p HostPolicy) ignoredInterface(name string) bool {
	return p.ignored(func(entry string) bool { return strings.HasPrefix(name, entry) })
}

func (p HostPolicy) ignored(fits func(entry string) bool) bool {
	return slices.ContainsFunc(p.Ignore, func(e string) bool {
		e = strings.TrimSpace(e)
		return e != "" && fits(e)
	})
}

// matches reports whether an address in its text form is the one of an entry or, if
// that is no whole address, begins with it.
func matches(text, entry string) bool {
	if a, err := netip.ParseAddr(entry); err == nil && !strings.HasSuffix(entry, ":") {
		return a.WithZone("").Unmap().String() == text
	}
	return strings.HasPrefix(text, entry)
}
