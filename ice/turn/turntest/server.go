// Package turntest is a TURN server on loopback, for tests.
package turntest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"
)

// The only user.
const (
	User     = "user"
	Password = "secret"
)

// Options shape a Server.
type Options struct {
	// Permit reports whether a peer may be relayed to, nil = all.
	Permit func(ip net.IP) bool
	// Lifetime is that of allocations, 0 = 10 minutes.
	Lifetime time.Duration
}

// Server is a running TURN server.
type Server struct {
	Roots         *x509.CertPool // that its certificate can be checked by
	UDP, TCP, TLS uint16         // ports on 127.0.0.1

	server *turn.Server
	conns  []io.Closer // that are open, listeners included
	mu     sync.Mutex
	once   sync.Once
}

// Start starts a server, which ends with the test at the latest.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	cert, err := s.certificate()
	must(err)
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	must(err)
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	must(err)
	secure, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	must(err)
	s.UDP, s.TCP, s.TLS = port(udp.LocalAddr()), port(tcp.Addr()), port(secure.Addr())

	var permit turn.PermissionHandler
	if o.Permit != nil {
		permit = func(_ net.Addr, ip net.IP) bool { return o.Permit(ip) }
	}
	relay := &turn.RelayAddressGeneratorStatic{RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1"}
	s.server, err = turn.NewServer(turn.ServerConfig{
		Realm:              "bifrons.test",
		LoggerFactory:      &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled},
		AllocationLifetime: o.Lifetime,
		AuthHandler: func(a *turn.RequestAttributes) (string, []byte, bool) {
			return a.Username, turn.GenerateAuthKey(User, a.Realm, Password), a.Username == User
		},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: udp, RelayAddressGenerator: relay, PermissionHandler: permit}},
		ListenerConfigs: []turn.ListenerConfig{
			{Listener: &listener{tcp, s}, RelayAddressGenerator: relay, PermissionHandler: permit},
			{Listener: &listener{secure, s}, RelayAddressGenerator: relay, PermissionHandler: permit},
		},
	})
	must(err)
	t.Cleanup(s.Close)
	return s
}

// Allocations is the number of allocations at present.
func (s *Server) Allocations() int { return s.server.AllocationCount() }

// Close ends the server and all its connections.
func (s *Server) Close() {
	s.once.Do(func() {
		_ = s.server.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, c := range s.conns {
			_ = c.Close()
		}
	})
}

// listener remembers accepted connections.
type listener struct {
	net.Listener
	s *Server
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.s.mu.Lock()
		l.s.conns = append(l.s.conns, c)
		l.s.mu.Unlock()
	}
	return c, err
}

func port(a net.Addr) uint16 { return netip.MustParseAddrPort(a.String()).Port() }

// certificate makes one for 127.0.0.1.
func (s *Server) certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	x := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "turntest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, x, x, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	if x, err = x509.ParseCertificate(der); err != nil {
		return tls.Certificate{}, err
	}
	s.Roots = x509.NewCertPool()
	s.Roots.AddCert(x)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
