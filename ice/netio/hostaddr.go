package netio

import (
	"fmt"
	"net"
	"net/netip"
)

// HostAddr is an address of this machine.
type HostAddr struct {
	Interface string
	// Addr is never IPv4-mapped. A link-local IPv6 address carries the name
	// of the interface as its zone, as in Message.Local.
	Addr     netip.Addr
	Loopback bool
}

// Interfaces returns the unicast addresses of the interfaces that are up, in
// the system's order.
func Interfaces() ([]HostAddr, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("netio: list interfaces: %w", err)
	}
	var out []HostAddr
	for i := range list {
		ifi := &list[i]
		if ifi.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := ifi.Addrs()
		if err != nil {
			continue // the interface went away since it was listed
		}
		for _, a := range addrs {
			if addr, ok := hostAddr(a, ifi.Name); ok {
				out = append(out, HostAddr{
					Interface: ifi.Name,
					Addr:      addr,
					Loopback:  ifi.Flags&net.FlagLoopback != 0,
				})
			}
		}
	}
	return out, nil
}

func hostAddr(a net.Addr, name string) (netip.Addr, bool) {
	var ip net.IP
	switch a := a.(type) {
	case *net.IPNet:
		ip = a.IP
	case *net.IPAddr:
		ip = a.IP
	}
	addr, ok := netip.AddrFromSlice(ip)
	addr = addr.Unmap()
	if !ok || addr.IsUnspecified() || addr.IsMulticast() {
		return netip.Addr{}, false
	}
	if addr.Is6() && addr.IsLinkLocalUnicast() {
		addr = addr.WithZone(name)
	}
	return addr, true
}
