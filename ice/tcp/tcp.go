// Package tcp is the passive side of ICE-TCP (RFC 6544): a listener for
// connections that begin with a connectivity check.
package tcp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"bifrons/ice"
	"bifrons/ice/link"
)

// Handler takes a connection and its first frame, a STUN message, which nothing
// is known of yet. It runs on a goroutine of the connection, which is closed
// when it returns.
type Handler func(c *Conn, first []byte)

// Config sets up a Listener. The zero value of a field means its default.
type Config struct {
	IPv6 bool // IPv4 and IPv6, else IPv4 only
	// Addr is the address to bind to, default any.
	Addr netip.Addr
	// Port is taken if it is free; else one from PortMin to PortMax, or if
	// they are 0, any.
	Port, PortMin, PortMax uint16
	// DSCP marks sent packets (RFC 2474), 0..63.
	DSCP int

	Handler Handler

	// Pending is how many connections may be without a first frame, and
	// PendingFrom how many of those from one address (for IPv6 a /64). One
	// more takes the place of the oldest. Timeout is how long each of them has.
	Pending, PendingFrom int
	Timeout              time.Duration
}

// Defaults of Config.
const (
	defaultPending     = 256
	defaultPendingFrom = 32
	defaultTimeout     = 5 * time.Second
)

// Listener accepts connections.
type Listener struct {
	cfg      Config
	listener *net.TCPListener
	running  sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	waiting []waiter // without a first frame, oldest first
	taken   map[*Conn]struct{}
}

// waiter is a connection that has not said anything yet.
type waiter struct {
	conn *net.TCPConn
	from netip.Prefix
}

// Listen opens a listener and starts to accept.
func Listen(cfg Config) (*Listener, error) {
	def(&cfg.Pending, defaultPending)
	def(&cfg.PendingFrom, defaultPendingFrom)
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	tl, err := listen(&cfg)
	if err != nil {
		return nil, fmt.Errorf("ice/tcp: %w", err)
	}
	l := &Listener{cfg: cfg, listener: tl, taken: make(map[*Conn]struct{})}
	l.running.Go(l.accept)
	return l, nil
}

func def(p *int, v int) {
	if *p <= 0 {
		*p = v
	}
}

func listen(cfg *Config) (*net.TCPListener, error) {
	if cfg.Port != 0 {
		if l, err := listenOn(cfg, cfg.Port); err == nil {
			return l, nil
		}
	}
	if cfg.PortMin == 0 && cfg.PortMax == 0 {
		return listenOn(cfg, 0)
	}
	low, high := int(max(cfg.PortMin, 1)), int(cfg.PortMax)
	if high == 0 {
		high = 65535
	}
	size := high - low + 1
	if size < 1 {
		return nil, fmt.Errorf("port range %d-%d is empty", low, high)
	}
	start := rand.IntN(size)
	var err error
	for i := range size {
		var l *net.TCPListener
		if l, err = listenOn(cfg, uint16(low+(start+i)%size)); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("no free TCP port in %d-%d: %w", low, high, err)
}

func listenOn(cfg *Config, port uint16) (*net.TCPListener, error) {
	network := "tcp4"
	if cfg.IPv6 {
		network = "tcp"
	}
	a := &net.TCPAddr{Port: int(port)}
	if cfg.Addr.IsValid() {
		a.IP, a.Zone = cfg.Addr.AsSlice(), cfg.Addr.Zone()
	}
	return net.ListenTCP(network, a)
}

// Port is the port of the listener.
func (l *Listener) Port() uint16 { return addrPort(l.listener.Addr()).Port() }

// Pending is the number of connections without a first frame.
func (l *Listener) Pending() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

// Close ends the listener and all its connections, and waits for the Handlers.
func (l *Listener) Close() {
	l.mu.Lock()
	l.closed = true
	for _, w := range l.waiting {
		_ = w.conn.Close()
	}
	l.waiting = nil
	for c := range l.taken {
		c.Close()
	}
	l.mu.Unlock()
	_ = l.listener.Close()
	l.running.Wait()
}

// accept is the listener's goroutine.
func (l *Listener) accept() {
	const longest = time.Second
	wait := time.Millisecond
	for {
		c, err := l.listener.AcceptTCP()
		switch {
		case err == nil:
			wait = time.Millisecond
			l.admit(c)
		case errors.Is(err, net.ErrClosed):
			return
		default: // too many open files, most likely
			time.Sleep(wait)
			wait = min(2*wait, longest)
		}
	}
}

// admit lets a connection say whose it is.
func (l *Listener) admit(c *net.TCPConn) {
	w := waiter{c, network(addrPort(c.RemoteAddr()).Addr())}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = c.Close()
		return
	}
	oldest, same := -1, 0
	for i, o := range l.waiting {
		if o.from == w.from {
			if same++; oldest < 0 {
				oldest = i
			}
		}
	}
	switch {
	case same >= l.cfg.PendingFrom:
		l.evict(oldest)
	case len(l.waiting) >= l.cfg.Pending:
		l.evict(0)
	}
	l.waiting = append(l.waiting, w)
	l.running.Go(func() { l.serve(c) })
}

func (l *Listener) evict(i int) {
	_ = l.waiting[i].conn.Close()
	l.waiting = slices.Delete(l.waiting, i, i+1)
}

// network is the prefix of which one host may have all addresses.
func network(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.WithZone("").Prefix(bits)
	return p
}

// serve reads the first frame and hands the connection over.
func (l *Listener) serve(tc *net.TCPConn) {
	_ = tc.SetReadDeadline(time.Now().Add(l.cfg.Timeout))
	first := readFirst(tc)
	c := newConn(tc)
	if !l.take(c) || first == nil || !ice.IsSTUN(first) {
		l.release(c)
		return
	}
	_ = tc.SetReadDeadline(time.Time{})
	link.Mark(tc, l.cfg.DSCP)
	l.cfg.Handler(c, first)
	c.Close()
	c.writer.Wait()
	l.release(c)
}

// take moves a connection from the waiting ones to the known ones. It
// reports false if that is too late.
func (l *Listener) take(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.waiting, func(w waiter) bool { return w.conn == c.conn })
	if i < 0 || l.closed {
		return false
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	l.taken[c] = struct{}{}
	return true
}

func (l *Listener) release(c *Conn) {
	_ = c.conn.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.taken, c)
}
