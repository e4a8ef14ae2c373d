package siptest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// Certificates are an authority's and one of localhost that it has signed, with RSA keys, which all programs take.
type Certificates struct {
	Dir       string // has cafile.pem, and agent.pem with certificate and key
	Authority *x509.CertPool
	Pair      tls.Certificate
}

// NewCertificates makes certificates that are good for an hour; more are further addresses.
func NewCertificates(t testing.TB, more ...string) *Certificates {
	t.Helper()
	c := &Certificates{Dir: t.TempDir(), Authority: x509.NewCertPool()}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}
	rootKey, rootDER := sign(t, root, root, nil)
	c.Authority.AddCert(root)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, ip := range more {
		leaf.IPAddresses = append(leaf.IPAddresses, net.ParseIP(ip))
	}
	key, der := sign(t, leaf, root, rootKey)
	c.Pair = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, c.file("cafile.pem"), block("CERTIFICATE", rootDER))
	write(t, c.file("agent.pem"), block("CERTIFICATE", der)+block("PRIVATE KEY", secret))
	return c
}

func (c *Certificates) file(name string) string { return filepath.Join(c.Dir, name) }

func block(kind string, b []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
}

// sign makes a key with its certificate. by is nil for one that it signs itself.
func sign(t testing.TB, c, parent *x509.Certificate, by *rsa.PrivateKey) (*rsa.PrivateKey, []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		by = key
	}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	if made, err := x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	} else {
		*c = *made
	}
	return key, der
}
