package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"testing"

	"bifrons/api/broker/brokertest"
	"bifrons/rtp/waittest"
)

// TestTLS: what of a server is verified, and who the client is.
func TestTLS(t *testing.T) {
	waittest.NoLeaks(t)
	pki := brokertest.NewPKI(t, "broker.test")
	other := brokertest.NewPKI(t, "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(pki.Cert, pki.Key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	text, _ := os.ReadFile(pki.CA)
	pool.AppendCertsFromPEM(text)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	clients := make(chan int, 1) // certificates that a client shows, -1 for a bad one
	served := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-served
	})
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := -1
			if s := c.(*tls.Conn); s.Handshake() == nil {
				n = len(s.ConnectionState().PeerCertificates)
			}
			clients <- n
			c.Close()
		}
	}()
	for _, x := range []struct {
		what   string
		tls    TLS
		fails  string
		client int
	}{
		{"nothing", TLS{}, "", 0},
		{"the server", TLS{CA: pki.CA, VerifyServer: true}, "", 0},
		{"the server by another authority", TLS{CA: other.CA, VerifyServer: true}, "unknown authority", -1},
		{"the server by those of the system", TLS{VerifyServer: true}, "unknown authority", -1},
		{"server and name", TLS{CA: pki.CA, VerifyServer: true, VerifyName: true}, "127.0.0.1", -1},
		{"the name alone", TLS{VerifyName: true}, "127.0.0.1", -1},
		{"with a certificate", TLS{CA: pki.CA, VerifyServer: true, Cert: pki.ClientCert, Key: pki.ClientKey}, "", 1},
	} {
		x.tls.On = true
		c, err := Connect(t.Context(), l.Addr().String(), x.tls)
		if err == nil {
			c.Close()
		}
		if (err == nil) != (x.fails == "") || err != nil && !strings.Contains(err.Error(), x.fails) {
			t.Errorf("%s: %v", x.what, err)
		}
		if n := waittest.Next(t, "the server's view", clients); n != x.client && x.fails == "" {
			t.Errorf("%s: %d certificates", x.what, n)
		}
	}
	if c, err := (TLS{VerifyServer: true, VerifyName: true}).Config("x"); err != nil || c.InsecureSkipVerify || c.ServerName != "x" {
		t.Errorf("%+v %v", c, err)
	}
	for _, bad := range []TLS{
		{CA: "/no/such/file"}, {CA: pki.Key}, {Key: pki.Key}, {Cert: pki.CA}, {Cert: "/no/such/file", Key: pki.Key},
	} {
		if _, err := bad.Config("x"); err == nil {
			t.Errorf("%+v is good", bad)
		}
	}
}

// TestConnectEnds: a server that says nothing does not hold up who gives up.
func TestConnectEnds(t *testing.T) {
	waittest.NoLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if c, err := l.Accept(); err == nil {
			cancel()
			<-t.Context().Done()
			c.Close()
		}
	}()
	waittest.InTime(t, "giving up", func() {
		if _, err := Connect(ctx, l.Addr().String(), TLS{On: true}); err == nil {
			t.Error("connected to nobody")
		}
	})
}
