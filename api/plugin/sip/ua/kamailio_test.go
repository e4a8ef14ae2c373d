package ua

import (
	"crypto/tls"
	"net/netip"
	"testing"

	"bifrons/api/plugin/sip/siptest"
	"bifrons/rtp/waittest"
)

// Two accounts register at kamailio and call each other through it, by UDP, TCP and TLS. Then it ends and comes back, without its locations.
func TestKamailio(t *testing.T) {
	for _, tr := range []Transport{UDP, TCP, TLS} {
		t.Run(string(tr), func(t *testing.T) {
			addr, listen := siptest.FreePort(t), siptest.FreePort(t)
			own := Config{Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Traces: func() bool { return true }}
			start := func() func() { return siptest.Kamailio(t, addr) }
			if tr == TLS {
				siptest.NeedTLS(t)
				c := siptest.NewCertificates(t)
				own.TLS = &tls.Config{Certificates: []tls.Certificate{c.Pair}}
				own.Client = &tls.Config{RootCAs: c.Authority}
				start = func() func() { return siptest.SecureKamailio(t, listen, addr, c) }
			}
			stop := start()
			e := realWith(t, own)
			join := func(user, secret string) (*Account, *ear, AccountConfig) {
				h := &ear{}
				t.Cleanup(func() {
					if t.Failed() {
						h.mu.Lock()
						defer h.mu.Unlock()
						t.Logf("%s: %+v", user, h.list)
					}
				})
				cfg := AccountConfig{Identity: "sip:" + user + "@test", Proxy: "sip:" + addr, Transport: tr, Register: true, Credentials: Credentials{Secret: secret}}
				a, err := e.Account(cfg, h)
				if err != nil {
					t.Fatal(err)
				}
				return a, h, cfg
			}
			// registers tries until the registrar is up.
			registers := func(a *Account, h *ear, cfg AccountConfig) {
				t.Helper()
				waittest.Until(t, "registered", func() bool {
					if a.State() == RegFailed {
						_ = a.Register(cfg)
					}
					return a.State() == RegRegistered && h.count("registered") > 0
				})
			}
			alice, here, cfg := join("alice", "s3cret")
			registers(alice, here, cfg)
			bob, there, bobs := join("bob", "s3cret")
			registers(bob, there, bobs)
			_, nobody, _ := join("mallory", "wrong")
			nobody.until(t, "registration failed", 1)
			if f := what[Failure](t, nobody, "registration failed"); f.Code != 401 {
				t.Errorf("%+v", f)
			}
			there.hook = func(h heard) {
				switch h.kind {
				case "incoming":
					_ = h.call.Ring()
					_ = h.call.Accept("v=0\r\n", nil)
				case "reinvited":
					_ = h.call.AnswerReinvite("v=0\r\n", nil)
				}
			}
			call := func() {
				t.Helper()
				n := here.count("answered")
				c, err := alice.Call(CallConfig{URI: "sip:bob@test", SDP: "v=0\r\n"})
				if err != nil {
					t.Fatal(err)
				}
				here.until(t, "answered", n+1)
				if r := c.d.routes; len(r) == 0 {
					t.Error("no Record-Route")
				}
				if err := c.Reinvite("v=1\r\n", nil); err != nil {
					t.Error(err)
				}
				here.until(t, "answered", n+2)
				infos := there.count("info")
				if err := c.Info("a/b", "x", nil); err != nil {
					t.Error(err)
				}
				there.until(t, "info", infos+1)
				other := there.last(t, "incoming").call
				waittest.Until(t, "ACK", func() bool {
					e.mu.Lock()
					defer e.mu.Unlock()
					return other.ok == nil && other.theirs == nil
				})
				ended, others := here.count("ended"), there.count("ended")
				if err := other.Hangup(nil); err != nil {
					t.Error(err)
				}
				here.until(t, "ended", ended+1)
				there.until(t, "ended", others+1)
			}
			call()
			if _, err := alice.Message(MessageConfig{URI: "sip:bob@test", Body: "hi"}); err != nil {
				t.Error(err)
			}
			there.until(t, "message", 1)
			here.until(t, "message result", 1)
			if r := what[Result](t, here, "message result"); r.Code != 200 {
				t.Errorf("%+v", r)
			}
			if _, err := alice.Call(CallConfig{URI: "sip:nobody@test", SDP: "v=0\r\n"}); err != nil {
				t.Error(err)
			}
			waittest.Until(t, "refused", func() bool { return here.count("ended") == 2 })
			if x := what[End](t, here, "ended"); x.Code != 404 {
				t.Errorf("%+v", x)
			}
			stop()
			_ = start()
			for _, x := range []struct {
				a   *Account
				h   *ear
				cfg AccountConfig
			}{{alice, here, cfg}, {bob, there, bobs}} {
				_ = x.a.Register(x.cfg) // at once, not when it runs out
				registers(x.a, x.h, x.cfg)
			}
			call()
			if err := alice.Unregister(); err != nil {
				t.Error(err)
			}
			here.until(t, "unregistered", 1)
		})
	}
}
