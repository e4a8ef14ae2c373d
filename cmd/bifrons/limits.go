package main

import (
	"fmt"
	"net/netip"

	"bifrons/api/transport"
	"bifrons/ice/netio"
)

// leastFiles is the number of files of a busy server: a socket for each client.
const leastFiles = 4096

// shortage is a limit of the machine that is too low for a busy server.
type shortage struct{ what, remedy string }

// fewFiles judges how many files may be open; nil if those are enough.
func fewFiles(n uint64) *shortage {
	if n >= leastFiles {
		return nil
	}
	return &shortage{
		fmt.Sprintf("only %d files may be open, and every client takes one", n),
		transport.MoreFiles,
	}
}

// smallBuffer judges the receive buffer of a UDP socket, in bytes; 0 is unknown.
func smallBuffer(got int) *shortage {
	const wanted = netio.DefaultBuffer
	if got == 0 || got >= wanted {
		return nil
	}
	return &shortage{
		fmt.Sprintf("a socket gets a receive buffer of %d KiB only: bursts of packets get lost", got>>10),
		fmt.Sprintf("raise it: sysctl -w net.core.rmem_max=%d net.core.wmem_max=%d", wanted, wanted),
	}
}

// reserve is how many of the files that may be open are kept from clients of
// the API: for media, for files, and for the rest that runs.
func reserve(files uint64) uint64 { return max(min(files/4, leastFiles), 16) }

// newGate counts the connections of all transports.
func (s *server) newGate() *transport.Gate {
	g := &s.cfg.Server.General
	cfg := transport.GateConfig{PerAddress: g.ConnectionsPerAddress, Trusted: g.TrustedProxies, Log: s.log}
	if n, ok := openFiles(); ok {
		n = min(n, 1<<30)
		cfg.Max = int(max(n-min(n, reserve(n)), 1))
	}
	return transport.NewGate(cfg)
}

// warnOfLimits logs limits that are too low, with the remedy.
func (s *server) warnOfLimits() {
	var list []*shortage
	if n, ok := openFiles(); ok {
		list = append(list, fewFiles(n))
	}
	if conn, err := netio.Listen(netio.Config{Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1})}); err == nil {
		list = append(list, smallBuffer(conn.RecvBuffer()))
		conn.Close()
	}
	for _, x := range list {
		if x != nil {
			s.log.Warn(x.what, "remedy", x.remedy)
		}
	}
}
