package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bifrons/api/config"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// TestPionUnderSettings calls servers that are set up in other ways than by
// default.
func TestPionUnderSettings(t *testing.T) {
	waittest.NoLeaks(t)
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, c *config.Config)
		answer []string // what the answer has to contain
		o      webrtctest.Options
	}{
		{"IPv6", func(_ *testing.T, c *config.Config) {
			c.Server.Media.IPv6 = true
			c.Server.NAT.EnforceList = []string{"::1", "127.0.0.1"}
		}, []string{" ::1 "}, webrtctest.Options{IPv6: true}},
		{"IPv4 where there is IPv6", func(_ *testing.T, c *config.Config) {
			c.Server.Media.IPv6 = true
			c.Server.NAT.EnforceList = []string{"::1", "127.0.0.1"}
		}, []string{" ::1 ", " 127.0.0.1 "}, webrtctest.Options{Trickle: true}},
		{"IPv6 lite", func(_ *testing.T, c *config.Config) {
			c.Server.Media.IPv6, c.Server.NAT.ICELite = true, true
			c.Server.NAT.EnforceList = []string{"::1"}
		}, []string{" ::1 ", "a=ice-lite"}, webrtctest.Options{IPv6: true, Trickle: true}},
		{"consent, regular nomination", func(_ *testing.T, c *config.Config) {
			c.Server.NAT.ConsentFreshness, c.Server.NAT.KeepaliveConncheck = true, true
			c.Server.NAT.Nomination = "regular"
		}, nil, webrtctest.Options{}},
		{"certificate from files", func(t *testing.T, c *config.Config) {
			c.Server.Certificates.Cert, c.Server.Certificates.Key = rsaFiles(t)
		}, nil, webrtctest.Options{}},
		{"public address, private one kept", func(_ *testing.T, c *config.Config) {
			c.Server.NAT.Mapping, c.Server.NAT.KeepPrivateHost = []netip.Addr{netip.MustParseAddr("198.51.100.7")}, true
		}, []string{" 198.51.100.7 ", " 127.0.0.1 ", "o=- ", "IN IP4 198.51.100.7"}, webrtctest.Options{}},
		{"range of ports", func(_ *testing.T, c *config.Config) {
			c.Server.Media.RTPPortRange = config.PortRange{Min: 42000, Max: 42999}
		}, []string{" 127.0.0.1 42"}, webrtctest.Options{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(tt.name, "IPv6") && !hasIPv6() {
				t.Skip("this machine has no IPv6")
			}
			s := testServer(t, func(c *config.Config) { tt.change(t, c) })
			s.explain(t)
			p := newPionPeer(t, dial(t, s).attach(echoPackage), tt.o)
			p.AddChannel()
			text := p.call(echoRequest(), nil).sdp()
			for _, want := range tt.answer {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in the answer:\n%s", want, text)
				}
			}
			p.awaitUp()
			p.playAll(short)
			p.awaitMedia()
			p.talk(echoPrefix)
			p.Heard.Clean(t)
			p.Seen.Clean(t)
			p.closeAndExpect("DTLS alert")
			s.awaitEmpty(t)
		})
	}
}

func hasIPv6() bool {
	c, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// rsaFiles writes a certificate with an RSA key, which is what people have
// who want to use one of their own.
func rsaFiles(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k))
}
