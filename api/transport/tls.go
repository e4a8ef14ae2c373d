package transport

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"

	"bifrons/sfu"
)

// Certificate names the files of a server certificate.
type Certificate struct {
	PEM      string // file: the certificate, then those that signed it
	Key      string // file: its private key; default PEM
	Password string // of the key; empty if it is not encrypted
}

// Load reads the files for a TLS server, and reads them again when they have
// changed: a certificate that was renewed is in use from the next connection on.
// Files that cannot be used then are logged, and the certificate before stays.
// The key may be encrypted as PKCS #8 does it (RFC 5958, RFC 8018) or in the
// older way of OpenSSL (RFC 1423).
func (c Certificate) Load(log *slog.Logger) (*tls.Config, error) {
	if c.PEM == "" {
		return nil, errors.New("no certificate file (cert_pem)")
	}
	if c.Key == "" {
		c.Key = c.PEM
	}
	k, err := sfu.OpenKeyPair(c.PEM, c.Key, c.Password, log)
	if err != nil {
		return nil, err
	}
	get := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.Get(), nil }
	return &tls.Config{GetCertificate: get, MinVersion: tls.VersionTLS12}, nil
}

// ListenTLS is Listen under TLS, for HTTP/1.1 and protocols upgraded from it.
func (e Address) ListenTLS(door Door, c Certificate, log *slog.Logger) ([]net.Listener, error) {
	conf, err := c.Load(log)
	if err != nil {
		return nil, err
	}
	conf.NextProtos = []string{"http/1.1"}
	listeners, err := e.Listen(door)
	for i, l := range listeners {
		listeners[i] = tls.NewListener(l, conf)
	}
	return listeners, err
}
