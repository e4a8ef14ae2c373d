package ua

import (
	"context"
	"net"
	"net/netip"
)

// network is the part of the machine that the endpoint uses; tests have another one.
type network interface {
	listenUDP(at netip.AddrPort) (packetConn, error)
	listenTCP(at netip.AddrPort) (net.Listener, error)
	dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error)
	lookupIP(ctx context.Context, host string) ([]netip.Addr, error)
	lookupSRV(ctx context.Context, service, proto, host string) ([]*net.SRV, error)
	// source is the address that we have for somebody else.
	source(to netip.AddrPort) netip.Addr
}

// packetConn is a UDP socket.
type packetConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	Close() error
}

type realNetwork struct{}

func family(a netip.Addr, proto string) string {
	if a.Is4() {
		return proto + "4"
	}
	return proto + "6"
}

func (realNetwork) listenUDP(at netip.AddrPort) (packetConn, error) {
	c, err := net.ListenUDP(family(at.Addr(), "udp"), net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	tellErrors(c, at.Addr().Is4())
	return c, nil
}

func (realNetwork) listenTCP(at netip.AddrPort) (net.Listener, error) {
	return net.ListenTCP(family(at.Addr(), "tcp"), net.TCPAddrFromAddrPort(at))
}

func (realNetwork) dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	if from.IsValid() && !from.IsUnspecified() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	return d.DialContext(ctx, "tcp", to.String())
}

func (realNetwork) lookupIP(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

func (realNetwork) lookupSRV(ctx context.Context, service, proto, host string) ([]*net.SRV, error) {
	_, list, err := net.DefaultResolver.LookupSRV(ctx, service, proto, host)
	return list, err
}

func (realNetwork) source(to netip.AddrPort) netip.Addr {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to)) // sends nothing
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	return addrPort(c.LocalAddr()).Addr()
}

// addrPort is the address of a UDP or TCP socket.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		ap = a.AddrPort()
	case *net.TCPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
