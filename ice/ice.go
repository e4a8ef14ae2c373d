// Package ice is a sans-IO ICE agent (RFC 8445), full and lite.
package ice

import "net/netip"

// Credentials are one side's user fragment and password (RFC 8839, 5.4).
type Credentials struct {
	Ufrag, Pwd string
}

// CandidateType is the type of a candidate (RFC 8445, 5.1.1).
type CandidateType uint8

// Candidate types.
const (
	Host CandidateType = iota
	ServerReflexive
	PeerReflexive
	Relayed
)

// Candidate is one transport address that a peer may be reached at.
type Candidate struct {
	Foundation string
	Component  int
	Transport  string // lower case: "udp" or "tcp"
	Priority   uint32
	Addr       netip.AddrPort // invalid when Name is set
	Name       string         // mDNS name ("….local") in place of an address
	Port       uint16         // port that goes with Name
	Type       CandidateType
	Related    netip.AddrPort // raddr/rport, invalid if absent
	TCPType    string         // "active", "passive", "so" or ""

	// Link is the link that a relayed local candidate is reached by, 0 for all
	// others.
	Link uint32

	// Base is the address of the own interface that a local candidate stands
	// for (RFC 8445, 5.1.1); invalid means that of Addr. Remote candidates
	// have none.
	Base netip.Addr
}

// Path is a pair of transport addresses that datagrams travel on. Local has no
// port: it is that of the socket that received the datagram. An invalid Local
// leaves the source address to the kernel's routing. Link is 0 for that socket;
// else it names another way of its owner: a TCP connection, or an allocation
// on a TURN server, of which Local is the relayed address.
type Path struct {
	Local  netip.Addr
	Remote netip.AddrPort
	Link   uint32
}
