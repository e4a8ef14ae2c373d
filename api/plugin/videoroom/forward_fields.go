package videoroom

import (
	"net/netip"

	"bifrons/api/schema"
	"bifrons/sdp"
)

// forwardPolicy says where media may be sent to. Janus has no such settings: the
// defaults deny what nobody forwards to, and what would come back.
type forwardPolicy struct {
	most      int  // forwarders of one publisher
	own       bool // ports of this server
	multicast bool
	linkLocal bool
}

// defaultForwarders is how many forwarders a publisher may have, by which one
// request makes the server send as many times as much.
const defaultForwarders = 64

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// mayForward tells whether media may be sent to an address. It looks at the
// network interfaces and is not for a lock.
func (p *Plugin) mayForward(to netip.AddrPort) *schema.Error {
	x := &p.general.forward
	deny := func(why string) *schema.Error {
		return errorf(errInvalidElement, "Forwarding to %s is not allowed (%s)", to, why)
	}
	switch a := to.Addr().Unmap(); {
	case a.IsUnspecified():
		return deny("unspecified address")
	case a == broadcast:
		return deny("broadcast address")
	case a.IsMulticast() && !x.multicast:
		return deny("multicast address, see rtp_forward_multicast")
	case a.IsLinkLocalUnicast() && !x.linkLocal:
		return deny("link-local address, see rtp_forward_link_local")
	}
	if !x.own && p.gw.Engine().Owns(to) {
		return deny("a port of this server, see rtp_forward_own_ports")
	}
	return nil
}

// check looks at all that a forwarder sends to.
func (x *forwarding) check(p *Plugin) *schema.Error {
	err := p.mayForward(x.to)
	if err == nil && x.rtcp != 0 {
		err = p.mayForward(netip.AddrPortFrom(x.to.Addr(), x.rtcp))
	}
	return err
}

// mayHave tells whether a publisher may have n more forwarders. room.mu is held.
func (p *publisher) mayHave(n int) *schema.Error {
	for _, s := range p.streams {
		n += len(s.forwarders)
	}
	if n > p.room.plugin.general.forward.most {
		return p.room.plugin.tooMany()
	}
	return nil
}

func (p *Plugin) tooMany() *schema.Error {
	return errorf(errInvalidElement, "Too many forwarders for one publisher (%d at most, see rtp_forward_max)", p.general.forward.most)
}

// cascadeSize is how many forwarders one more server takes. room.mu is held.
func (p *publisher) cascadeSize() (n int) {
	for _, s := range p.streams {
		n += s.cascadeSize()
	}
	return n
}

func (s *stream) cascadeSize() int {
	switch {
	case s.disabled:
		return 0
	case s.simulcast && s.kind == sdp.Video:
		return numEncodings
	}
	return 1
}
