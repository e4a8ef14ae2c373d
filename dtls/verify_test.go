package dtls

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pion "github.com/pion/dtls/v3"

	"bifrons/dtls/srtp"
)

func keyOf(c *Certificate) *ecdsa.PrivateKey { return c.pair.PrivateKey.(*ecdsa.PrivateKey) }

// signedBy is a certificate with the key of own, signed by an authority that
// has the key of authority.
func signedBy(t *testing.T, authority, own *Certificate) (chain *Certificate, root *x509.Certificate) {
	t.Helper()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().AddDate(0, 0, -1), NotAfter: time.Now().AddDate(0, 0, 1), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, keyOf(authority).Public(), keyOf(authority))
	if err != nil {
		t.Fatal(err)
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter}
	der, err = x509.CreateCertificate(rand.Reader, leaf, root, keyOf(own).Public(), keyOf(authority))
	if err != nil {
		t.Fatal(err)
	}
	c := *own
	c.pair.Certificate = [][]byte{der}
	return &c, root
}

func TestPeerCertificate(t *testing.T) {
	pair := certificates()[false]
	expired, err := selfSigned(keyOf(pair[0]), time.Now().AddDate(-2, 0, 0), time.Now().AddDate(0, 0, -1))
	if err != nil {
		t.Fatal(err)
	}
	early, err := selfSigned(keyOf(pair[0]), time.Now().Add(time.Hour), time.Now().AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	signed, root := signedBy(t, pair[1], pair[0])
	roots := x509.NewCertPool()
	roots.AddCert(root)
	for _, c := range []struct {
		name   string
		peer   *Certificate
		reject bool
		want   string // in the reason; empty: connects
	}{
		{"self-signed", pair[0], false, ""},
		{"made by a clock ahead of ours", early, false, ""},
		{"expired", expired, false, "expired"},
		{"self-signed, refused", pair[0], true, "unknown authority"},
		{"signed", signed, true, ""},
	} {
		v := verifier{remote: Fingerprints{sha256Of(t, c.peer)}, rejectSelfSigned: c.reject, roots: roots}
		err := v.check(c.peer.pair.Certificate)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := (verifier{}).check(nil); err != errNoPeerCert {
		t.Error(err)
	}
	// Through a handshake: the clock inside a synctest bubble starts in the
	// year 2000, hence a certificate that has expired before.
	ancient, err := selfSigned(keyOf(pair[0]), time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var l link
		server := l.start(t, Server, pair[1], ancient, nil)
		client := l.start(t, Client, ancient, pair[1], nil)
		c, s := ended(t, &l, client, server)
		if s.Kind != Failed || !strings.Contains(s.Text, "expired") || c.Kind != PeerAlert {
			t.Error(c, s)
		}
	})
}

// One fingerprint of several has to match; SHA-1 decides only where it is alone
// (RFC 8122, 5 and 5.1).
func TestSeveralFingerprints(t *testing.T) {
	own := certificates()[false][0]
	of := func(hash string) Fingerprint {
		f, err := own.Fingerprint(hash)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	wrong := func(hash string) Fingerprint {
		f := of(hash)
		f.Value = "00:11" + f.Value[5:]
		return f
	}
	for _, c := range []struct {
		name string
		list Fingerprints
		ok   bool
	}{
		{"the second", Fingerprints{wrong("sha-256"), of("sha-256")}, true},
		{"the first", Fingerprints{of("sha-256"), wrong("sha-256")}, true},
		{"only SHA-384", Fingerprints{of("sha-384")}, true},
		{"only SHA-512", Fingerprints{of("sha-512")}, true},
		{"only SHA-1", Fingerprints{of("sha-1")}, true},
		{"another hash", Fingerprints{wrong("sha-256"), of("sha-512")}, true},
		{"behind one that nobody knows", Fingerprints{{"sha3-256", "00"}, of("sha-256")}, true},
		{"SHA-1 beside what nobody knows", Fingerprints{{"sha3-256", "00"}, of("sha-1")}, true},
		{"SHA-1 beside a stronger one", Fingerprints{wrong("sha-256"), of("sha-1")}, false},
		{"none", Fingerprints{wrong("sha-256"), wrong("sha-384")}, false},
		{"unknown ones", Fingerprints{{"md5", "00"}}, false},
		{"nothing", nil, false},
	} {
		err := verifier{remote: c.list}.check(own.pair.Certificate)
		if (err == nil) != c.ok || err != nil && reasonFor(err).Kind != BadFingerprint {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// rawPeer is a pion/dtls client without our policy, over the same link.
func rawPeer(t *testing.T, l *link, opts ...pion.ClientOption) (*pion.Conn, error) {
	t.Helper()
	p := newPipe(func(b []byte) { l.server.Load().Deliver(b) }, func() {})
	raw := &side{Endpoint: &Endpoint{pipe: p}}
	raw.Endpoint.wanted.Store(true)
	l.client.Store(raw)
	opts = append(opts, pion.WithInsecureSkipVerify(true), pion.WithLoggerFactory(silent{}))
	return pion.ClientWithOptions(&pipeEnd{pipe: p}, peerAddr{}, opts...)
}

// What a server endpoint asks of its client.
func TestClientsRefused(t *testing.T) {
	pair := certificates()[false]
	profile := pion.WithSRTPProtectionProfiles(pion.SRTP_AEAD_AES_128_GCM)
	for _, c := range []struct {
		name string
		opts []pion.ClientOption
		ok   bool
	}{
		{"as it should be", []pion.ClientOption{pion.WithCertificates(pair[0].pair), profile}, true},
		{"no certificate", []pion.ClientOption{profile}, false},
		{"no SRTP", []pion.ClientOption{pion.WithCertificates(pair[0].pair)}, false},
		{"SRTP we do not speak", []pion.ClientOption{pion.WithCertificates(pair[0].pair),
			pion.WithSRTPProtectionProfiles(pion.SRTP_NULL_HMAC_SHA1_80)}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			var l link
			server := l.start(t, Server, pair[1], pair[0], nil)
			conn, err := rawPeer(t, &l, c.opts...)
			if err != nil {
				t.Fatal(err)
			}
			err = conn.Handshake()
			if c.ok {
				if k := <-server.connected; err != nil || k.Profile != srtp.AEADAES128GCM {
					t.Error(c.name, err, k.Profile)
				}
			} else {
				if r := <-server.closed; r.Kind != Failed || r.Text == "" {
					t.Errorf("%s: %v", c.name, r)
				}
				if _, ok := <-server.connected; ok {
					t.Error(c.name, "keys were handed out")
				}
			}
			_ = conn.Close()
			finish(t, &l, server)
		})
	}
}

// How much an idle association costs.
func BenchmarkIdle(b *testing.B) {
	const pairs = 200
	for b.Loop() {
		before, goroutines := memory()
		var links [pairs]link
		sides := make([]*side, 0, 2*pairs)
		for i := range links {
			client, server := links[i].pair(b, false, nil, nil)
			sides = append(sides, client, server)
		}
		for _, s := range sides {
			<-s.connected
		}
		time.Sleep(100 * time.Millisecond) // until the handshake goroutines have gone
		after, more := memory()
		b.ReportMetric(float64(after-before)/(2*pairs), "B/endpoint")
		b.ReportMetric(float64(more-goroutines)/(2*pairs), "goroutines/endpoint")
		for i, s := range sides {
			finish(b, &links[i/2], s)
		}
	}
}

// memory is what heap and stacks hold, and how many goroutines there are.
func memory() (int, int) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()
}
