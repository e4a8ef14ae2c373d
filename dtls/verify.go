package dtls

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

var (
	errFingerprint = errors.New("the peer's certificate does not have the fingerprint of its description")
	errNoPeerCert  = errors.New("the peer sent no certificate")
)

// verifier checks the peer's certificate. The peer is authenticated by the
// fingerprint (RFC 8827, 5.1); the rest can only refuse more.
type verifier struct {
	remote           Fingerprints
	rejectSelfSigned bool
	roots            *x509.CertPool // nil: the system's
}

// check takes the chain as the peer sent it, leaf first. A certificate that is
// not valid yet is accepted: the peer made it just now, with another clock.
func (v verifier) check(chain [][]byte) error {
	if len(chain) == 0 {
		return errNoPeerCert
	}
	if !v.remote.match(chain[0]) {
		return errFingerprint
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return fmt.Errorf("the peer's certificate: %w", err)
	}
	if now := time.Now(); now.After(leaf.NotAfter) {
		return fmt.Errorf("the peer's certificate expired on %s", leaf.NotAfter.Format(time.DateOnly))
	}
	if !v.rejectSelfSigned {
		return nil
	}
	return v.trusted(leaf, chain[1:])
}

// trusted demands a chain to a known authority. Looking for a self-signature
// alone would be idle: anybody can put an authority of their own in front.
func (v verifier) trusted(leaf *x509.Certificate, rest [][]byte) error {
	between := x509.NewCertPool()
	for _, der := range rest {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("the peer's certificate chain: %w", err)
		}
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots:         v.roots,
		Intermediates: between,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return fmt.Errorf("the peer's certificate: %w", err)
	}
	return nil
}
