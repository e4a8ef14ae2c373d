package peer

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/srtp/v3"
)

// flightInterval is the first wait before a flight is sent again, as in browsers.
// Servers that are not ready for the first one would look slower with a second.
const flightInterval = 50 * time.Millisecond

// certificate is shared by all peers of the process.
var certificate = sync.OnceValues(selfsign.GenerateSelfSigned)

func fingerprint(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}

// pipe is the packets of one handshake. When that is done it is deaf and dumb,
// so that nothing of DTLS costs the load any more.
type pipe struct {
	p    *Light
	in   chan []byte
	done chan struct{}
	once sync.Once

	mu       sync.Mutex
	deadline time.Time
	changed  chan struct{} // closed when the deadline changes
}

func newPipe(p *Light) *pipe {
	return &pipe{p: p, in: make(chan []byte, 32), done: make(chan struct{}), changed: make(chan struct{})}
}

// deliver lends a datagram.
func (c *pipe) deliver(b []byte) {
	select {
	case c.in <- append([]byte(nil), b...):
	default: // DTLS sends it again
	}
}

// ReadFrom implements net.PacketConn.
func (c *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		c.mu.Lock()
		deadline, changed := c.deadline, c.changed
		c.mu.Unlock()
		var expired <-chan time.Time
		if !deadline.IsZero() {
			t := time.NewTimer(time.Until(deadline))
			defer t.Stop()
			expired = t.C
		}
		select {
		case m := <-c.in:
			return copy(b, m), net.UDPAddrFromAddrPort(c.p.server), nil
		case <-c.done:
			return 0, nil, net.ErrClosed
		case <-expired:
			return 0, nil, os.ErrDeadlineExceeded
		case <-changed:
		}
	}
}

// WriteTo implements net.PacketConn.
func (c *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	select {
	case <-c.done:
		return 0, net.ErrClosed
	default:
		c.p.hub.send(c.p, b)
		return len(b), nil
	}
}

// Close implements net.PacketConn.
func (c *pipe) Close() error {
	c.once.Do(func() { close(c.done) })
	return nil
}

// LocalAddr implements net.PacketConn.
func (c *pipe) LocalAddr() net.Addr { return &net.UDPAddr{IP: c.p.addr.AsSlice()} }

// SetDeadline implements net.PacketConn.
func (c *pipe) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (c *pipe) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	close(c.changed)
	c.changed = make(chan struct{})
	return nil
}

// SetWriteDeadline implements net.PacketConn.
func (c *pipe) SetWriteDeadline(time.Time) error { return nil }

// handshake does DTLS and takes the SRTP keys from it (RFC 5764).
func (p *Light) handshake(ctx context.Context, cert tls.Certificate) error {
	profiles, err := profileList(p.o.Profiles)
	if err != nil {
		return err
	}
	common := []dtls.Option{
		dtls.WithCertificates(cert),
		dtls.WithSRTPProtectionProfiles(profiles...),
		dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true),
		dtls.WithFlightInterval(flightInterval),
	}
	var conn *dtls.Conn
	to := net.UDPAddrFromAddrPort(p.server)
	if p.ice.there.active {
		opts := []dtls.ServerOption{dtls.WithClientAuth(dtls.RequireAnyClientCert)}
		for _, o := range common {
			opts = append(opts, o)
		}
		conn, err = dtls.ServerWithOptions(p.pipe, to, opts...)
	} else {
		var opts []dtls.ClientOption
		for _, o := range common {
			opts = append(opts, o)
		}
		conn, err = dtls.ClientWithOptions(p.pipe, to, opts...)
	}
	if err != nil {
		return err
	}
	defer func() {
		_ = p.pipe.Close() // before the connection, which would say goodbye
		_ = conn.Close()
	}()
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("DTLS: %w", err)
	}
	return p.key(conn)
}

func (p *Light) key(conn *dtls.Conn) error {
	chosen, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return errors.New("no SRTP profile was negotiated")
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return errors.New("no keys can be exported")
	}
	c := srtp.Config{Profile: srtp.ProtectionProfile(chosen)}
	if err := c.ExtractSessionKeysFromDTLS(&state, !p.ice.there.active); err != nil {
		return err
	}
	k := c.Keys
	out, err := srtp.CreateContext(k.LocalMasterKey, k.LocalMasterSalt, c.Profile)
	if err != nil {
		return err
	}
	in, err := srtp.CreateContext(k.RemoteMasterKey, k.RemoteMasterSalt, c.Profile)
	if err != nil {
		return err
	}
	p.profile, p.out = profileName(chosen), out
	p.hub.mu.Lock()
	p.in = in
	p.hub.mu.Unlock()
	return nil
}
