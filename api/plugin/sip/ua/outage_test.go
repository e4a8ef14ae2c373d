package ua

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// dark loses everything until the function that is returned is called.
func (b *bench) dark() (light func()) {
	b.w.lose(func(_, _ netip.AddrPort, _ []byte) bool { return true })
	return func() {
		b.w.lose(nil)
		for len(b.phone.got) > 0 { // of before
			<-b.phone.got
		}
	}
}

// The network is away for half a minute, in which the registration has to be refreshed: it is afterwards, the client hears of
// nothing but that, and the call goes on.
func TestOutage(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.registered(AccountConfig{TTL: time.Minute})
		c, m := b.inCall(a)
		b.pass(40 * time.Second)
		light := b.dark()
		b.pass(30 * time.Second)
		light()
		if a.State() == RegFailed { // its time was over
			t.Fatal(h.kinds())
		}
		r := b.phone.skip("REGISTER")
		b.phone.reply(r, "200 OK", "Contact: "+r.Get("Contact"), "Expires: 60")
		b.pass(time.Second)
		if x := what[Registered](t, h, "registered"); !x.Refresh || h.count("registered") != 2 || a.State() != RegRegistered {
			t.Errorf("%+v %v", x, a.State())
		}
		b.ok(c.Info("a/b", "x", nil))
		b.phone.reply(b.phone.skip("INFO"), "200 OK")
		from, to := b.phone.fromTo(m)
		b.phone.request("BYE", contactOf(m), from, to, c.ID(), 9)
		b.phone.skip("SIP/2.0 200")
		b.pass(0)
		if k := h.kinds(); !slices.Equal(k, []string{"registered", "answered", "registered", "ended"}) {
			t.Error(k)
		}
	})
}

// What is under way when the network goes ends with the event that it would have had: a hangup, a re-INVITE, an offer that waits,
// a call that rings, and a message.
func TestOutageOfRequests(t *testing.T) {
	for name, x := range map[string]struct {
		do   func(b *bench, a *Account, c *Call)
		code int
	}{
		"a hangup":    {func(b *bench, _ *Account, c *Call) { b.ok(c.Hangup(nil)) }, 408},
		"a re-INVITE": {func(b *bench, _ *Account, c *Call) { b.ok(c.Reinvite(sdpText, nil)) }, 408},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Config{}, func(b *bench) {
				a, h := b.account(b.e, "alice")
				c, _ := b.inCall(a)
				light := b.dark()
				x.do(b, a, c)
				b.pass(31 * time.Second)
				if h.count("ended") != 0 {
					t.Error("it has ended early")
				}
				b.pass(5 * time.Second)
				light()
				if e := what[End](t, h, "ended"); e.Code != x.code || h.count("ended") != 1 || a.Busy() {
					t.Errorf("%+v", e)
				}
			})
		})
	}
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		light := b.dark()
		_, err := a.Call(CallConfig{URI: "sip:bob@" + theirs, SDP: sdpText})
		b.ok(err)
		_, err = a.Message(MessageConfig{URI: "sip:bob@" + theirs, Body: "x"})
		b.ok(err)
		b.pass(time.Minute)
		light()
		if e := what[End](t, h, "ended"); e.Code != 408 {
			t.Errorf("%+v", e)
		}
		if r := what[Result](t, h, "message result"); r.Code != 408 {
			t.Errorf("%+v", r)
		}
	})
}

// An account that is registered by TLS stays so when the registrar's certificate runs out, until the connection ends; then it
// tries as long as the registration lasts, and is registered again if the certificate is renewed by then. Else it is told why not.
func TestCertificateRunsOut(t *testing.T) {
	for _, renewed := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := &bench{TB: t, w: newWire()}
			now, client := testTLS(t) // for an hour
			client.ServerName = "localhost"
			var mu sync.Mutex
			plain, err := b.w.listenTCP(netip.MustParseAddrPort("192.0.2.3:5061"))
			b.ok(err)
			l := tls.NewListener(plain, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				mu.Lock()
				defer mu.Unlock()
				return now, nil
			}})
			defer l.Close()
			conns := make(chan net.Conn, 1000)
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
			e := b.endpoint(Config{Client: client, Keepalive: 2 * time.Minute}, ours)
			h := &ear{}
			a, err := e.Account(AccountConfig{Identity: "sip:alice@192.0.2.3", Transport: TLS, Register: true, TTL: 3 * time.Hour}, h)
			b.ok(err)
			b.pass(2 * time.Hour)
			if k := h.kinds(); !slices.Equal(k, []string{"registered"}) {
				t.Fatal(k)
			}
			for len(conns) > 0 {
				(<-conns).Close()
			}
			b.pass(30 * time.Minute)
			if n := len(conns); n < 10 || a.State() != RegRegistered {
				t.Errorf("%d connections tried, state %d, %v", n, a.State(), h.kinds())
			}
			if renewed {
				mu.Lock()
				now, _ = testTLS(t)
				cert, err := x509.ParseCertificate(now.Certificates[0].Certificate[0])
				b.ok(err)
				client.RootCAs.AddCert(cert)
				mu.Unlock()
			}
			b.pass(time.Hour)
			if renewed {
				if k := h.kinds(); !slices.Equal(k, []string{"registered", "registered"}) || a.State() != RegRegistered {
					t.Error(k, a.State())
				}
			} else if f := what[Failure](t, h, "registration failed"); f.Code != 503 || !strings.Contains(f.Reason, "certificate has expired") || len(h.kinds()) != 2 || a.State() != RegFailed {
				t.Error(f, h.kinds())
			}
			l.Close()
			for len(conns) > 0 {
				(<-conns).Close()
			}
			b.quiet(e)
		})
	}
}

// answerAll answers all requests of a connection with 200.
func answerAll(c net.Conn) {
	b := make([]byte, 65536)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		m := parseText(string(b[:n]), netip.AddrPort{})
		_, _ = c.Write([]byte("SIP/2.0 200 OK\r\nVia: " + m.Get("Via") + "\r\nFrom: " + m.Get("From") + "\r\nTo: " + m.Get("To") + ";tag=r\r\nCall-ID: " +
			m.Get("Call-ID") + "\r\nCSeq: " + m.Get("CSeq") + "\r\nContent-Length: 0\r\n\r\n"))
	}
}
