package forward

import (
	"net/netip"

	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sfu"
)

// Rules are those by which a plugin forwards. They are fixed once it has started.
type Rules struct {
	Policy

	Engine  func() *sfu.Engine
	Of      string // the owner of forwarders, for texts: "publisher"
	Network string // of hosts without a family: "ip4" or "ip6", "" = any

	kit.Codes
	Failed int // code for failures that are not the client's fault
}

// Policy says where media may be sent to. Janus has no such settings: the defaults
// deny destinations that make no sense, and those that would come back. A plugin embeds it in the
// settings of its file.
type Policy struct {
	Max       int  `cfg:"rtp_forward_max" range:"1..1048576" lenient:"low=ignore,high=clamp,text=ignore"`
	OwnPorts  bool `cfg:"rtp_forward_own_ports"` // ports of this server
	Multicast bool `cfg:"rtp_forward_multicast"`
	LinkLocal bool `cfg:"rtp_forward_link_local"`
}

// DefaultPolicy is the one without settings. By as many forwarders one request makes
// the server send as many times as much.
var DefaultPolicy = Policy{Max: 64}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Limit reports whether a thing may have n forwarders.
func (r *Rules) Limit(n int) *schema.Error {
	if n <= r.Max {
		return nil
	}
	return kit.Errorf(r.Invalid, "Too many forwarders for one %s (%d at most, see rtp_forward_max)", r.Of, r.Max)
}

// allow reports whether media may be sent to all that a destination names. It looks at
// the network interfaces and is not for a lock.
func (r *Rules) allow(d *Destination) *schema.Error {
	if d.Port == 0 {
		return nil
	}
	if err := r.allowAddr(d.to()); err != nil || d.RTCPPort == 0 {
		return err
	}
	return r.allowAddr(d.rtcp())
}

func (r *Rules) allowAddr(to netip.AddrPort) *schema.Error {
	deny := func(why string) *schema.Error {
		return kit.Errorf(r.Invalid, "Forwarding to %s is not allowed (%s)", to, why)
	}
	switch a := to.Addr().Unmap(); {
	case a.IsUnspecified():
		return deny("unspecified address")
	case a == broadcast:
		return deny("broadcast address")
	case a.IsMulticast() && !r.Multicast:
		return deny("multicast address, see rtp_forward_multicast")
	case a.IsLinkLocalUnicast() && !r.LinkLocal:
		return deny("link-local address, see rtp_forward_link_local")
	}
	if !r.OwnPorts && r.Engine().Owns(to) {
		return deny("a port of this server, see rtp_forward_own_ports")
	}
	return nil
}
