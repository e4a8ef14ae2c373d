package ua

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// wire is a network in memory, for bubbles of virtual time.
type wire struct {
	mu    sync.Mutex
	udp   map[netip.AddrPort]*wireUDP
	tcp   map[netip.AddrPort]*wireListener
	port  uint16
	lost  func(from, to netip.AddrPort, b []byte) bool // called with mu held; nil = nothing is
	down  bool
	names map[string][]netip.Addr
	srv   map[string][]*net.SRV
}

func newWire() *wire {
	return &wire{udp: map[netip.AddrPort]*wireUDP{}, tcp: map[netip.AddrPort]*wireListener{}, port: 20000,
		names: map[string][]netip.Addr{}, srv: map[string][]*net.SRV{}}
}

// lose says what is lost from now on.
func (w *wire) lose(f func(from, to netip.AddrPort, b []byte) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost = f
}

func (w *wire) at(a netip.AddrPort) netip.AddrPort {
	if a.Port() == 0 {
		w.port++
		a = netip.AddrPortFrom(a.Addr(), w.port)
	}
	return a
}

type wireUDP struct {
	w     *wire
	local netip.AddrPort
	in    chan wirePacket
	done  chan struct{}
	once  sync.Once
}

type wirePacket struct {
	b    []byte
	from netip.AddrPort
}

func (w *wire) listenUDP(a netip.AddrPort) (packetConn, error) { return w.udpAt(a), nil }

func (w *wire) udpAt(a netip.AddrPort) *wireUDP {
	w.mu.Lock()
	defer w.mu.Unlock()
	u := &wireUDP{w: w, local: w.at(a), in: make(chan wirePacket, 1024), done: make(chan struct{})}
	w.udp[u.local] = u
	return u
}

func (u *wireUDP) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-u.in:
		return copy(b, p.b), p.from, nil
	case <-u.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (u *wireUDP) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	u.w.mu.Lock()
	defer u.w.mu.Unlock()
	if u.w.down || u.w.lost != nil && u.w.lost(u.local, to, b) {
		return len(b), nil
	}
	if dst := u.w.udp[to]; dst != nil {
		select {
		case dst.in <- wirePacket{append([]byte{}, b...), u.local}:
		default: // lost
		}
	}
	return len(b), nil
}

func (u *wireUDP) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(u.local) }

func (u *wireUDP) Close() error {
	u.once.Do(func() {
		close(u.done)
		u.w.mu.Lock()
		defer u.w.mu.Unlock()
		delete(u.w.udp, u.local)
	})
	return nil
}

type wireListener struct {
	w     *wire
	local netip.AddrPort
	in    chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (w *wire) listenTCP(a netip.AddrPort) (net.Listener, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &wireListener{w: w, local: w.at(a), in: make(chan net.Conn, 64), done: make(chan struct{})}
	w.tcp[l.local] = l
	return l, nil
}

func (l *wireListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.in:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *wireListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }

func (l *wireListener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.w.mu.Lock()
		defer l.w.mu.Unlock()
		delete(l.w.tcp, l.local)
	})
	return nil
}

// wireConn is one end of a pipe with addresses.
type wireConn struct {
	net.Conn
	local, remote netip.AddrPort
}

func (c wireConn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c wireConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

func (w *wire) dial(_ context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.tcp[to]
	if l == nil || w.down {
		return nil, errors.New("refused")
	}
	here, there := net.Pipe()
	local := w.at(netip.AddrPortFrom(from, 0))
	l.in <- wireConn{there, to, local}
	return wireConn{here, local, to}, nil
}

func (w *wire) lookupIP(_ context.Context, host string) ([]netip.Addr, error) {
	if host == "slow" {
		time.Sleep(time.Second)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if list := w.names[host]; list != nil && !w.down {
		return list, nil
	}
	return nil, errors.New("no such host")
}

func (w *wire) lookupSRV(_ context.Context, service, proto, host string) ([]*net.SRV, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if list := w.srv["_"+service+"._"+proto+"."+host]; list != nil {
		return list, nil
	}
	return nil, errors.New("no such records")
}

func (w *wire) source(netip.AddrPort) netip.Addr { return netip.MustParseAddr("192.0.2.1") }

// sleepless is a long time for what must not happen.
const sleepless = 10 * time.Minute
