package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
)

// Address is where a server listens: on Path, a Unix socket; on IP; on the
// addresses of Interface; or on all addresses of the machine.
type Address struct {
	Enabled   bool
	Port      int        // 0 picks a free one
	IP        netip.Addr // unset: not this one
	Interface string     // name of a network interface, or an address
	Path      string     // of a Unix socket; excludes the others
}

// Door says who may come in.
type Door struct {
	ACL  ACL   // connections of other addresses are closed at once
	Max  int   // connections of each listener, 0 = any number
	Gate *Gate // for all listeners together; nil = no other limits
}

// Listen opens it: one listener, or one for each address of
// Interface. A stale Unix socket is removed first. Its connections are given up
// when their peer has been gone for a while.
func (e Address) Listen(door Door) ([]net.Listener, error) {
	if e.Path != "" {
		if err := RemoveStale(e.Path); err != nil {
			return nil, err
		}
		l, err := net.Listen("unix", e.Path)
		if err != nil {
			return nil, err
		}
		return []net.Listener{guard(l, Door{Max: door.Max, Gate: door.Gate})}, nil
	}
	hosts, err := e.hosts()
	if err != nil {
		return nil, err
	}
	var all []net.Listener
	for _, h := range hosts {
		l, err := listenTCP.Listen(context.Background(), "tcp", net.JoinHostPort(h, strconv.Itoa(e.Port)))
		if err != nil {
			for _, l := range all {
				l.Close()
			}
			return nil, err
		}
		all = append(all, guard(l, door))
	}
	return all, nil
}

// RemoveStale removes a Unix socket that nobody has any more. One that somebody has, such as
// another server beside this one, is an error.
func RemoveStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil // to listen there is an error that says more
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		_ = c.Close() // a client that came to look
	}
	if err == nil || errors.Is(err, syscall.EPROTOTYPE) || errors.Is(err, syscall.EAGAIN) { // of another type, or with too many waiting
		return fmt.Errorf("%s: address in use", path)
	}
	return os.Remove(path)
}

// Try says why Listen would fail, as far as that can be known without the port.
// It is not for Unix sockets.
func (e Address) Try() error {
	hosts, err := e.hosts()
	for _, h := range hosts {
		c, err := net.ListenPacket("udp", net.JoinHostPort(h, "0")) // whether the address is one of this machine
		if err != nil {
			return fmt.Errorf("%s: %w", h, err)
		}
		_ = c.Close()
	}
	return err
}

func (e Address) hosts() ([]string, error) {
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

// Explain adds the remedy to an error of Listen or LoadCertificate.
func Explain(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w (may the server's user read the file or use the port?)", err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w (is another server running?)", err)
	}
	return err
}
