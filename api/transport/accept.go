package transport

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// A peer that vanishes silently is noticed by the probes when nothing is
// sent to it, and by missing acknowledgements when something is (RFC 9293,
// 3.8.3 and 3.8.4).
const (
	probeAfter  = 15 * time.Second // of silence
	probeEvery  = 10 * time.Second
	probes      = 3
	userTimeout = 45 * time.Second // that data may wait to be acknowledged
)

var listenTCP = net.ListenConfig{
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: probeAfter, Interval: probeEvery, Count: probes},
}

// MoreFiles is what to do if no more files may be open.
const MoreFiles = "raise the limit: ulimit -n 65536, or LimitNOFILE=65536 in the systemd unit"

// filesPause is how long no connection is taken when there are no files left.
const filesPause = 200 * time.Millisecond

// guarded lets connections in by a Door.
type guarded struct {
	net.Listener
	door   Door
	crowd  *crowd
	closed chan struct{}
	once   sync.Once
}

func guard(l net.Listener, door Door) net.Listener {
	if door.Gate == nil {
		door.Gate = NewGate(GateConfig{})
	}
	return &guarded{Listener: l, door: door, crowd: door.Gate.crowd(door.Max), closed: make(chan struct{})}
}

// Accept returns the next connection that may come in. One for which there is
// no place waits for it.
func (g *guarded) Accept() (net.Conn, error) {
	gate := g.door.Gate
	for {
		c, err := g.Listener.Accept()
		switch {
		case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE):
			gate.note(Files, netip.Addr{}, "no connection can be taken: no more files may be open",
				"error", err, "remedy", MoreFiles)
			if !g.pause(filesPause) {
				return nil, net.ErrClosed
			}
			continue
		case errors.Is(err, syscall.ECONNABORTED):
			continue // is gone already
		case err != nil:
			return nil, err
		}
		v := &Visitor{Conn: c, gate: gate, addr: address(c), crowds: [2]*crowd{g.crowd, gate.all}}
		v.trusted = gate.trusts(v.addr)
		switch {
		case v.addr.IsValid() && !g.door.ACL.Allows(v.addr.String()):
			c.Close()
			continue
		case !v.trusted && (g.crowd.hasShare(v.addr) || gate.all.hasShare(v.addr)):
			gate.note(Share, v.addr, "an address has its share of connections: more are refused",
				"remedy", "if it is a proxy, trusted_proxies; or connections_per_address, in general of janus.jcfg")
			c.Close()
			continue
		}
		if !g.makeRoom(v) {
			c.Close()
			return nil, net.ErrClosed
		}
		setUserTimeout(c, userTimeout)
		v.enter()
		return v, nil
	}
}

// makeRoom waits for a place, or takes that of a connection that asks for
// nothing; false if the listener was closed.
func (g *guarded) makeRoom(v *Visitor) bool {
	for _, c := range v.crowds {
		for told := false; ; {
			room, out, full := c.full()
			if !full {
				break
			}
			if out != nil {
				v.evict(out)
				continue
			}
			if !told {
				v.gate.note(Full, v.addr, "all connections are in use: others have to wait", "limit", c.limit)
				told = true
			}
			select {
			case <-room:
			case <-g.closed:
				return false
			}
		}
	}
	return true
}

// pause waits; false if the listener was closed.
func (g *guarded) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-g.closed:
		return false
	}
}

func (g *guarded) Close() error {
	g.once.Do(func() { close(g.closed) })
	return g.Listener.Close()
}

// address is that of a TCP peer, invalid for others.
func address(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
