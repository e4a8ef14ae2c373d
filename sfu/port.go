package sfu

import (
	"fmt"
	"net/netip"
	"time"

	"bifrons/ice/netio"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/plain"
	"bifrons/sfu/shard"
)

// Bind says where a port of a Source is.
type Bind struct {
	// Addr is the address to bind to, invalid = any.
	Addr netip.Addr
	// Group is the multicast group to join, invalid = none, and Interface the
	// name of the network interface to join it on, "" = the system's choice.
	Group     netip.Addr
	Interface string
	// PortMin and PortMax are the range to choose from; 0 = any.
	PortMin, PortMax uint16
}

// BindTo makes a Bind from settings: a multicast group, and the name or an
// address of a network interface; "" stands for none. Unspecified addresses are
// any address.
func BindTo(group, ifc string) (b Bind, err error) {
	if ifc != "" {
		if b.Addr, b.Interface, err = findInterface(ifc); err != nil {
			return Bind{}, err
		}
	}
	if group != "" {
		if b.Group, err = netip.ParseAddr(group); err != nil || !b.Group.IsMulticast() {
			return Bind{}, fmt.Errorf("sfu: %q is not a multicast group", group)
		}
	}
	return b, nil
}

// findInterface finds the address and name of an interface by either.
func findInterface(s string) (netip.Addr, string, error) {
	list, err := netio.Interfaces()
	if err != nil {
		return netip.Addr{}, "", fmt.Errorf("sfu: %w", err)
	}
	addr, err := netip.ParseAddr(s)
	if err == nil && addr.IsUnspecified() {
		return netip.Addr{}, "", nil
	}
	for _, a := range list {
		if addr.IsValid() && a.Addr.WithZone("") == addr.Unmap().WithZone("") || a.Interface == s {
			return a.Addr, a.Interface, nil
		}
	}
	return netip.Addr{}, "", fmt.Errorf("sfu: %q is neither an address nor an interface of this machine", s)
}

// portSlots is how many datagrams a port takes at a time.
const portSlots = 32

// port is a UDP socket that feeds a shard, besides the shard's own.
type port struct {
	conn  *netio.Conn
	inbox *shard.Inbox
}

// handle gets a datagram on the loop; it reports whether it kept the
// buffer.
type handle = func(now mono.Time, m *netio.Message, b *pktbuf.Buf) bool

// openPort opens a port and starts its goroutine, which ends when the socket is
// closed. It does not wait for the shard. stay is that of the leg that the port is
// for, nil if it is for several.
func (e *Engine) openPort(st *site, stay *shard.Stay, cfg netio.Config, h handle) (*port, error) {
	conn, err := netio.Listen(cfg)
	if err != nil {
		return nil, fmt.Errorf("sfu: %w", err)
	}
	return e.startPort(st, stay, conn, portSlots, h)
}

// startPort starts the goroutine of a socket, which it takes and closes if it fails. It
// receives so many datagrams at a time.
func (e *Engine) startPort(st *site, stay *shard.Stay, conn *netio.Conn, slots int, h handle) (*port, error) {
	inbox := st.shard.NewInbox(slots, stay, h)
	if inbox == nil {
		_ = conn.Close()
		return nil, ErrClosed
	}
	p := &port{conn: conn, inbox: inbox}
	e.pending.Add(1)
	closed := e.ports.add(conn)
	go func() {
		defer e.pending.Done()
		defer inbox.Close()
		defer closed()
		p.run()
	}()
	return p, nil
}

func (p *port) run() {
	p.inbox.Open()
	for {
		n, err := p.conn.RecvBatch(p.inbox.Slots(), time.Time{})
		if err != nil || n > 0 && !p.inbox.Deliver(n) {
			return
		}
	}
}

// config is a Bind as package netio has it.
func (e *Engine) config(b Bind) netio.Config {
	return netio.Config{
		IPv6: e.cfg.IPv6, Addr: b.Addr, Group: b.Group, Interface: b.Interface,
		PortMin: b.PortMin, PortMax: b.PortMax, DSCP: e.cfg.DSCP,
	}
}

// listen opens a port of the source. f, if not nil, is to send by it.
func (s *Source) listen(b Bind, h handle, f *feedback) (uint16, error) {
	p, err := s.engine.openPort(s.site, s.stay, s.engine.config(b), h)
	if err != nil {
		return 0, err
	}
	if f != nil {
		s.do(func(mono.Time, *plain.Source) { f.conn = p.conn })
	}
	return p.conn.Port(), s.keep(p)
}

// serve makes a socket a port of the leg.
func (l *leg) serve(conn *netio.Conn, slots int, h handle) error {
	p, err := l.engine.startPort(l.site, l.stay, conn, slots, h)
	if err != nil {
		return err
	}
	return l.keep(p)
}

// listenData opens a port whose datagrams do not concern the shard.
func (s *Source) listenData(b Bind, take func(payload []byte)) (uint16, error) {
	conn, err := netio.Listen(s.engine.config(b))
	if err != nil {
		return 0, fmt.Errorf("sfu: %w", err)
	}
	if err := s.keep(&port{conn: conn}); err != nil {
		return 0, err
	}
	s.engine.pending.Add(1)
	closed := s.engine.ports.add(conn)
	go func() {
		defer s.engine.pending.Done()
		defer closed()
		slots := []netio.Message{{Buf: make([]byte, pktbuf.Size)}}
		for {
			n, err := conn.RecvBatch(slots, time.Time{})
			if err != nil {
				return
			}
			if n > 0 && slots[0].N > 0 {
				take(slots[0].Buf[:slots[0].N])
			}
		}
	}()
	return conn.Port(), nil
}

// feedback is the way back to a source. It belongs to the loop.
type feedback struct {
	conn *netio.Conn // nil until the port is open
	to   netip.AddrPort
	msg  [1]netio.Message
}

// learn takes a datagram that came by the port: its sender is where feedback
// goes.
func (f *feedback) learn(_ mono.Time, m *netio.Message, _ *pktbuf.Buf) bool {
	f.to = m.Remote
	return false
}

// send sends RTCP to the source; b is lent.
func (f *feedback) send(b []byte) bool {
	if f.conn == nil || !f.to.IsValid() {
		return false
	}
	f.msg[0] = netio.Message{Buf: b, Remote: f.to}
	_, err := f.conn.SendBatch(f.msg[:])
	return err == nil
}
