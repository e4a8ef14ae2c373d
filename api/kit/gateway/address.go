package gateway

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// lookupTimeout bounds how long the names in a description are looked up.
const lookupTimeout = 5 * time.Second

// target is where the far end takes one kind of media.
type target struct {
	rtp  netip.AddrPort // invalid = it wants none for now
	rtcp netip.AddrPort // invalid = the port behind that of RTP
}

// targets are those of both kinds.
type targets [numKinds]target

// target is where a section of the far end's takes media. It is the zero value if that wants none for now: 0.0.0.0 is
// how calls were held once (RFC 3264, 8.4). It looks names up.
func (l *Leg) target(s *sdp.Section) (to target, err *schema.Error) {
	if to.rtp, err = l.address(s, s.Address, s.Port); err != nil || !to.rtp.IsValid() || s.RTCP.Port == 0 {
		return to, err
	}
	at := s.RTCP.Address
	if at == "" {
		at = s.Address
	}
	usual := netip.AddrPortFrom(to.rtp.Addr(), to.rtp.Port()+1)
	if s.RTCP.Port == int(usual.Port()) && at == s.Address {
		return to, nil
	}
	to.rtcp, err = l.address(s, at, s.RTCP.Port)
	return to, err
}

// address is an address in a section of the far end's, invalid if that is 0.0.0.0.
func (l *Leg) address(s *sdp.Section, host string, port int) (netip.AddrPort, *schema.Error) {
	text, _, _ := strings.Cut(host, "/") // a multicast address has a TTL behind it, which is refused anyway
	a, err := netip.ParseAddr(text)
	if err != nil {
		if a, err = l.lookup(text); err != nil {
			return netip.AddrPort{}, kit.Errorf(l.cfg.NoMedia, "Invalid SDP (no address for the %s: %.80q)", s.Kind, host)
		}
	}
	if a = a.Unmap().WithZone(""); a.IsUnspecified() {
		return netip.AddrPort{}, nil
	}
	to := netip.AddrPortFrom(a, uint16(port))
	if why := l.cfg.denied(to); why != "" {
		return netip.AddrPort{}, kit.Errorf(l.cfg.NoMedia, "Invalid SDP (no %s to %s: %s)", s.Kind, to, why)
	}
	return to, nil
}

func (l *Leg) lookup(name string) (netip.Addr, error) {
	if !isHostName(name) {
		return netip.Addr{}, &net.DNSError{Err: "no name of a host", Name: name}
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	list, err := l.cfg.Engine().LookupHost(ctx, l.host.SessionID(), "ip", name)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, a := range list {
		if a.Unmap().Is4() {
			return a, nil
		}
	}
	if len(list) == 0 {
		return netip.Addr{}, &net.DNSError{Err: "no address", Name: name}
	}
	return list[0], nil
}

// isHostName reports whether a text may be the name of a host (RFC 1123, 2.1).
func isHostName(text string) bool {
	other := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-'
	}
	return text != "" && len(text) < 254 && text[0] != '-' && !strings.ContainsFunc(text, other)
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// denied says why media may not be sent somewhere, "" if it may. Legs of calls on this machine are no
// other ports of this server's.
func (c *Config) denied(to netip.AddrPort) string {
	switch a := to.Addr(); {
	case a.IsMulticast(), a == broadcast:
		return "it is not the address of one host"
	case c.Engine().OwnsOther(to):
		return "a port of this server for other media"
	}
	return ""
}

// shown is the address of this side in descriptions. far is where the far end takes media, invalid if that is not
// known yet.
func (c *Config) shown(far netip.AddrPort) netip.Addr {
	switch {
	case c.SDPAddr.IsValid():
		return c.SDPAddr
	case c.Addr.IsValid() && !c.Addr.IsUnspecified():
		return c.Addr
	case far.IsValid():
		if a, err := toward(far); err == nil {
			return a
		}
	}
	return c.Engine().LocalIP()
}

// toward is the address of this machine that leads somewhere. Nothing is sent.
func toward(to netip.AddrPort) (netip.Addr, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// neighbours are the addresses that may be meant by one: its network, as far as that can be guessed.
func neighbours(a netip.Addr) netip.Prefix {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}
