//go:build !linux || netio_portable

package netio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Conn is a bound UDP socket that moves one datagram a system call. One
// goroutine at a time may call RecvBatch and one SendBatch; they may be
// different ones. The other methods may be called from anywhere.
type Conn struct {
	udp   *net.UDPConn
	inet6 bool
	port  uint16
	state atomic.Uint32
	count counters
}

func listenPort(cfg Config, port uint16) (*Conn, error) {
	if cfg.IPv6 {
		c, err := listenNetwork(cfg, "udp", port)
		if err == nil || cfg.Addr.IsValid() || !errors.Is(err, ErrNoFamily) {
			return c, err
		}
	}
	return listenNetwork(cfg, "udp4", port)
}

func listenNetwork(cfg Config, network string, port uint16) (*Conn, error) {
	if cfg.Group.IsValid() {
		return listenGroup(cfg, network, port)
	}
	host := ""
	if cfg.Addr.IsValid() {
		host = cfg.Addr.String()
	}
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(context.Background(), network, net.JoinHostPort(host, strconv.Itoa(int(port))))
	if errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EPROTONOSUPPORT) {
		return nil, fmt.Errorf("netio: %s: %w (%w)", network, ErrNoFamily, err)
	}
	if err != nil {
		return nil, fmt.Errorf("netio: %w", err)
	}
	return setUp(pc.(*net.UDPConn), cfg, network), nil
}

func listenGroup(cfg Config, network string, port uint16) (*Conn, error) {
	var ifc *net.Interface
	if cfg.Interface != "" {
		var err error
		if ifc, err = net.InterfaceByName(cfg.Interface); err != nil {
			return nil, fmt.Errorf("netio: interface %q: %w", cfg.Interface, err)
		}
	}
	if cfg.Group.Is6() {
		network = "udp6"
	}
	udp, err := net.ListenMulticastUDP(network, ifc, net.UDPAddrFromAddrPort(netip.AddrPortFrom(cfg.Group, port)))
	if err != nil {
		return nil, fmt.Errorf("netio: cannot join %v: %w", cfg.Group, err)
	}
	return setUp(udp, cfg, network), nil
}

func setUp(udp *net.UDPConn, cfg Config, network string) *Conn {
	if size := bufferSize(cfg.RecvBuffer); size > 0 {
		_ = udp.SetReadBuffer(size)
	}
	if size := bufferSize(cfg.SendBuffer); size > 0 {
		_ = udp.SetWriteBuffer(size)
	}
	if cfg.DSCP != 0 { // not every system lets a program choose
		_ = ipv4.NewConn(udp).SetTOS(cfg.DSCP << 2)
		_ = ipv6.NewConn(udp).SetTrafficClass(cfg.DSCP << 2)
	}
	local := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	return &Conn{udp: udp, inet6: network != "udp4" && local.Addr().Is6(), port: local.Port()}
}

func isAddrInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) || isAddrInUseSys(err) }

// Port returns the local port.
func (c *Conn) Port() uint16 { return c.port }

// RecvBuffer is the size of the kernel's receive buffer in bytes, 0 = unknown.
func (c *Conn) RecvBuffer() int { return 0 }

// GSO reports whether the kernel cuts segmented messages: not on this system.
func (c *Conn) GSO() bool { return false }

// Wake makes a RecvBatch that waits return at once, or the next one if none
// does. Several calls before that count as one.
func (c *Conn) Wake() {
	if c.state.Swap(stateWoken) == stateWaiting {
		_ = c.udp.SetReadDeadline(past)
	}
}

// Moderate has no effect here.
func (c *Conn) Moderate(time.Duration) {}

// Close closes the socket and makes calls that wait return net.ErrClosed.
func (c *Conn) Close() error {
	if err := c.udp.Close(); err != nil {
		return net.ErrClosed
	}
	return nil
}

// RecvBatch fills the first of ms with a datagram, waiting for it until
// deadline (zero: without end) or until Wake is called; it then returns 0
// without an error. It returns net.ErrClosed after Close. Errors that ICMP
// reports about earlier sending are swallowed.
func (c *Conn) RecvBatch(ms []Message, deadline time.Time) (int, error) {
	if len(ms) == 0 {
		return 0, nil
	}
	for {
		// The deadline comes before the state, so that a Wake that sees
		// "waiting" overwrites it.
		if err := c.udp.SetReadDeadline(deadline); err != nil {
			return 0, net.ErrClosed
		}
		if !c.state.CompareAndSwap(stateIdle, stateWaiting) {
			c.state.Store(stateIdle)
			return 0, nil
		}
		n, _, flags, remote, err := c.udp.ReadMsgUDPAddrPort(ms[0].Buf, nil)
		c.count.syscallsIn.Add(1)
		woken := !c.state.CompareAndSwap(stateWaiting, stateIdle)
		if woken {
			c.state.Store(stateIdle)
		}
		truncated := isTruncated(flags, err)
		switch {
		case err == nil || truncated:
			c.take(&ms[0], n, remote, truncated)
			return 1, nil
		case errors.Is(err, net.ErrClosed):
			return 0, net.ErrClosed
		case woken, !deadline.IsZero() && !time.Now().Before(deadline):
			return 0, nil
		case !errors.Is(err, os.ErrDeadlineExceeded) && !isNetworkError(err):
			return 0, err
		}
	}
}

func (c *Conn) take(m *Message, n int, remote netip.AddrPort, truncated bool) {
	m.N, m.Segment, m.Truncated, m.Refused, m.Local = n, 0, truncated, false, netip.Addr{}
	m.Remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	c.count.datagramsIn.Add(1)
	c.count.bytesIn.Add(uint64(n))
	if truncated {
		c.count.truncated.Add(1)
	}
}

// isNetworkError distinguishes errors of a system call from those of package net.
// Those of a datagram socket are about earlier datagrams.
func isNetworkError(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && errno != syscall.EBADF && errno != syscall.EINVAL
}

// SendBatch sends ms and returns how many of them went out whole. Datagrams
// that the kernel refuses are counted and skipped; while the send buffer is
// full it waits. The only error is net.ErrClosed. Message.Local is not used on
// this system.
func (c *Conn) SendBatch(ms []Message) (int, error) {
	sent := 0
	for i := range ms {
		ok, err := c.sendMessage(&ms[i])
		if err != nil {
			return sent, err
		}
		if ok {
			sent++
		}
	}
	return sent, nil
}

func (c *Conn) sendMessage(m *Message) (whole bool, _ error) {
	to := m.Remote
	if c.inet6 && to.Addr().Is4() {
		to = netip.AddrPortFrom(netip.AddrFrom16(to.Addr().As16()), to.Port())
	} else if !c.inet6 {
		to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	}
	whole = true
	for rest, first := m.Buf, true; first || len(rest) > 0; first = false {
		part := rest
		if m.Segment > 0 && len(rest) > m.Segment {
			part = rest[:m.Segment]
		}
		rest = rest[len(part):]
		_, _, err := c.udp.WriteMsgUDPAddrPort(part, nil, to)
		c.count.syscallsOut.Add(1)
		switch {
		case err == nil:
			c.count.datagramsOut.Add(1)
			c.count.bytesOut.Add(uint64(len(part)))
			continue
		case errors.Is(err, net.ErrClosed):
			return false, net.ErrClosed
		}
		c.count.sendErrors.Add(1)
		whole = false
	}
	return whole, nil
}
