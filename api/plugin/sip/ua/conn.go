package ua

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"

	"bifrons/api/task"
	"bifrons/sfu/serial"
)

// connKey identifies a connection by its transport and remote address.
type connKey struct {
	proto string
	addr  netip.AddrPort
	name  string // that the certificate was checked for, of those that we made
}

// conn is a connection by TCP or TLS, ours or one that was accepted.
type conn struct {
	e        *Endpoint
	key      connKey
	local    netip.AddrPort
	accepted bool
	out      *serial.Queue[[]byte]

	// Guarded by e.mu.
	c      net.Conn // nil while it is being made
	first  [][]byte // waits for that
	cancel context.CancelFunc
	ended  bool
}

const (
	dialTime    = 10 * time.Second
	writeTime   = 10 * time.Second
	firstTime   = 30 * time.Second // until who connects has sent a whole message
	idleTime    = 10 * time.Minute
	connPackets = 256
	maxConns    = 4096
)

func (c *conn) proto() string { return c.key.proto }

func (c *conn) self(to netip.AddrPort) netip.AddrPort {
	at := c.e.reachable(c.key.proto, to)
	if !at.IsValid() { // no listener of that kind: by this connection, or not at all
		return c.local
	}
	return at
}

func (c *conn) send(b []byte, _ netip.AddrPort) bool {
	if c.ended {
		return false
	}
	if c.c == nil {
		if len(c.first) >= connPackets {
			return false
		}
		c.first = append(c.first, b)
		return true
	}
	if !c.out.Put(b, connPackets) {
		c.end(errors.New("takes nothing"))
		return false
	}
	return true
}

// flowTo is a flow to a hop; connections are used again.
func (e *Endpoint) flowTo(h hop) flow {
	if h.proto == "UDP" {
		if u := e.udpFor(h.addr.Addr()); u != nil {
			return u
		}
		return nil
	}
	key := connKey{h.proto, h.addr, ""}
	if h.proto == "TLS" {
		key.name = h.name
	}
	if c := e.conns[key]; c != nil {
		return c
	}
	if c := e.conns[connKey{h.proto, h.addr, ""}]; c != nil && h.proto == "TCP" {
		return c
	}
	if len(e.conns) >= maxConns || e.udpFor(h.addr.Addr()) == nil {
		return nil
	}
	c := &conn{e: e, key: key}
	c.out = serial.New(e.tasks.Go, c.write)
	e.conns[key] = c
	ctx, cancel := context.WithTimeout(e.ctx, dialTime)
	c.cancel = cancel
	from := e.udpFor(h.addr.Addr()).local.Addr()
	e.tasks.Go(func() { c.dial(ctx, from) })
	return c
}

// dial makes the connection and reads from it.
func (c *conn) dial(ctx context.Context, from netip.Addr) {
	defer c.cancel()
	nc, err := c.e.net.dial(ctx, from, c.key.addr)
	if err == nil && c.key.proto == "TLS" {
		nc, err = secure(ctx, nc, c.e.cfg.Client, c.key.name)
	}
	taken := false
	c.e.do("a connection", func() {
		switch {
		case err != nil:
			c.e.log.Warn("no connection", "to", c.key.addr, "proto", c.key.proto, "err", err)
			c.end(err)
		case !c.ended:
			c.c, c.local, taken = nc, addrPort(nc.LocalAddr()), true
			for _, b := range c.first {
				c.out.Put(b, connPackets)
			}
			c.first = nil
		}
	})
	if taken {
		c.read()
	} else if nc != nil {
		_ = nc.Close()
	}
}

// secure makes a TLS connection of a TCP connection.
func secure(ctx context.Context, nc net.Conn, cfg *tls.Config, name string) (net.Conn, error) {
	if cfg == nil {
		cfg = &tls.Config{}
	}
	if cfg.ServerName == "" {
		cfg = cfg.Clone()
		cfg.ServerName = name
	}
	t := tls.Client(nc, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return t, nil
}

// accepts takes a connection that somebody else has made, if there is room for it.
func (e *Endpoint) accepts(nc net.Conn, l listener) {
	from := addrPort(nc.RemoteAddr())
	source := sourceOf(from.Addr())
	key := connKey{l.proto, from, ""}
	if e.accepted >= e.cfg.Limits.Connections || e.inbound[source] >= e.cfg.Limits.PerSource || e.conns[key] != nil {
		_ = nc.Close()
		return
	}
	e.accepted++
	e.inbound[source]++
	if l.proto == "TLS" {
		nc = tls.Server(nc, e.cfg.TLS)
	}
	c := &conn{e: e, key: key, c: nc, local: addrPort(nc.LocalAddr()), accepted: true}
	c.out = serial.New(e.tasks.Go, c.write)
	e.conns[key] = c
	e.tasks.Go(c.read)
}

// end closes the connection and fails the requests that wait for it. The lock is held.
func (c *conn) end(err error) {
	if c.ended {
		return
	}
	c.ended = true
	c.first = nil
	if c.cancel != nil {
		c.cancel()
	}
	if c.c != nil {
		_ = c.c.Close()
	}
	if c.e.conns[c.key] == c {
		delete(c.e.conns, c.key)
	}
	if c.accepted {
		source := sourceOf(c.key.addr.Addr())
		c.e.accepted--
		if c.e.inbound[source]--; c.e.inbound[source] <= 0 {
			delete(c.e.inbound, source)
		}
	}
	c.e.log.Debug("connection ends", "with", c.key.addr, "proto", c.key.proto, "err", err)
	c.e.lost(c, err)
}

// write runs on the queue's goroutine.
func (c *conn) write(b []byte) {
	defer task.Contain(c.e.log, "a connection", nil)
	_ = c.c.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := c.c.Write(b); err != nil {
		c.e.do("a connection", func() { c.end(err) })
	}
}

// read receives messages until the connection ends.
func (c *conn) read() {
	s := &stream{p: c.e.parser}
	err := c.readAll(s)
	c.e.do("a connection", func() { c.end(err) })
}

func (c *conn) readAll(s *stream) error {
	b := make([]byte, 4096)
	quiet := idleTime
	if c.accepted {
		quiet = firstTime
	}
	waits := false // for the rest of a message
	// Who sends a little now and then must come to the end of a message all the same.
	_ = c.c.SetReadDeadline(time.Now().Add(quiet))
	for {
		n, err := c.c.Read(b)
		if err != nil {
			return err
		}
		s.buf = append(s.buf, b[:n]...)
		for {
			m, err := s.next()
			var bad *badRequest
			if err != nil && !errors.As(err, &bad) {
				return err
			}
			if s.pings > 0 {
				s.pings = 0
				c.e.do("a ping", func() { c.send([]byte("\r\n"), c.key.addr) })
				if !c.accepted || quiet == idleTime {
					_ = c.c.SetReadDeadline(time.Now().Add(idleTime))
				}
			}
			if m == nil {
				break
			}
			quiet = idleTime
			_ = c.c.SetReadDeadline(time.Now().Add(quiet))
			c.e.arrived(m, err, c, hop{proto: c.key.proto, addr: c.key.addr})
		}
		if s.begun() && !waits {
			_ = c.c.SetReadDeadline(time.Now().Add(firstTime))
		}
		waits = s.begun()
	}
}
