package ua

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"bifrons/api/task"
	"bifrons/sfu/serial"
)

// A flow is a way on which messages go: a UDP socket, or a connection.
type flow interface {
	proto() string // UDP, TCP or TLS, as in Via
	// self is the address at which we can be reached by such a flow, as to is meant to see it.
	self(to netip.AddrPort) netip.AddrPort
	// send queues a message; false if it is lost at once.
	send(b []byte, to netip.AddrPort) bool
}

// hop is a place to send to.
type hop struct {
	proto string
	addr  netip.AddrPort
	name  string // that a certificate has to be for
}

// listener accepts connections.
type listener struct {
	net.Listener
	proto string
	local netip.AddrPort
}

// listen opens the sockets. UDP and TCP have the same port.
func (e *Endpoint) listen() error {
	for _, a := range e.cfg.Addrs {
		a = a.Unmap()
		if err := e.listenAt(a); err != nil {
			return err
		}
	}
	return nil
}

func (e *Endpoint) listenAt(a netip.Addr) error {
	var u *udpSocket
	var tcp net.Listener
	for try := 0; ; try++ {
		c, err := e.net.listenUDP(netip.AddrPortFrom(a, e.cfg.Port))
		if err != nil {
			return err
		}
		u = &udpSocket{e: e, c: c, local: addrPort(c.LocalAddr())}
		if tcp, err = e.net.listenTCP(u.local); err == nil {
			break
		}
		_ = c.Close()
		if e.cfg.Port != 0 || try == 100 {
			return err
		}
	}
	u.out = serial.New(e.tasks.Go, u.write)
	e.udp = append(e.udp, u)
	e.tasks.Go(u.read)
	e.accept(listener{tcp, "TCP", u.local})
	if e.cfg.TLS == nil {
		return nil
	}
	l, err := e.net.listenTCP(netip.AddrPortFrom(a, e.cfg.TLSPort))
	if err != nil {
		return err
	}
	e.accept(listener{l, "TLS", addrPort(l.Addr())})
	return nil
}

func (e *Endpoint) accept(l listener) {
	e.lists = append(e.lists, l)
	e.tasks.Go(func() {
		for {
			c, err := l.Accept()
			switch {
			case errors.Is(err, net.ErrClosed):
				return
			case err != nil: // no file descriptors
				e.log.Warn("no connection accepted", "err", err)
				pause := time.NewTimer(100 * time.Millisecond)
				<-pause.C
			default:
				e.do("a connection", func() { e.accepts(c, l) })
				e.dropIfClosed(c)
			}
		}
	})
}

// dropIfClosed closes a connection that came when the endpoint was closed already.
func (e *Endpoint) dropIfClosed(c net.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		_ = c.Close()
	}
}

// udpFor is the socket of the family of an address, nil if there is none.
func (e *Endpoint) udpFor(to netip.Addr) *udpSocket {
	for _, u := range e.udp {
		if u.local.Addr().Is4() == to.Is4() {
			return u
		}
	}
	return nil
}

// reachable is where we listen for a protocol, as the other side sees it.
func (e *Endpoint) reachable(proto string, to netip.AddrPort) (at netip.AddrPort) {
	for _, l := range e.lists {
		if l.proto == proto && l.local.Addr().Is4() == to.Addr().Is4() {
			at = l.local
		}
	}
	if at.Addr().IsUnspecified() {
		at = netip.AddrPortFrom(e.net.source(to), at.Port())
	}
	return at
}

// closeSockets ends all flows.
func (e *Endpoint) closeSockets() {
	for _, u := range e.udp {
		_ = u.c.Close()
	}
	for _, l := range e.lists {
		_ = l.Close()
	}
	for _, c := range e.conns {
		c.end(net.ErrClosed)
	}
}

// udpSocket is the UDP socket of an address family.
type udpSocket struct {
	e     *Endpoint
	c     packetConn
	local netip.AddrPort
	out   *serial.Queue[packet]
}

type packet struct {
	b  []byte
	to netip.AddrPort
}

// maxPackets is how many messages wait for a flow.
const maxPackets = 4096

func (u *udpSocket) proto() string { return "UDP" }

func (u *udpSocket) self(to netip.AddrPort) netip.AddrPort { return u.e.reachable("TCP", to) } // the same port

func (u *udpSocket) send(b []byte, to netip.AddrPort) bool {
	return u.out.Put(packet{b, to}, maxPackets)
}

// write sends a datagram. An error that is reported may be that of an earlier one.
func (u *udpSocket) write(p packet) {
	defer task.Contain(u.e.log, "a UDP socket", nil)
	_, err := u.c.WriteToUDPAddrPort(p.b, p.to)
	for try := 0; err != nil && try < 3; try++ {
		if errors.Is(err, net.ErrClosed) {
			return
		}
		u.errors()
		_, err = u.c.WriteToUDPAddrPort(p.b, p.to)
	}
	if err != nil {
		u.e.do("an error of UDP", func() { u.e.unreachable("UDP", p.to) })
	}
}

// errors fails the requests to destinations that ICMP errors are about.
func (u *udpSocket) errors() {
	for _, to := range unreachable(u.c) {
		u.e.do("an ICMP error", func() { u.e.unreachable("UDP", to) })
	}
}

func (u *udpSocket) read() {
	b := make([]byte, 65536)
	for {
		n, from, err := u.c.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			u.errors()
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		u.e.datagram(b[:n], u, from)
	}
}

// datagram handles a datagram.
func (e *Endpoint) datagram(b []byte, u flow, from netip.AddrPort) {
	if len(b) < 16 || len(b) > e.cfg.Limits.Message {
		return // a ping, or nothing
	}
	m, err := parseDatagram(e.parser, b)
	e.arrived(m, err, u, hop{proto: "UDP", addr: from})
}
