package link

import (
	"net"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Mark sets the DSCP (RFC 2474, 0..63) of packets sent by a TCP or UDP
// connection, as far as the system lets it; 0 changes nothing.
func Mark(c net.Conn, dscp int) {
	if dscp == 0 {
		return
	}
	// A dual-stack socket has both.
	_ = ipv4.NewConn(c).SetTOS(dscp << 2)
	_ = ipv6.NewConn(c).SetTrafficClass(dscp << 2)
}
