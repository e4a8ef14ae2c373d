package turn

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"bifrons/ice/link"
)

// writeTimeout is how long the server's connection may take nothing.
const writeTimeout = 10 * time.Second

// socket is the way to a server as pion/turn wants it: a net.PacketConn. There
// is one destination only.
type socket struct {
	net.Conn
	server net.Addr      // a *net.UDPAddr, whatever the transport
	stream *bufio.Reader // nil for UDP
}

// dial connects to a server.
func dial(ctx context.Context, cfg *Config) (*socket, error) {
	s := &cfg.Server
	network := map[Transport]string{UDP: "udp", TCP: "tcp", TLS: "tcp"}[s.Transport]
	if network == "" {
		return nil, errors.New("unknown transport")
	}
	if !cfg.IPv6 {
		network += "4"
	}
	var d interface {
		DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	} = &net.Dialer{}
	if s.Transport == TLS {
		d = &tls.Dialer{Config: &tls.Config{ServerName: s.Host, RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12}}
	}
	conn, err := d.DialContext(ctx, network, s.Addr())
	if err != nil {
		return nil, err
	}
	if t, ok := conn.(*tls.Conn); ok {
		link.Mark(t.NetConn(), cfg.DSCP)
	} else {
		link.Mark(conn, cfg.DSCP)
	}
	k := &socket{Conn: conn, server: conn.RemoteAddr()}
	if t, ok := k.server.(*net.TCPAddr); ok {
		k.server = &net.UDPAddr{IP: t.IP, Port: t.Port, Zone: t.Zone}
		k.stream = bufio.NewReaderSize(conn, 16<<10)
	}
	return k, nil
}

// ReadFrom implements net.PacketConn.
func (k *socket) ReadFrom(b []byte) (n int, from net.Addr, err error) {
	if k.stream == nil {
		n, err = k.Conn.Read(b)
	} else {
		n, err = readMessage(k.stream, b)
	}
	return n, k.server, err
}

// WriteTo implements net.PacketConn. A stream of which a part was not written is
// of no more use.
func (k *socket) WriteTo(b []byte, _ net.Addr) (int, error) {
	if k.stream == nil {
		return k.Conn.Write(b)
	}
	_ = k.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := k.Conn.Write(b)
	if err != nil {
		_ = k.Conn.Close()
	}
	return n, err
}

var errFraming = errors.New("ice/turn: neither STUN nor ChannelData")

// readMessage takes one message out of a stream (RFC 8656, 3.1 and 12.5). One that
// is larger than b is skipped, and 0 returned for it.
func readMessage(r *bufio.Reader, b []byte) (int, error) {
	h, err := r.Peek(4)
	if err != nil {
		return 0, err
	}
	n := int(binary.BigEndian.Uint16(h[2:]))
	switch {
	case h[0] < 4: // STUN
		n += 20
	case h[0] >= 0x40 && h[0] < 0x50: // ChannelData, padded
		n = 4 + (n+3)&^3
	default:
		return 0, errFraming
	}
	if n > len(b) {
		_, err = r.Discard(n)
		return 0, err
	}
	return io.ReadFull(r, b[:n])
}

// Addr is the server's host and port.
func (s *Server) Addr() string {
	return net.JoinHostPort(strings.Trim(s.Host, "[]"), portText(s.Port))
}
