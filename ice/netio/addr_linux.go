//go:build linux && !netio_portable

package netio

import (
	"net"
	"net/netip"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// sockaddr is the memory of an address. The IPv6 form is the larger one; the
// first eight bytes of both mean family, port and, for IPv4, the address.
type sockaddr = unix.RawSockaddrInet6

// encodeAddr writes a destination in the form of the socket's family and
// returns its length, 0 if the socket cannot reach that family.
func (c *Conn) encodeAddr(sa *sockaddr, to netip.AddrPort) uint32 {
	addr := to.Addr()
	port := swap16(to.Port())
	if c.inet6 {
		if !addr.IsValid() {
			return 0
		}
		sa.Family, sa.Port, sa.Flowinfo, sa.Scope_id = unix.AF_INET6, port, 0, 0
		sa.Addr = addr.As16()
		if addr.Zone() != "" {
			sa.Scope_id = c.zones.index(addr.Zone())
		}
		return unix.SizeofSockaddrInet6
	}
	addr = addr.Unmap()
	if !addr.Is4() {
		return 0
	}
	*sa = sockaddr{Family: unix.AF_INET, Port: port}
	a := addr.As4()
	sa.Flowinfo = nativeUint32(a)
	return unix.SizeofSockaddrInet4
}

// decodeAddr reads an address as the kernel writes it.
func (c *Conn) decodeAddr(sa *sockaddr) netip.AddrPort {
	port := swap16(sa.Port)
	switch sa.Family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4(nativeBytes(sa.Flowinfo)), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(c.withZone(netip.AddrFrom16(sa.Addr).Unmap(), sa.Scope_id), port)
	}
	return netip.AddrPort{}
}

// withZone names the interface where the address does not mean anything
// without it.
func (c *Conn) withZone(addr netip.Addr, index uint32) netip.Addr {
	if index == 0 || !addr.Is6() || !addr.IsLinkLocalUnicast() {
		return addr
	}
	return addr.WithZone(c.zones.name(index))
}

// zones remembers the names of interfaces; asking the system costs system
// calls and memory.
type zones struct {
	mu      sync.Mutex
	names   map[uint32]string
	indexes map[string]uint32
}

// maxZones bounds the table; zones come from this machine's interfaces, or
// from addresses that the caller made up.
const maxZones = 1024

func (z *zones) name(index uint32) string {
	z.mu.Lock()
	defer z.mu.Unlock()
	if name, ok := z.names[index]; ok {
		return name
	}
	name := strconv.FormatUint(uint64(index), 10)
	if ifi, err := net.InterfaceByIndex(int(index)); err == nil {
		name = ifi.Name
	}
	z.remember(name, index)
	return name
}

func (z *zones) index(name string) uint32 {
	z.mu.Lock()
	defer z.mu.Unlock()
	if index, ok := z.indexes[name]; ok {
		return index
	}
	index := zoneIndex(name)
	if index != 0 { // an interface that is missing now may come
		z.remember(name, index)
	}
	return index
}

func (z *zones) remember(name string, index uint32) {
	if z.names == nil || len(z.names) >= maxZones || len(z.indexes) >= maxZones {
		z.names = make(map[uint32]string)
		z.indexes = make(map[string]uint32)
	}
	z.names[index] = name
	z.indexes[name] = index
}

// zoneIndex returns the index of an interface by name or number, 0 if there
// is none.
func zoneIndex(zone string) uint32 {
	if ifi, err := net.InterfaceByName(zone); err == nil {
		return uint32(ifi.Index)
	}
	n, err := strconv.ParseUint(zone, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}
