package ua

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/rtp/waittest"
)

// testTLS are settings of both sides for a certificate of "localhost".
func testTLS(t testing.TB) (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: pool}
}

// real is an endpoint with real sockets on loopback.
func real(t testing.TB, addr string) *Endpoint {
	t.Helper()
	server, client := testTLS(t)
	return realWith(t, Config{Addrs: []netip.Addr{netip.MustParseAddr(addr)}, TLS: server, Client: client})
}

func realWith(t testing.TB, cfg Config) *Endpoint {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	e, err := New(cfg)
	if err != nil {
		t.Skipf("no sockets: %v", err)
	}
	t.Cleanup(e.Close)
	return e
}

// at is where an endpoint listens for a transport.
func (e *Endpoint) at(tr Transport) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.lists {
		if l.proto == string(tr) || tr == UDP && l.proto == "TCP" {
			return l.local.String()
		}
	}
	return ""
}

func (e *ear) until(t testing.TB, kind string, n int) {
	t.Helper()
	waittest.Until(t, kind, func() bool { return e.count(kind) >= n })
}

// Two endpoints call each other by all transports and both kinds of addresses, hold, and hang up.
func TestTransports(t *testing.T) {
	for _, addr := range []string{"127.0.0.1", "::1"} {
		for _, tr := range []Transport{UDP, TCP, TLS} {
			t.Run(addr+" "+string(tr), func(t *testing.T) {
				server, client := testTLS(t)
				cfg := Config{Addrs: []netip.Addr{netip.MustParseAddr(addr)}, TLS: server, Client: client}
				one, two := realWith(t, cfg), realWith(t, cfg)
				here, there := &ear{}, &ear{}
				a, err := one.Account(AccountConfig{Identity: "sip:alice@" + one.at(tr), Transport: tr}, here)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := two.Account(AccountConfig{Identity: "sip:bob@" + two.at(tr), Transport: tr}, there); err != nil {
					t.Fatal(err)
				}
				there.hook = func(h heard) {
					switch h.kind {
					case "incoming":
						_ = h.call.Ring()
						_ = h.call.Accept("v=answer\r\n", nil)
					case "reinvited":
						_ = h.call.AnswerReinvite("v=held\r\n", nil)
					}
				}
				here.hook = func(h heard) {
					if h.kind == "reinvited" {
						_ = h.call.AnswerReinvite("v=too\r\n", nil)
					}
				}
				// More than fits into a packet.
				c, err := a.Call(CallConfig{URI: "sip:bob@" + two.at(tr), SDP: "v=" + strings.Repeat("x", 5000) + "\r\n"})
				if err != nil {
					t.Fatal(err)
				}
				here.until(t, "answered", 1)
				waittest.Until(t, "ACK", func() bool {
					two.mu.Lock()
					defer two.mu.Unlock()
					return there.last(t, "incoming").call.ok == nil
				})
				if x := what[Invite](t, there, "incoming"); len(x.SDP) != 5004 {
					t.Error(len(x.SDP))
				}
				if err := c.Reinvite("v=hold\r\n", nil); err != nil {
					t.Error(err)
				}
				here.until(t, "answered", 2)
				waittest.Until(t, "ACK", func() bool {
					two.mu.Lock()
					defer two.mu.Unlock()
					return there.last(t, "incoming").call.ok == nil
				})
				if err := there.last(t, "incoming").call.Reinvite("v=back\r\n", nil); err != nil {
					t.Error(err)
				}
				there.until(t, "answered", 1)
				if err := there.last(t, "incoming").call.Hangup(nil); err != nil {
					t.Error(err)
				}
				here.until(t, "ended", 1)
				there.until(t, "ended", 1)
				if e := what[End](t, here, "ended"); e.Reason != "Session Terminated" {
					t.Errorf("%+v", e)
				}
				if tr != UDP {
					// The connection of the call was used both ways where the other side had one.
					if s := one.Stats(); s.Connections < 1 || s.Connections > 2 {
						t.Errorf("%+v", s)
					}
				}
				for _, e := range []*Endpoint{one, two} {
					if s := e.Stats(); s.Calls != 0 || s.Dialogs != 0 {
						t.Errorf("%+v", s)
					}
				}
			})
		}
	}
}

// A certificate that is not good is no way.
func TestBadCertificate(t *testing.T) {
	one, two := real(t, "127.0.0.1"), real(t, "127.0.0.1") // with keys of their own
	h := &ear{}
	a, err := one.Account(AccountConfig{Identity: "sip:alice@" + one.at(TLS)}, h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Call(CallConfig{URI: "sips:bob@" + two.at(TLS), SDP: "x"}); err != nil {
		t.Fatal(err)
	}
	h.until(t, "ended", 1)
	if e := what[End](t, h, "ended"); e.Code != 503 {
		t.Errorf("%+v", e)
	}
}

// Where nobody listens is known at once, by UDP too.
func TestNobodyListens(t *testing.T) {
	e := real(t, "127.0.0.1")
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	free := addrPort(u.LocalAddr())
	u.Close()
	for _, tr := range []Transport{UDP, TCP} {
		if tr == UDP && runtime.GOOS != "linux" {
			continue // only there ICMP errors of such sockets are told
		}
		h := &ear{}
		_, err := e.Account(AccountConfig{Identity: "sip:alice@" + free.String(), Register: true, Transport: tr}, h)
		if err != nil {
			t.Fatal(err)
		}
		waittest.UntilWithin(t, 20*time.Second, "a failure by "+string(tr), func() bool { return h.count("registration failed") > 0 })
		if f := what[Failure](t, h, "registration failed"); f.Code != 503 {
			t.Errorf("%s: %+v", tr, f)
		}
	}
}

// Streams: messages in pieces and together, pings, and what is no message.
func TestStreams(t *testing.T) {
	e := real(t, "127.0.0.1")
	options := func(i int) string {
		return "OPTIONS sip:x SIP/2.0\r\nv: SIP/2.0/TCP 127.0.0.1:1;branch=z9hG4bK" + itoa(i) + "\r\nf: <sip:s@x>;tag=t\r\nt: <sip:x>\r\ni: " + itoa(i) +
			"\r\nCSeq: 1 OPTIONS\r\nl: 5\r\n\r\nhello"
	}
	c, err := net.Dial("tcp", e.at(TCP))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(waittest.Patience))
	b := make([]byte, 65536)
	read := func(n int) {
		t.Helper()
		got := ""
		for strings.Count(got, "SIP/2.0 200 OK") < n {
			k, err := c.Read(b)
			if err != nil {
				t.Fatalf("%v after %q", err, got)
			}
			got += string(b[:k])
		}
	}
	for _, r := range options(1) + "\r\n" {
		if _, err := c.Write([]byte(string(r))); err != nil {
			t.Fatal(err)
		}
	}
	read(1)
	_, _ = c.Write([]byte("\r\n\r\n"))
	if n, err := c.Read(b); err != nil || string(b[:n]) != "\r\n" {
		t.Fatalf("%q %v", b[:n], err)
	}
	_, _ = c.Write([]byte(options(2) + options(3) + "\r\n\r\n\r\n" + options(4)))
	read(3)
	_, _ = c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	for err == nil {
		_, err = c.Read(b)
	}
	waittest.Until(t, "no connection is left", func() bool { return e.Stats().Connections == 0 })
}

// Connections of one source are counted, and come back.
func TestConnectionLimits(t *testing.T) {
	e := realWith(t, Config{Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Limits: Limits{PerSource: 3}})
	var all []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", e.at(TCP))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		all = append(all, c)
	}
	waittest.Until(t, "three connections", func() bool { return e.Stats().Connections == 3 })
	c, err := net.Dial("tcp", e.at(TCP))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(waittest.Patience))
	if _, err := c.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Error("not refused:", err)
	}
	for _, c := range all {
		c.Close()
	}
	waittest.Until(t, "no connection is left", func() bool { return e.Stats().Connections == 0 && len(e.inbound) == 0 })
}

// Who connects and says nothing, or never comes to an end, is sent away.
func TestSilentConnections(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		open := func() net.Conn {
			c, err := b.w.dial(t.Context(), netip.MustParseAddr("198.51.100.7"), netip.MustParseAddrPort(ours+":5060"))
			b.ok(err)
			return c
		}
		ended := func(c net.Conn) {
			t.Helper()
			start := time.Now()
			_ = c.SetReadDeadline(time.Now().Add(time.Hour))
			if _, err := c.Read(make([]byte, 1)); err == nil || time.Since(start) > time.Minute {
				t.Error(err, time.Since(start))
			}
			c.Close()
		}
		ended(open())
		c := open()
		stop := make(chan struct{})
		go func() {
			for range 100 {
				select {
				case <-stop:
					return
				case <-time.After(time.Second):
					_, _ = c.Write([]byte("X"))
				}
			}
		}()
		ended(c)
		close(stop)
		b.pass(0)
		if s := b.e.Stats(); s.Connections != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Names: SRV records lead to hosts, one that does not answer is passed over.
func TestNames(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		b.w.names["one.example"] = []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.99")}
		b.w.names["two.example"] = []netip.Addr{netip.MustParseAddr(theirs)}
		b.w.srv["_sip._udp.pbx.example"] = []*net.SRV{{Target: "one.example.", Port: 5070}, {Target: "two.example.", Port: 5060}}
		a, h := b.account(b.e, "alice")
		_, err := a.Message(MessageConfig{URI: "sip:x@pbx.example", Body: "x"})
		b.ok(err)
		start := time.Now()
		m := b.phone.next("MESSAGE sip:x@pbx.example SIP/2.0")
		if d := time.Since(start).Round(time.Second); d != 32*time.Second {
			t.Error(d)
		}
		b.phone.reply(m, "200 OK")
		b.pass(0)
		if r := what[Result](t, h, "message result"); r.Code != 200 {
			t.Errorf("%+v", r)
		}
		// A port says that there is no need for records.
		_, err = a.Message(MessageConfig{URI: "sip:x@two.example:5060", Body: "x"})
		b.ok(err)
		b.phone.reply(b.phone.next("MESSAGE"), "200 OK")
		b.pass(0)
		// Addresses of a kind that we have no socket for.
		_, err = a.Message(MessageConfig{URI: "sip:x@[2001:db8::1]", Body: "x"})
		b.ok(err)
		b.pass(0)
		if r := what[Result](t, h, "message result"); r.Code != 503 {
			t.Errorf("%+v", r)
		}
	})
}

// When the connection is lost by which an account was registered, it registers anew; and a response goes by a new
// connection when that of the request is gone.
func TestConnectionLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{TB: t, w: newWire()}
		one, two := b.endpoint(Config{}, ours), b.endpoint(Config{}, theirs)
		h, there := &ear{}, &ear{}
		l, err := b.w.listenTCP(netip.MustParseAddrPort("192.0.2.3:5060")) // a registrar
		b.ok(err)
		conns := make(chan net.Conn, 10)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				conns <- c
				go answerAll(c)
			}
		}()
		a, err := one.Account(AccountConfig{Identity: "sip:alice@192.0.2.3", Transport: TCP, Register: true}, h)
		b.ok(err)
		_, err = two.Account(AccountConfig{Identity: "sip:bob@" + theirs}, there)
		b.ok(err)
		b.pass(time.Second)
		if h.count("registered") != 1 {
			t.Fatal(h.kinds())
		}
		(<-conns).Close()
		b.pass(10 * time.Second)
		if h.count("registered") != 2 || !what[Registered](t, h, "registered").Refresh {
			t.Error(h.kinds())
		}
		// Of the call.
		c, err := a.Call(CallConfig{URI: "sip:bob@" + theirs + ";transport=tcp", SDP: "v=0\r\n"})
		b.ok(err)
		b.pass(time.Second)
		two.mu.Lock()
		for _, c := range two.conns {
			c.end(nil)
		}
		two.mu.Unlock()
		if err := there.last(t, "incoming").call.Accept("v=0\r\n", nil); err != nil {
			t.Fatal(err)
		}
		b.pass(time.Second)
		if k := h.kinds(); h.count("answered") != 1 {
			t.Error(k)
		}
		// The ACK has found its way, too.
		b.pass(time.Minute)
		if c.State() != Established || there.count("ended") != 0 {
			t.Error(h.kinds(), there.kinds())
		}
		l.Close()
		close(conns)
		for c := range conns {
			c.Close()
		}
		b.quiet(two)
		b.quiet(one)
	})
}
