package transport

import (
	"crypto/tls"
	"errors"

	"bifrons/dtls"
)

// Certificate names the files of a server certificate.
type Certificate struct {
	PEM      string // file: the certificate, then those that signed it
	Key      string // file: its private key; default PEM
	Password string // of the key; empty if it is not encrypted
}

// Load reads the files for a TLS server. The key may be encrypted as PKCS #8
// does it (RFC 5958, RFC 8018) or in the older way of OpenSSL (RFC 1423).
func (c Certificate) Load() (*tls.Config, error) {
	if c.PEM == "" {
		return nil, errors.New("no certificate file (cert_pem)")
	}
	pair, err := dtls.LoadKeyPair(c.PEM, c.Key, c.Password)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
