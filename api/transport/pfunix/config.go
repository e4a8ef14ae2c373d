// Package pfunix carries the Janus API and the Admin API over Unix sockets that
// keep the bounds of messages (unix(7), SOCK_SEQPACKET and SOCK_DGRAM): one
// JSON object a packet, in both directions.
package pfunix

import (
	"os"

	"bifrons/api/janus"
	"bifrons/api/transport"
)

// Package is the name of this transport in the Janus API.
const Package = "janus.transport.pfunix"

// maxPacket is the size in bytes of the largest request; larger ones are
// dropped.
const maxPacket = 8192

// Type is the type of a socket.
type Type uint8

// Types of sockets.
const (
	SeqPacket Type = iota // clients connect
	Datagram              // clients are known by the path that they send from
)

// ParseType maps a configuration value to a Type.
func ParseType(s string) (Type, bool) {
	switch s {
	case "", "SOCK_SEQPACKET":
		return SeqPacket, true
	case "SOCK_DGRAM":
		return Datagram, true
	}
	return SeqPacket, false
}

// Config holds the parameters of a Server. Zero values mean the defaults.
type Config struct {
	API, Admin Address
	transport.Common
}

// Address is a socket on which one of the two APIs is served.
type Address struct {
	Enabled bool
	Path    string // of the socket; an old socket there is removed
	Type    Type

	// Socket is one that systemd has opened, in place of Path and Type. New
	// takes it over.
	Socket *os.File
}

// Core is the part of the core that a Server uses; janus.Core implements it.
type Core interface {
	Handle(conn janus.Conn, r janus.Request, reply func(msg []byte))
	Gone(conn janus.Conn)
}
