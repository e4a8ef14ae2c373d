package shard

import (
	"net/netip"

	"bifrons/sfu/due"
	"bifrons/sfu/peer"
)

// member is a peer with the shard's own state about it.
type member struct {
	peer            *peer.Peer
	timer           due.Entry[*member]
	ufrag, oldUfrag string
	key             uint32
	addrs           []netip.AddrPort // addresses bound to it, oldest first
	links           []uint32         // ways besides the socket
	gone            bool
}
