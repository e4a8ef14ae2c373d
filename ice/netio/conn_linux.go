//go:build linux && !netio_portable

package netio

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Conn is a bound UDP socket. One goroutine at a time may call RecvBatch and
// one SendBatch; they may be different ones. The other methods may be called
// from anywhere.
//
// The runtime's poller knows the socket through an epoll descriptor that only
// waits for received data. It would also wait for room to send, which
// a socket signals after each datagram that left: that wakes whoever waits on any
// shard. The raw access of an os.File, unlike that of package net, allocates
// nothing when a deadline passes.
type Conn struct {
	sock  *os.File // unknown to the poller
	raw   syscall.RawConn
	ready *os.File // readable when the socket is
	await syscall.RawConn
	inet6 bool // AF_INET6: addresses go to and from the kernel in 16 bytes
	port  uint16
	gso   atomic.Bool
	state atomic.Uint32
	count counters
	zones zones

	refusals bool        // ICMP errors are wanted
	refused  atomic.Bool // there is one that receiving has not reported

	// sendmmsg is the system call; tests put errors in its place.
	sendmmsg func(fd uintptr, hdrs []mmsghdr) (int, unix.Errno)

	rx   receiver
	pace pace
	tx   sender
}

func listenPort(cfg Config, port uint16) (*Conn, error) {
	if cfg.IPv6 {
		c, err := listenFamily(cfg, unix.AF_INET6, port)
		anyAddr := !cfg.Addr.IsValid()
		if err == nil || !anyAddr || !isNoFamily(err) {
			return c, err
		}
	}
	return listenFamily(cfg, unix.AF_INET, port)
}

func listenFamily(cfg Config, family int, port uint16) (*Conn, error) {
	// Not non-blocking yet: os.NewFile would give it to the poller.
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if isNoFamily(err) {
		return nil, fmt.Errorf("netio: %s: %w (%w)", familyName(family), ErrNoFamily, err)
	}
	if err != nil {
		return nil, fmt.Errorf("netio: socket: %w", err)
	}
	c, err := setUp(fd, cfg, family, port)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return c, nil
}

func setUp(fd int, cfg Config, family int, port uint16) (*Conn, error) {
	if err := setOptions(fd, cfg, family); err != nil {
		return nil, err
	}
	bound, err := bind(fd, cfg.Addr, family, port)
	if err != nil {
		return nil, err
	}
	if cfg.Group.IsValid() {
		if err := join(fd, cfg.Group, cfg.Interface); err != nil {
			return nil, err
		}
	}
	ready, err := watch(fd)
	if err != nil {
		return nil, err
	}
	c := &Conn{
		inet6:    family == unix.AF_INET6,
		port:     bound,
		sendmmsg: sendmmsg,
		ready:    ready,
		refusals: cfg.Refusals,
		sock:     os.NewFile(uintptr(fd), "udp"),
	}
	c.gso.Store(!cfg.DisableGSO && probeGSO(fd))
	c.rx.init(c, cfg.Batch)
	c.tx.init(c, cfg.Batch)
	// A look at a blocking socket would check the first datagram, under its lock.
	_ = unix.SetNonblock(fd, true)
	c.raw, _ = c.sock.SyscallConn() // fails for no file only
	c.await, _ = c.ready.SyscallConn()
	if cfg.Loop {
		c.loop()
	}
	return c, nil
}

// watch makes a file that is readable when there is something to receive.
func watch(fd int) (*os.File, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("netio: epoll_create1: %w", err)
	}
	err = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN})
	if err == nil {
		err = unix.SetNonblock(ep, true) // for os.NewFile to give it to the poller
	}
	if err != nil {
		unix.Close(ep)
		return nil, fmt.Errorf("netio: epoll: %w", err)
	}
	f := os.NewFile(uintptr(ep), "udp events")
	if err := f.SetReadDeadline(time.Time{}); err != nil { // the poller did not take it
		f.Close()
		return nil, fmt.Errorf("netio: poller: %w", err)
	}
	return f, nil
}

func setOptions(fd int, cfg Config, family int) error {
	type option struct{ level, name, value int }
	var required []option
	if cfg.DSCP != 0 {
		required = append(required, option{unix.SOL_IP, unix.IP_TOS, cfg.DSCP << 2})
	}
	if cfg.Group.IsValid() {
		required = append(required, option{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1})
	}
	optional := []option{
		{unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT}, // see allowCutting
		{unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1},
	}
	if cfg.GRO {
		optional = append(optional, option{unix.SOL_UDP, unix.UDP_GRO, 1})
	}
	if cfg.Refusals {
		optional = append(optional, option{unix.SOL_IP, unix.IP_RECVERR, 1})
		if family == unix.AF_INET6 {
			optional = append(optional, option{unix.SOL_IPV6, unix.IPV6_RECVERR, 1})
		}
	}
	if family == unix.AF_INET6 {
		v6only := 0
		if cfg.Addr.IsValid() && !cfg.Addr.IsUnspecified() {
			v6only = 1
		}
		required = append(required,
			option{unix.SOL_IPV6, unix.IPV6_V6ONLY, v6only},
			option{unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1})
		if cfg.DSCP != 0 {
			required = append(required, option{unix.SOL_IPV6, unix.IPV6_TCLASS, cfg.DSCP << 2})
		}
		optional = append(optional, option{unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_OMIT})
	} else {
		required = append(required, option{unix.SOL_IP, unix.IP_PKTINFO, 1})
	}
	for _, o := range required {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("netio: setsockopt %d/%d: %w", o.level, o.name, err)
		}
	}
	for _, o := range optional {
		_ = unix.SetsockoptInt(fd, o.level, o.name, o.value)
	}
	setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, bufferSize(cfg.RecvBuffer))
	setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, bufferSize(cfg.SendBuffer))
	return nil
}

// setBuffer goes over the system's limit where it may, else up to it.
func setBuffer(fd, force, plain, size int) {
	if size == 0 {
		return
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, size)
	}
}

func bind(fd int, addr netip.Addr, family int, port uint16) (uint16, error) {
	var sa unix.Sockaddr
	if family == unix.AF_INET6 {
		sa6 := &unix.SockaddrInet6{Port: int(port)}
		if addr.IsValid() {
			sa6.Addr = addr.As16()
			if addr.Zone() != "" {
				sa6.ZoneId = zoneIndex(addr.Zone())
			}
		}
		sa = sa6
	} else {
		sa4 := &unix.SockaddrInet4{Port: int(port)}
		if addr.IsValid() {
			sa4.Addr = addr.As4()
		}
		sa = sa4
	}
	if err := unix.Bind(fd, sa); err != nil {
		if isNoFamily(err) {
			return 0, fmt.Errorf("netio: bind to %v: %w (%w)", addr, ErrNoFamily, err)
		}
		return 0, fmt.Errorf("netio: bind to %v port %d: %w", addr, port, err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("netio: getsockname: %w", err)
	}
	switch bound := bound.(type) {
	case *unix.SockaddrInet6:
		return uint16(bound.Port), nil
	case *unix.SockaddrInet4:
		return uint16(bound.Port), nil
	}
	return 0, fmt.Errorf("netio: getsockname: %w", ErrNoFamily)
}

// join joins a multicast group. The kernel shall not deliver packets of groups that other sockets
// of the machine have joined.
func join(fd int, group netip.Addr, ifc string) error {
	index := 0
	if ifc != "" {
		i, err := net.InterfaceByName(ifc)
		if err != nil {
			return fmt.Errorf("netio: interface %q: %w", ifc, err)
		}
		index = i.Index
	}
	var err error
	if group.Is4() {
		_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_MULTICAST_ALL, 0)
		err = unix.SetsockoptIPMreqn(fd, unix.SOL_IP, unix.IP_ADD_MEMBERSHIP,
			&unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(index)})
	} else {
		_ = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_MULTICAST_ALL, 0)
		err = unix.SetsockoptIPv6Mreq(fd, unix.SOL_IPV6, unix.IPV6_JOIN_GROUP,
			&unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(index)})
	}
	if err != nil {
		return fmt.Errorf("netio: cannot join %v: %w", group, err)
	}
	return nil
}

// probeGSO asks whether the kernel knows segmentation (Linux 4.18) and does it
// right.
func probeGSO(fd int) bool {
	if _, err := unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT); err != nil {
		return false
	}
	var uts unix.Utsname
	if unix.Uname(&uts) != nil {
		return true
	}
	return !gsoBroken(unix.ByteSliceToString(uts.Release[:]))
}

func isNoFamily(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EPFNOSUPPORT) ||
		errors.Is(err, unix.EPROTONOSUPPORT)
}

func isAddrInUse(err error) bool { return errors.Is(err, unix.EADDRINUSE) }

func familyName(family int) string {
	if family == unix.AF_INET6 {
		return "IPv6"
	}
	return "IPv4"
}

// Port returns the local port.
func (c *Conn) Port() uint16 { return c.port }

// RecvBuffer is the size of the kernel's receive buffer in bytes, 0 = unknown.
func (c *Conn) RecvBuffer() int {
	n := 0
	_ = c.raw.Control(func(fd uintptr) {
		n, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	})
	return n / 2 // the kernel counts its own needs as well (socket(7))
}

// GSO reports whether the kernel cuts segmented messages (UDP_SEGMENT). It may
// turn false while sending.
func (c *Conn) GSO() bool { return c.gso.Load() }

// Wake makes a RecvBatch that waits return at once, or the next one if none
// does. Several calls before that count as one.
func (c *Conn) Wake() {
	switch {
	case c.state.Swap(stateWoken) != stateWaiting:
	case c.pace.bell != nil:
		_ = c.pace.rawBell.Control(c.pace.ring)
	default:
		_ = c.ready.SetReadDeadline(past)
	}
}

// Close closes the socket and makes calls that wait return net.ErrClosed.
func (c *Conn) Close() error {
	err := c.ready.Close()
	c.pace.close()
	if c.sock.Close() != nil || err != nil {
		return net.ErrClosed
	}
	return nil
}
