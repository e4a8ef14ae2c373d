// Package turn gets relayed candidates from TURN servers (RFC 8656), by UDP, TCP
// or TLS. The protocol is that of pion/turn.
package turn

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"bifrons/ice/link"
	"bifrons/ice/netio"
)

// Transport is the protocol to the server. It always relays UDP.
type Transport string

// The transports, in the words of configuration files and TURN URIs.
const (
	UDP Transport = "udp"
	TCP Transport = "tcp"
	TLS Transport = "tls"
)

// Server is a TURN server and our credentials there: long-term credentials, which
// may be time-limited.
type Server struct {
	Transport          Transport
	Host               string // a name or an address
	Port               uint16
	Username, Password string
}

func (s Server) String() string { return string(s.Transport) + "://" + s.Addr() }

func portText(p uint16) string { return strconv.Itoa(int(p)) }

// Config says where to allocate.
type Config struct {
	Server  Server
	IPv6    bool           // the server may be reached by IPv6; the relay is IPv4
	RootCAs *x509.CertPool // for TLS, nil = the system's
	DSCP    int            // of packets to the server (RFC 2474), 0..63
	// Lost is called for each datagram that the server did not take, nil = not.
	Lost func()
}

// ErrRefused means that the server answered, but does not want to relay.
var ErrRefused = errors.New("refused by the TURN server")

const (
	// queueSize is how much may wait for the server, in bytes.
	queueSize = 256 << 10
	// releaseWait is how long the answer to the release is waited for; until
	// then it is repeated.
	releaseWait = time.Second
	closeWait   = 3 * time.Second
	bufferSize  = 4096
	// maxRemotes bounds the channels that one allocation is asked for.
	maxRemotes = 512
)

// Relay is an allocation on a server.
type Relay struct {
	server  Server
	sock    *socket
	client  *turn.Client
	conn    net.PacketConn // the relayed one
	relayed netip.AddrPort
	out     *link.Outbox
	lost    func()
	running sync.WaitGroup

	closing  atomic.Bool   // the release was sent, or is about to
	released chan struct{} // closed when the server has answered it
	readEnd  chan struct{} // closed when nothing more comes from the server
	cause    error         // why, after that
}

// Allocate makes an allocation, which is refreshed until Close. The error names
// the server; it is ErrRefused if that has answered.
func Allocate(ctx context.Context, cfg Config) (*Relay, error) {
	r, err := allocate(ctx, &cfg)
	if err != nil {
		if cause := ctx.Err(); cause != nil && errors.Is(cause, context.DeadlineExceeded) {
			err = errors.New("no answer")
		}
		return nil, fmt.Errorf("TURN server %v: %w", cfg.Server, err)
	}
	return r, nil
}

func allocate(ctx context.Context, cfg *Config) (*Relay, error) {
	sock, err := dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	r := &Relay{
		server: cfg.Server, sock: sock, out: link.NewOutbox(queueSize), lost: cfg.Lost,
		released: make(chan struct{}), readEnd: make(chan struct{}),
	}
	if r.lost == nil {
		r.lost = func() {}
	}
	r.client, err = turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: sock.server.String(),
		Username:       cfg.Server.Username,
		Password:       cfg.Server.Password,
		Conn:           sock,
		LoggerFactory:  silent{},

		RequestedAddressFamily: turn.RequestedAddressFamilyIPv4,
	})
	if err != nil {
		_ = sock.Close()
		return nil, err
	}
	r.running.Go(r.read)
	stop := context.AfterFunc(ctx, r.abort)
	r.conn, err = r.client.Allocate()
	intime := stop()
	if err == nil {
		a, _ := r.conn.LocalAddr().(*net.UDPAddr)
		r.relayed = unmap(a.AddrPort())
		r.running.Go(r.write)
		if intime {
			return r, nil
		}
		r.Close()
		err = ctx.Err()
	}
	r.abort()
	r.Wait()
	if r.cause != nil && !errors.Is(r.cause, net.ErrClosed) {
		err = r.cause // rather than its consequence
	}
	return nil, explain(err)
}

// abort ends everything at once.
func (r *Relay) abort() {
	_ = r.sock.Close()
	r.client.Close()
}

// explain names the most likely cause of an error code.
func explain(err error) error {
	var e *stun.TurnError
	if !errors.As(err, &e) {
		return err
	}
	hint := strconv.Itoa(int(e.ErrorCodeAttr.Code)) + " " + string(e.ErrorCodeAttr.Reason)
	switch e.ErrorCodeAttr.Code {
	case stun.CodeUnauthorized, stun.CodeBadRequest: // some answer with the latter
		hint = "wrong user name or password, or they have expired (" + strconv.Itoa(int(e.ErrorCodeAttr.Code)) + ")"
	case stun.CodeAllocQuotaReached:
		hint = "the user has too many allocations (486)"
	}
	return fmt.Errorf("%w: %s", ErrRefused, hint)
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Server is where the allocation is.
func (r *Relay) Server() Server { return r.server }

// Relayed is the address that the server relays to us.
func (r *Relay) Relayed() netip.AddrPort { return r.relayed }

// Base is our own address towards the server.
func (r *Relay) Base() netip.AddrPort {
	switch a := r.sock.LocalAddr().(type) {
	case *net.UDPAddr:
		return unmap(a.AddrPort())
	case *net.TCPAddr:
		return unmap(a.AddrPort())
	}
	return netip.AddrPort{}
}

// Send queues a copy of a datagram for a remote, which gets a permission and a
// channel if it has none. It reports false if there is no room, and never waits.
func (r *Relay) Send(remote netip.AddrPort, b []byte) bool { return r.out.Put(remote, b) }

// Close releases the allocation, after the queued datagrams were sent, as far as the
// server takes it. It does not wait.
func (r *Relay) Close() {
	r.out.Close()
	time.AfterFunc(closeWait, r.abort)
}

// Wait returns when nothing of the relay is left, after Close.
func (r *Relay) Wait() { r.running.Wait() }

// Receive waits for a datagram and puts it into ms, as netio.Conn.RecvBatch
// does. After an error, which says why, nothing more comes.
func (r *Relay) Receive(ms []netio.Message) (int, error) {
	m := &ms[0]
	n, from, err := r.conn.ReadFrom(m.Buf)
	m.N, m.Local, m.Truncated = n, r.relayed.Addr(), errors.Is(err, io.ErrShortBuffer)
	if m.Truncated {
		m.N = len(m.Buf)
		return 1, nil
	}
	if a, ok := from.(*net.UDPAddr); ok {
		m.Remote = unmap(a.AddrPort())
	}
	if err != nil {
		select {
		case <-r.readEnd:
			err = r.cause // rather than its consequence
		default:
		}
	}
	return 1, err
}

// read passes on data from the server, until its connection ends.
func (r *Relay) read() {
	b := make([]byte, bufferSize)
	for answered := false; ; {
		n, from, err := r.sock.ReadFrom(b)
		if err != nil {
			r.cause = err
			close(r.readEnd)
			r.abort()
			r.out.Close()
			return
		}
		_, _ = r.client.HandleInbound(b[:n], from)
		if !answered && r.closing.Load() && answersRefresh(b[:n]) {
			answered = true
			close(r.released)
		}
	}
}

func answersRefresh(b []byte) bool {
	var t stun.MessageType
	if !stun.IsMessage(b) {
		return false
	}
	t.ReadValue(binary.BigEndian.Uint16(b))
	return t.Method == stun.MethodRefresh && t.Class != stun.ClassRequest
}

// write sends queued datagrams, and at the end releases the allocation.
func (r *Relay) write() {
	addrs := make(map[netip.AddrPort]net.Addr)
	for {
		b, ok := r.out.Take()
		if !ok {
			break
		}
		for to, d := b.Next(); d != nil; to, d = b.Next() {
			a := addrs[to]
			switch {
			case a != nil:
			case len(addrs) == maxRemotes:
				r.lost()
				continue
			default:
				a = net.UDPAddrFromAddrPort(to)
				addrs[to] = a
			}
			if _, err := r.conn.WriteTo(d, a); err != nil {
				r.lost()
			}
		}
	}
	r.closing.Store(true)
	limit := time.AfterFunc(releaseWait, r.abort)
	defer limit.Stop()
	_ = r.conn.Close()
	select {
	case <-r.released:
	case <-r.readEnd:
	}
	r.abort()
}
