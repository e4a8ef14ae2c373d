package ua

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// tellErrors has the kernel keep ICMP errors of a socket that is not connected, so that a port where nobody listens
// is known at once.
func tellErrors(c *net.UDPConn, v4 bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if v4 {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1)
		} else {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
		}
	})
}

// unreachable are the destinations that errors were kept for.
func unreachable(c packetConn) (list []netip.AddrPort) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) {
		var b, oob [512]byte
		for range 64 {
			_, _, _, from, err := unix.Recvmsg(int(fd), b[:], oob[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			switch a := from.(type) {
			case *unix.SockaddrInet4:
				list = append(list, netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)))
			case *unix.SockaddrInet6:
				list = append(list, netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port)))
			}
		}
	})
	return list
}
