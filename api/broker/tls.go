package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"bifrons/sfu"
)

// TLS says how a connection is secured, and names the files for it (PEM).
type TLS struct {
	On           bool
	CA           string // certificates that are trusted; "" = those of the system
	Cert, Key    string // of the client, "" = none
	VerifyServer bool   // by its certificate
	VerifyName   bool   // whether that is for the host
}

// Config reads the files. host is the one to verify.
func (t TLS) Config(host string) (*tls.Config, error) {
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		text, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: has no certificate in PEM form", t.CA)
		}
	}
	if t.Cert != "" || t.Key != "" {
		if t.Cert == "" {
			return nil, fmt.Errorf("%s: the key has no certificate beside it", t.Key)
		}
		key := t.Key
		if key == "" {
			key = t.Cert
		}
		pair, err := sfu.LoadKeyPair(t.Cert, key, "")
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if !t.VerifyServer || !t.VerifyName {
		c.InsecureSkipVerify = true // in favour of the function
		c.VerifyConnection = t.verify(c.RootCAs, host)
	}
	return c, nil
}

// verify checks a server's certificate as far as the settings say.
func (t TLS) verify(roots *x509.CertPool, host string) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		switch {
		case len(s.PeerCertificates) == 0:
			return errors.New("the broker shows no certificate")
		case t.VerifyName:
			return s.PeerCertificates[0].VerifyHostname(host)
		case !t.VerifyServer:
			return nil
		}
		o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, c := range s.PeerCertificates[1:] {
			o.Intermediates.AddCert(c)
		}
		_, err := s.PeerCertificates[0].Verify(o)
		return err
	}
}

func (t TLS) secure(ctx context.Context, c net.Conn, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	conf, err := t.Config(host) // a certificate that was renewed is in use from now on
	if err != nil {
		return nil, err
	}
	s := tls.Client(c, conf)
	if err := s.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return s, nil
}
