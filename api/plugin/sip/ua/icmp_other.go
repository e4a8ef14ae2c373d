//go:build !linux

package ua

import (
	"net"
	"net/netip"
)

func tellErrors(*net.UDPConn, bool) {}

func unreachable(packetConn) []netip.AddrPort { return nil }
