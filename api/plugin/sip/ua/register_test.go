package ua

import (
	"crypto/md5"
	"encoding/hex"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func md5hex(s string) string {
	h := md5.Sum([]byte(s))
	return hex.EncodeToString(h[:])
}

// field is a parameter of a Digest.
func field(header, name string) string {
	for _, p := range strings.Split(strings.TrimPrefix(header, "Digest "), ", ") {
		if k, v, _ := strings.Cut(p, "="); k == name {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}

func (b *bench) registering(cfg AccountConfig) (*Account, *ear) {
	b.Helper()
	cfg.Register = true
	if cfg.Identity == "" {
		cfg.Identity = "sip:alice@" + theirs
	}
	h := &ear{}
	a, err := b.e.Account(cfg, h)
	b.ok(err)
	return a, h
}

// registered is an account that the phone has accepted without a challenge.
func (b *bench) registered(cfg AccountConfig) (*Account, *ear) {
	b.Helper()
	a, h := b.registering(cfg)
	m := b.phone.next("REGISTER")
	b.phone.reply(m, "200 OK", "Contact: "+m.Get("Contact"))
	b.pass(0)
	h.last(b, "registered")
	return a, h
}

func TestRegister(t *testing.T) {
	inBubble(t, Config{UserAgent: "test/1"}, func(b *bench) {
		a, h := b.registering(AccountConfig{DisplayName: `Al "ice"`, Credentials: Credentials{Secret: "s:cret"}, TTL: time.Minute,
			Headers: Headers{{"X-One", "1"}, {"X-Bad", "a\r\nX-Evil: 1"}}, ContactParams: Headers{{"ob", ""}, {"x", "1"}}})
		m := b.phone.next("REGISTER sip:192.0.2.2 SIP/2.0")
		for name, want := range map[string]string{"Expires": "60", "X-One": "1", "User-Agent": "test/1", "Supported": "replaces",
			"Allow": "INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, MESSAGE, INFO, NOTIFY", "Max-Forwards": "70", "X-Bad": "",
			"X-Evil": "", "To": `"Al \"ice\"" <sip:alice@192.0.2.2>`} {
			if got := m.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if v := m.Get("Via"); !strings.HasPrefix(v, "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK") || !strings.HasSuffix(v, ";rport") {
			t.Errorf("Via: %q", v)
		}
		if c := contactOf(m); !strings.HasSuffix(c, "@192.0.2.1:5060;ob;x=1") {
			t.Errorf("Contact: %q", c)
		}
		if s := a.State(); s != RegRegistering {
			t.Error("state", s)
		}
		b.phone.reply(m, "401 Unauthorized", `WWW-Authenticate: Digest realm="the, realm", nonce="n1", qop="auth,auth-int", opaque="o"`)
		again := b.phone.next("REGISTER")
		d := again.Get("Authorization")
		ha1, ha2 := md5hex("alice:the, realm:s:cret"), md5hex("REGISTER:sip:192.0.2.2")
		if want := md5hex(ha1 + ":n1:00000001:" + field(d, "cnonce") + ":auth:" + ha2); field(d, "response") != want {
			t.Errorf("digest %q, want response %s", d, want)
		}
		if again.Get("Call-ID") != m.Get("Call-ID") || again.Get("CSeq") != "2 REGISTER" || again.Get("From") != m.Get("From") {
			t.Errorf("second: %q", again.Raw)
		}
		b.phone.reply(again, "200 OK", "Contact: <"+contactOf(again)+">;expires=40, <sip:other@192.0.2.9>;expires=9999", "X-Hello: y")
		b.pass(0)
		r := what[Registered](t, h, "registered")
		if r.Expires != 40*time.Second || r.Refresh || r.Headers.Get("X-Hello") != "y" || a.State() != RegRegistered {
			t.Errorf("%+v", r)
		}
		// The refresh answers the challenge in advance.
		start := time.Now()
		m = b.phone.next("REGISTER")
		if wait := time.Since(start); wait < 25*time.Second || wait > 37*time.Second {
			t.Error("refreshed after", wait)
		}
		if d := m.Get("Authorization"); field(d, "nc") != "00000002" || field(d, "nonce") != "n1" {
			t.Errorf("digest %q", d)
		}
		b.phone.reply(m, "401 Unauthorized", `WWW-Authenticate: Digest realm="the, realm", nonce="n2", stale=TRUE, qop="auth", algorithm=SHA-256`)
		m = b.phone.next("REGISTER")
		if d := m.Get("Authorization"); field(d, "nc") != "00000001" || field(d, "nonce") != "n2" || len(field(d, "response")) != 64 {
			t.Errorf("digest %q", d)
		}
		b.phone.reply(m, "200 OK", "Expires: 3600")
		b.pass(0)
		if r := what[Registered](t, h, "registered"); !r.Refresh || r.Expires != time.Hour {
			t.Errorf("%+v", r)
		}
		b.ok(a.Unregister())
		m = b.phone.next("REGISTER")
		if m.Get("Expires") != "0" || !strings.HasSuffix(m.Get("Contact"), ";expires=0") {
			t.Errorf("%q", m.Raw)
		}
		b.phone.reply(m, "200 OK")
		b.pass(0)
		h.last(t, "unregistered")
		if err := a.Unregister(); err != ErrState {
			t.Error(err)
		}
	})
}

func TestRegistrationFails(t *testing.T) {
	challenge := `WWW-Authenticate: Digest realm="r", nonce="n"`
	for _, x := range []struct {
		name    string
		cfg     AccountConfig
		answers []string // status and a header
		code    int
	}{
		{"forbidden", AccountConfig{}, []string{"403 Forbidden"}, 403},
		{"no secret", AccountConfig{}, []string{"401 Unauthorized|" + challenge}, 401},
		{"wrong secret", AccountConfig{Credentials: Credentials{Secret: "x"}}, []string{"401 Unauthorized|" + challenge, "401 Unauthorized|" + challenge}, 401},
		{"strange algorithm", AccountConfig{Credentials: Credentials{Secret: "x"}}, []string{"401 Unauthorized|" + challenge + ", algorithm=ROT13"}, 401},
		{"HA1 and SHA", AccountConfig{Credentials: Credentials{HA1: md5hex("a:r:x")}}, []string{"401 Unauthorized|" + challenge + ", algorithm=SHA-256"}, 401},
		{"nothing", AccountConfig{}, nil, 408},
		{"endless", AccountConfig{}, []string{"423 Interval Too Brief|Min-Expires: 7200", "423 Interval Too Brief|Min-Expires: 7200"}, 423},
	} {
		t.Run(x.name, func(t *testing.T) {
			inBubble(t, Config{}, func(b *bench) {
				a, h := b.registering(x.cfg)
				for _, s := range x.answers {
					status, more, _ := strings.Cut(s, "|")
					m := b.phone.next("REGISTER")
					if more == "" {
						b.phone.reply(m, status)
					} else {
						b.phone.reply(m, status, more)
					}
				}
				b.pass(time.Minute)
				if f := what[Failure](t, h, "registration failed"); f.Code != x.code || a.State() != RegFailed {
					t.Errorf("%+v", f)
				}
				if n := h.count("registration failed"); n != 1 {
					t.Error(n, "times")
				}
			})
		})
	}
}

// A registrar that wants longer registrations gets them.
func TestMinExpires(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		_, h := b.registering(AccountConfig{TTL: time.Minute, Credentials: Credentials{HA1: md5hex("alice:r:x")}})
		b.phone.reply(b.phone.next("REGISTER"), "423 Interval Too Brief", "Min-Expires: 7200")
		m := b.phone.next("REGISTER")
		if m.Get("Expires") != "7200" {
			t.Errorf("%q", m.Raw)
		}
		b.phone.reply(m, "407 Proxy", `Proxy-Authenticate: Digest realm="r", nonce="n"`)
		m = b.phone.next("REGISTER")
		if want := md5hex(md5hex("alice:r:x") + ":n:" + md5hex("REGISTER:sip:192.0.2.2")); field(m.Get("Proxy-Authorization"), "response") != want {
			t.Errorf("%q", m.Raw)
		}
		b.phone.reply(m, "200 OK")
		b.pass(0)
		if r := what[Registered](t, h, "registered"); r.Expires != 2*time.Hour {
			t.Errorf("%+v", r)
		}
	})
}

// An account can be registered anew, with other settings.
func TestRegisterAnew(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.registered(AccountConfig{})
		b.ok(a.Register(AccountConfig{Identity: "sip:bob@" + theirs, Register: true, Proxy: "sip:" + theirs + ";lr"}))
		m := b.phone.next("REGISTER sip:192.0.2.2;lr SIP/2.0")
		if m.Get("To") != "<sip:bob@192.0.2.2>" {
			t.Errorf("%q", m.Raw)
		}
		b.phone.reply(m, "200 OK")
		b.pass(0)
		if h.count("registered") != 2 || a.User() != "bob" {
			t.Error(h.kinds(), a.User())
		}
		if b.e.account("sip:alice@x") != nil || b.e.account("sip:bob@x") != a {
			t.Error("found by the wrong user")
		}
		for _, bad := range []string{"", "bob", "sip:" + theirs, "tel:1", "sips:bob@x", "sip:a b@x", "sip:bob@x\r\nX: 1"} {
			if err := a.Register(AccountConfig{Identity: bad}); err != ErrAddress {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}

// An hour of a registrar that is away for half a minute now and then.
func TestRegisterForAnHour(t *testing.T) {
	inBubble(t, Config{Keepalive: 2 * time.Minute}, func(b *bench) {
		var all []*ear
		for i := range 50 {
			_, h := b.registering(AccountConfig{Identity: "sip:u" + itoa(i) + "@" + theirs, TTL: 5 * time.Minute})
			all = append(all, h)
		}
		stop := make(chan struct{})
		done := make(chan struct{})
		var away atomic.Bool
		go func() {
			defer close(done)
			for {
				select {
				case m := <-b.phone.got:
					if !away.Load() {
						b.phone.reply(m, "200 OK")
					}
				case <-stop:
					return
				}
			}
		}()
		for range 12 {
			b.pass(4*time.Minute + 30*time.Second)
			away.Store(true)
			b.pass(30 * time.Second)
			away.Store(false)
		}
		close(stop)
		<-done
		for i, h := range all {
			if n := h.count("registered"); n < 12 || n > 24 || h.count("registration failed") > 0 {
				t.Fatal(i, n, h.kinds())
			}
		}
		if s := b.e.Stats(); s.Clients > 100 {
			t.Errorf("%+v", s)
		}
	})
}

// A registrar that does not come back is given up when the registration is over.
func TestRegistrarGone(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.registered(AccountConfig{TTL: 10 * time.Minute})
		start := time.Now()
		b.pass(20 * time.Minute)
		if f := what[Failure](t, h, "registration failed"); f.Code != 408 || h.count("registered") != 1 || a.State() != RegFailed {
			t.Error(h.kinds(), time.Since(start))
		}
		for len(b.phone.got) > 0 {
			<-b.phone.got
		}
	})
}

// A connection that ends while the registration is refreshed makes no second series of refreshes.
func TestRefreshedTwice(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.registered(AccountConfig{TTL: 10 * time.Minute})
		one := b.phone.next("REGISTER")
		b.e.do("a test", func() { a.reg.broken(a) })
		b.pass(6 * time.Second)
		two := b.phone.skip("REGISTER")
		for two.Get("CSeq") == one.Get("CSeq") { // repeated
			two = b.phone.skip("REGISTER")
		}
		b.phone.reply(one, "200 OK")
		b.phone.reply(two, "200 OK")
		b.pass(time.Second)
		for len(b.phone.got) > 0 { // repeated ones
			<-b.phone.got
		}
		before := h.count("registered")
		for h.count("registered") < before+3 {
			b.phone.reply(b.phone.skip("REGISTER"), "200 OK")
			b.pass(4 * time.Minute) // of 7.5 to 9
			if len(b.phone.got) > 0 {
				b.Fatalf("%q", b.phone.next("").Raw)
			}
		}
	})
}

// Behind a NAT the Contact is what the registrar sees.
func TestBehindNAT(t *testing.T) {
	inBubble(t, Config{BehindNAT: true}, func(b *bench) {
		_, h := b.registering(AccountConfig{})
		seen := func(m text) text {
			for i, f := range m.Fields {
				if strings.HasPrefix(f, "Via:") {
					m.Fields[i] = strings.Replace(f, ";rport", ";received=198.51.100.7;rport=1024", 1)
				}
			}
			return m
		}
		b.phone.reply(seen(b.phone.next("REGISTER")), "200 OK")
		m := b.phone.next("REGISTER")
		if !strings.HasSuffix(contactOf(m), "@198.51.100.7:1024") {
			t.Errorf("%q", m.Raw)
		}
		b.phone.reply(seen(m), "200 OK", "Contact: "+m.Get("Contact"))
		b.pass(time.Minute)
		b.phone.none()
		if h.count("registered") != 2 {
			t.Error(h.kinds())
		}
	})
}

func TestKeepalive(t *testing.T) {
	inBubble(t, Config{Keepalive: time.Minute}, func(b *bench) {
		a, _ := b.registered(AccountConfig{})
		for range 3 {
			start := time.Now()
			m := b.phone.next("OPTIONS sip:192.0.2.2")
			if d := time.Since(start).Round(time.Second); d != time.Minute {
				t.Error(d)
			}
			b.phone.reply(m, "200 OK")
		}
		a.Close()
		b.phone.reply(b.phone.next("REGISTER"), "200 OK")
		b.pass(time.Hour)
		b.phone.none()
	})
}
