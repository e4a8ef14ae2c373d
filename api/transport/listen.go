package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
)

// Endpoint is where a server listens: on Path, a Unix socket; on IP; on the
// addresses of Interface; or on all addresses of the machine.
type Endpoint struct {
	Enabled   bool
	Port      int        // 0 picks a free one
	IP        netip.Addr // unset: not this one
	Interface string     // name of a network interface, or an address
	Path      string     // of a Unix socket; excludes the others
}

// Listen opens the endpoint: one listener, or one for each address of
// Interface. A stale Unix socket is removed first. Connections of addresses
// that acl does not allow are closed at once, and while limit connections are
// open (0: any number) further ones wait for their turn.
func (e Endpoint) Listen(acl ACL, limit int) ([]net.Listener, error) {
	if e.Path != "" {
		if info, err := os.Lstat(e.Path); err == nil && info.Mode()&os.ModeSocket != 0 {
			os.Remove(e.Path)
		}
		l, err := net.Listen("unix", e.Path)
		if err != nil {
			return nil, err
		}
		return []net.Listener{guard(l, ACL{}, limit)}, nil
	}
	hosts, err := e.hosts()
	if err != nil {
		return nil, err
	}
	var all []net.Listener
	for _, h := range hosts {
		l, err := net.Listen("tcp", net.JoinHostPort(h, strconv.Itoa(e.Port)))
		if err != nil {
			for _, l := range all {
				l.Close()
			}
			return nil, err
		}
		all = append(all, guard(l, acl, limit))
	}
	return all, nil
}

func (e Endpoint) hosts() ([]string, error) {
	switch {
	case e.IP.IsValid():
		return []string{e.IP.String()}, nil
	case e.Interface == "":
		return []string{""}, nil
	case net.ParseIP(e.Interface) != nil:
		return []string{e.Interface}, nil
	}
	dev, err := net.InterfaceByName(e.Interface)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", e.Interface, err)
	}
	addrs, err := dev.Addrs()
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", e.Interface, err)
	}
	var hosts []string
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		host := n.IP.String()
		if n.IP.To4() == nil && n.IP.IsLinkLocalUnicast() {
			host += "%" + dev.Name
		}
		hosts = append(hosts, host)
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("interface %s has no address", e.Interface)
	}
	return hosts, nil
}

// guarded applies an access list and a limit to a listener.
type guarded struct {
	net.Listener
	acl    ACL
	slots  chan struct{} // nil: no limit
	closed chan struct{}
	once   atomic.Bool
}

func guard(l net.Listener, acl ACL, limit int) net.Listener {
	g := &guarded{Listener: l, acl: acl, closed: make(chan struct{})}
	if limit > 0 {
		g.slots = make(chan struct{}, limit)
	}
	return g
}

func (g *guarded) Accept() (net.Conn, error) {
	if g.slots != nil {
		select {
		case g.slots <- struct{}{}:
		case <-g.closed:
			return nil, net.ErrClosed
		}
	}
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			g.free()
			return nil, err
		}
		if ip, ok := c.RemoteAddr().(*net.TCPAddr); ok && !g.acl.Allows(ip.IP.String()) {
			c.Close()
			continue
		}
		if g.slots == nil {
			return c, nil
		}
		return &counted{Conn: c, free: g.free}, nil
	}
}

func (g *guarded) free() {
	if g.slots != nil {
		<-g.slots
	}
}

func (g *guarded) Close() error {
	if g.once.CompareAndSwap(false, true) {
		close(g.closed)
	}
	return g.Listener.Close()
}

// counted gives its slot back when it is closed.
type counted struct {
	net.Conn
	free func()
	done atomic.Bool
}

func (c *counted) Close() error {
	err := c.Conn.Close()
	if c.done.CompareAndSwap(false, true) {
		c.free()
	}
	return err
}

// Explain adds to an error of Listen or LoadCertificate what to do about it.
func Explain(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w (may the server's user read the file or use the port?)", err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w (is another server running?)", err)
	}
	return err
}
