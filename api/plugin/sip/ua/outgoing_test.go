package ua

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// calling calls bob, whose INVITE the phone has.
func (b *bench) calling(a *Account, cfg CallConfig) (*Call, text) {
	b.Helper()
	if cfg.URI == "" {
		cfg.URI = "sip:bob@" + theirs
	}
	if cfg.SDP == "" {
		cfg.SDP = sdpText
	}
	c, err := a.Call(cfg)
	b.ok(err)
	return c, b.phone.next("INVITE")
}

// inCall has a call that the phone has answered.
func (b *bench) inCall(a *Account) (*Call, text) {
	b.Helper()
	c, m := b.calling(a, CallConfig{})
	b.phone.reply(m, "200 OK", append([]string{"Contact: <sip:phone@" + theirs + ":5060>"}, withSDP()...)...)
	b.phone.next("ACK")
	b.pass(0)
	return c, m
}

// from and to are those of the phone in a dialog that the INVITE m has begun.
func (p *phone) fromTo(m text) (from, to string) {
	return m.Get("To") + ";tag=" + p.Tag, m.Get("From")
}

func TestCall(t *testing.T) {
	inBubble(t, Config{UserAgent: "test/1"}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		c, m := b.calling(a, CallConfig{CallID: "abc@def", Headers: Headers{{"X-One", "1"}, {"Contact", "<sip:evil@x>"}}, URI: "sip:bob@" + theirs + "?Route=x"})
		if m.Start != "INVITE sip:bob@192.0.2.2 SIP/2.0" || m.Get("Call-ID") != "abc@def" || m.Get("X-One") != "1" || m.Body != sdpText ||
			m.Get("Content-Type") != "application/sdp" || len(m.All("Contact")) != 1 || m.Get("CSeq") != "1 INVITE" {
			t.Errorf("%q", m.Raw)
		}
		b.phone.reply(m, "100 Trying")
		b.pass(0)
		if k := h.kinds(); k != nil {
			t.Error(k)
		}
		b.phone.reply(m, "180 Ringing", "Contact: <sip:early@"+theirs+">", "X-Two: 2")
		b.pass(0)
		if x := what[Answer](t, h, "provisional"); x.Code != 180 || x.SDP != "" || x.Headers.Get("x-two") != "2" || x.To != "sip:bob@192.0.2.2" {
			t.Errorf("%+v", x)
		}
		b.phone.reply(m, "183 Session Progress", withSDP()...)
		b.pass(0)
		if x := what[Answer](t, h, "provisional"); x.Code != 183 || x.SDP != sdpText {
			t.Errorf("%+v", x)
		}
		if _, err := a.Call(CallConfig{URI: "sip:x@y", SDP: sdpText}); err != ErrBusy {
			t.Error(err)
		}
		b.phone.reply(m, "200 OK", append([]string{"Contact: <sip:phone@192.0.2.2:5060;x=y>;isfocus", "Record-Route: <sip:192.0.2.2;lr;n=2>, <sip:192.0.2.2:5060;lr;n=1>"}, withSDP()...)...)
		ack := b.phone.next("ACK sip:phone@192.0.2.2:5060;x=y SIP/2.0")
		if r := ack.All("Route"); !slices.Equal(r, []string{"<sip:192.0.2.2:5060;lr;n=1>", "<sip:192.0.2.2;lr;n=2>"}) || ack.Get("CSeq") != "1 ACK" ||
			ack.Get("To") != "<sip:bob@192.0.2.2>;tag=phonetag" || ack.Get("Via") == m.Get("Via") {
			t.Errorf("%q", ack.Raw)
		}
		b.pass(0)
		if x := what[Answer](t, h, "answered"); !x.Focus || x.SDP != sdpText || x.Update || x.Code != 200 {
			t.Errorf("%+v", x)
		}
		// An answer that is repeated gets the same ACK.
		b.phone.reply(m, "200 OK", append([]string{"Contact: <sip:phone@192.0.2.2:5060;x=y>"}, withSDP()...)...)
		if again := b.phone.next("ACK"); again.Raw != ack.Raw {
			t.Errorf("%q", again.Raw)
		}
		if c.State() != Established || c.ID() != "abc@def" || !c.Outgoing() || c.Peer() != "sip:bob@192.0.2.2" {
			t.Error(c.State())
		}
		b.ok(c.Hangup(Headers{{"Reason", "Q.850;cause=16"}}))
		bye := b.phone.next("BYE sip:phone@192.0.2.2:5060;x=y SIP/2.0")
		if bye.Get("CSeq") != "2 BYE" || bye.Get("Reason") != "Q.850;cause=16" || len(bye.All("Route")) != 2 {
			t.Errorf("%q", bye.Raw)
		}
		if err := c.Hangup(nil); err != ErrState {
			t.Error(err)
		}
		b.phone.reply(bye, "200 OK", "X-Three: 3")
		b.pass(0)
		if x := what[End](t, h, "ended"); x.Code != 200 || x.Reason != "to BYE" || x.Headers.Get("X-Three") != "3" {
			t.Errorf("%+v", x)
		}
		if k := h.kinds(); !slices.Equal(k, []string{"provisional", "provisional", "answered", "ended"}) {
			t.Error(k)
		}
	})
}

// The other side hangs up, and says why.
func TestByeComes(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		c, m := b.inCall(a)
		from, to := b.phone.fromTo(m)
		b.phone.request("BYE", contactOf(m), from, to, c.ID(), 7, `Reason: SIP ;cause=200 ;text="Call \"completed\", bye"`, "X-Y: z")
		b.phone.next("SIP/2.0 200 OK")
		b.pass(0)
		x := what[End](t, h, "ended")
		if x.Code != 200 || x.Reason != "Session Terminated" || x.ReasonProtocol != "SIP" || x.ReasonCause != "200" ||
			x.ReasonText != `Call "completed", bye` || x.Headers.Get("X-Y") != "z" {
			t.Errorf("%+v", x)
		}
		b.phone.request("BYE", contactOf(m), from, to, c.ID(), 8)
		b.phone.next("SIP/2.0 481")
	})
}

func TestCallRefused(t *testing.T) {
	for _, x := range []struct {
		status string
		more   []string
		check  func(End) bool
	}{
		{"486 Busy Here", nil, func(e End) bool { return e.Code == 486 && e.Reason == "Busy Here" }},
		{"603 Decline", []string{`Reason: Q.850;cause=21;text="no, thanks"`}, func(e End) bool {
			return e.Code == 603 && e.ReasonProtocol == "Q.850" && e.ReasonCause == "21" && e.ReasonText == "no, thanks"
		}},
		{"302 Moved Temporarily", []string{"Contact: <sip:carol@192.0.2.9>;q=0.5, sip:dave@192.0.2.9"}, func(e End) bool {
			return e.Code == 302 && slices.Equal(e.Contacts, []string{"sip:carol@192.0.2.9", "sip:dave@192.0.2.9"})
		}},
		{"401 Unauthorized", []string{`WWW-Authenticate: Digest realm="x", nonce="n"`}, func(e End) bool { return e.Code == 401 }},
	} {
		t.Run(x.status, func(t *testing.T) {
			inBubble(t, Config{}, func(b *bench) {
				a, h := b.account(b.e, "alice")
				_, m := b.calling(a, CallConfig{})
				b.phone.reply(m, x.status, x.more...)
				ack := b.phone.next("ACK sip:bob@192.0.2.2 SIP/2.0")
				if ack.Get("Via") != m.Get("Via") || ack.Get("To") != "<sip:bob@192.0.2.2>;tag=phonetag" {
					t.Errorf("%q", ack.Raw)
				}
				b.phone.reply(m, x.status, x.more...) // the ACK was lost
				b.phone.next("ACK")
				b.pass(time.Minute)
				if e := what[End](t, h, "ended"); !x.check(e) || h.count("ended") != 1 || a.Busy() {
					t.Errorf("%+v %q", e, h.kinds())
				}
				b.phone.none()
			})
		})
	}
}

// An INVITE is repeated for 32 s, then the call is over.
func TestNoAnswer(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		_, m := b.calling(a, CallConfig{})
		start := time.Now()
		var at []time.Duration
		for range 6 {
			if again := b.phone.next("INVITE"); again.Raw != m.Raw {
				t.Errorf("%q", again.Raw)
			}
			at = append(at, time.Since(start))
		}
		if want := []time.Duration{500e6, 1500e6, 3500e6, 7500e6, 15500e6, 31500e6}; !slices.Equal(at, want) {
			t.Error(at)
		}
		b.pass(time.Second)
		if e := what[End](t, h, "ended"); e.Code != 408 {
			t.Errorf("%+v", e)
		}
		b.phone.none()
	})
}

// Transactions give up after 64*T1, which can be set.
func TestTimeout(t *testing.T) {
	inBubble(t, Config{T1x64: 3 * time.Second}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		b.calling(a, CallConfig{})
		b.pass(2999 * time.Millisecond)
		if h.count("ended") != 0 {
			t.Error("too early")
		}
		b.pass(time.Millisecond)
		if e := what[End](t, h, "ended"); e.Code != 408 {
			t.Errorf("%+v", e)
		}
		for len(b.phone.got) > 0 {
			<-b.phone.got
		}
	})
}

func TestCancel(t *testing.T) {
	for _, x := range []struct {
		name       string
		rfc2543    bool
		early      bool   // hang up before anything has come
		status     string // of the final response
		bye        bool
		unanswered bool
	}{
		{name: "ringing", status: "487 Request Terminated"},
		{name: "before the first response", early: true, status: "487 Request Terminated"},
		{name: "RFC 2543", rfc2543: true, early: true, status: "487 Request Terminated"},
		{name: "answered meanwhile", status: "200 OK", bye: true},
		{name: "challenged meanwhile", early: true, status: "401 Unauthorized"},
		{name: "without an end", unanswered: true},
	} {
		t.Run(x.name, func(t *testing.T) {
			inBubble(t, Config{}, func(b *bench) {
				h := &ear{}
				a, err := b.e.Account(AccountConfig{Identity: "sip:alice@" + theirs, RFC2543Cancel: x.rfc2543, Credentials: Credentials{Secret: "x"}}, h)
				b.ok(err)
				c, m := b.calling(a, CallConfig{})
				if !x.early {
					b.phone.reply(m, "180 Ringing")
					b.pass(0)
				}
				b.ok(c.Hangup(Headers{{"Reason", "SIP;cause=487"}}))
				if x.early && !x.rfc2543 {
					b.phone.none()
					b.phone.reply(m, "100 Trying")
				}
				cancel := b.phone.next("CANCEL sip:bob@192.0.2.2 SIP/2.0")
				if cancel.Get("Via") != m.Get("Via") || cancel.Get("CSeq") != "1 CANCEL" || cancel.Get("To") != m.Get("To") || cancel.Get("From") != m.Get("From") ||
					cancel.Get("Reason") != "SIP;cause=487" {
					t.Errorf("%q", cancel.Raw)
				}
				b.phone.reply(cancel, "200 OK")
				if x.unanswered {
					b.pass(time.Minute)
					if e := what[End](t, h, "ended"); e.Code != 487 {
						t.Errorf("%+v", e)
					}
					return
				}
				more := []string{}
				if x.bye {
					more = append([]string{"Contact: <sip:phone@192.0.2.2>"}, withSDP()...)
				}
				if x.status[0] == '4' && x.status[1] == '0' {
					more = []string{`WWW-Authenticate: Digest realm="192.0.2.2", nonce="n"`}
				}
				b.phone.reply(m, x.status, more...)
				b.phone.next("ACK")
				if x.bye {
					b.phone.reply(b.phone.next("BYE sip:phone@192.0.2.2 "), "200 OK")
				}
				b.pass(time.Minute)
				if e := what[End](t, h, "ended"); e.Code != 487 || h.count("ended") != 1 || h.count("answered") != 0 {
					t.Errorf("%+v", e)
				}
				b.phone.none()
			})
		})
	}
}

// Of two that answer, the first one wins; the other one gets a BYE.
func TestForks(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		c, m := b.calling(a, CallConfig{})
		for _, tag := range []string{"one", "two", "three"} {
			b.phone.Tag = tag
			b.phone.reply(m, "180 Ringing", "Contact: <sip:"+tag+"@192.0.2.2>")
		}
		b.phone.Tag = "two"
		b.phone.reply(m, "200 OK", append([]string{"Contact: <sip:two@192.0.2.2>"}, withSDP()...)...)
		b.phone.next("ACK sip:two@")
		b.phone.Tag = "one"
		b.phone.reply(m, "200 OK", append([]string{"Contact: <sip:one@192.0.2.2>"}, withSDP()...)...)
		b.phone.next("ACK sip:one@")
		bye := b.phone.next("BYE sip:one@")
		if bye.Get("To") != "<sip:bob@192.0.2.2>;tag=one" {
			t.Errorf("%q", bye.Raw)
		}
		b.phone.reply(bye, "200 OK")
		b.phone.reply(m, "200 OK", append([]string{"Contact: <sip:one@192.0.2.2>"}, withSDP()...)...)
		b.phone.next("ACK sip:one@")
		b.pass(0)
		if h.count("answered") != 1 || h.count("provisional") != 3 || c.State() != Established {
			t.Error(h.kinds())
		}
		b.ok(c.Info("a/b", "x", nil))
		if m := b.phone.next("INFO sip:two@"); m.Get("To") != "<sip:bob@192.0.2.2>;tag=two" {
			t.Errorf("%q", m.Raw)
		}
	})
}

// Who is called does not see what the registrar was answered, unless the call is asked for it.
func TestCallWithoutDigest(t *testing.T) {
	challenge := `WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"`
	inBubble(t, Config{}, func(b *bench) {
		a, _ := b.registering(AccountConfig{Credentials: Credentials{Secret: "x"}})
		b.phone.reply(b.phone.next("REGISTER"), "401 Unauthorized", challenge)
		b.phone.reply(b.phone.next("REGISTER"), "200 OK")
		b.pass(0)
		_, m := b.calling(a, CallConfig{})
		if d := m.Get("Authorization"); d != "" {
			t.Errorf("the first INVITE tells %q", d)
		}
		b.phone.reply(m, "401 Unauthorized", challenge)
		b.phone.next("ACK")
		m = b.phone.next("INVITE")
		if d := m.Get("Authorization"); field(d, "response") == "" {
			t.Errorf("one that was asked tells %q", d)
		}
		b.phone.reply(m, "486 Busy")
		b.phone.next("ACK")
	})
}

// INVITE and BYE answer challenges of the registrar, and only of it.
func TestCallDigest(t *testing.T) {
	challenge := `Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth"`
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.registering(AccountConfig{Credentials: Credentials{Secret: "x"}})
		b.phone.reply(b.phone.next("REGISTER"), "401 Unauthorized", strings.Replace(challenge, "Proxy", "WWW", 1))
		b.phone.reply(b.phone.next("REGISTER"), "200 OK")
		b.pass(0)
		c, m := b.calling(a, CallConfig{})
		b.phone.reply(m, "407 Proxy Authentication Required", challenge)
		b.phone.next("ACK")
		m = b.phone.next("INVITE")
		if m.Get("CSeq") != "2 INVITE" || field(m.Get("Proxy-Authorization"), "nc") != "00000001" || m.Body != sdpText {
			t.Errorf("%q", m.Raw)
		}
		b.phone.reply(m, "200 OK", append([]string{"Contact: <sip:phone@192.0.2.2:5060>"}, withSDP()...)...)
		if ack := b.phone.next("ACK"); ack.Get("CSeq") != "2 ACK" || ack.Get("Proxy-Authorization") != m.Get("Proxy-Authorization") {
			t.Errorf("%q", ack.Raw)
		}
		b.ok(c.Hangup(nil))
		bye := b.phone.next("BYE")
		if bye.Get("CSeq") != "3 BYE" || field(bye.Get("Proxy-Authorization"), "nc") != "00000002" {
			t.Errorf("%q", bye.Raw)
		}
		b.phone.reply(bye, "407 Proxy", strings.Replace(challenge, `"n"`, `"n2", stale=true`, 1))
		bye = b.phone.next("BYE")
		b.phone.reply(bye, "200 OK")
		b.pass(0)
		h.last(t, "ended")
		// Another realm.
		_, m = b.calling(a, CallConfig{})
		b.phone.reply(m, "407 Proxy", strings.Replace(challenge, `"r"`, `"evil"`, 1))
		b.phone.next("ACK")
		b.pass(0)
		if e := what[End](t, h, "ended"); e.Code != 407 {
			t.Errorf("%+v", e)
		}
		// Another server.
		evil := newPhone(t, b.w, "192.0.2.66:5060")
		defer evil.close()
		_, err := a.Call(CallConfig{URI: "sip:x@192.0.2.66", SDP: sdpText})
		b.ok(err)
		m = evil.next("INVITE")
		if m.Get("Proxy-Authorization") != "" || m.Get("Authorization") != "" {
			t.Errorf("%q", m.Raw)
		}
		evil.reply(m, "407 Proxy", challenge)
		evil.next("ACK")
		b.pass(0)
		evil.none()
		if e := what[End](t, h, "ended"); e.Code != 407 || h.count("ended") != 3 {
			t.Errorf("%+v", e)
		}
		// With credentials for that call.
		_, err = a.Call(CallConfig{URI: "sip:x@192.0.2.66", SDP: sdpText, Credentials: &Credentials{User: "u", Secret: "y"}})
		b.ok(err)
		evil.reply(evil.next("INVITE"), "407 Proxy", challenge)
		evil.next("ACK")
		m = evil.next("INVITE")
		d := m.Get("Proxy-Authorization")
		if want := md5hex(md5hex("u:r:y") + ":n:00000001:" + field(d, "cnonce") + ":auth:" + md5hex("INVITE:sip:x@192.0.2.66")); field(d, "response") != want {
			t.Errorf("%q", d)
		}
		evil.reply(m, "486 Busy")
		evil.next("ACK")
	})
}

// Calls of the own domain go by the registrar, all others where their address leads; with an outbound proxy all.
func TestRoutes(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		b.w.names["pbx.example"] = nil
		for _, x := range []struct {
			cfg   AccountConfig
			uri   string
			start string
			route string
		}{
			{AccountConfig{Identity: "sip:a@pbx.example", Proxy: "sip:" + theirs}, "sip:b@pbx.example", "INVITE sip:b@pbx.example SIP/2.0", ""},
			{AccountConfig{Identity: "sip:a@pbx.example", OutboundProxy: "sip:" + theirs}, "sip:b@other.example", "INVITE sip:b@other.example SIP/2.0", ""},
			{AccountConfig{Identity: "sip:a@pbx.example", OutboundProxy: "sip:" + theirs + ";lr"}, "sip:b@other.example;x=1", "INVITE sip:b@other.example;x=1 SIP/2.0", "<sip:192.0.2.2;lr>"},
			{AccountConfig{Identity: "sip:a@pbx.example"}, "sip:b@" + theirs + ":5060;transport=udp", "INVITE sip:b@192.0.2.2:5060;transport=udp SIP/2.0", ""},
		} {
			h := &ear{}
			a, err := b.e.Account(x.cfg, h)
			b.ok(err)
			c, err := a.Call(CallConfig{URI: x.uri, SDP: sdpText})
			b.ok(err)
			m := b.phone.next(x.start)
			if m.Get("Route") != x.route {
				t.Errorf("%q", m.Raw)
			}
			b.phone.reply(m, "180 Ringing")
			b.pass(0)
			b.ok(c.Hangup(nil))
			b.phone.next("CANCEL")
			b.phone.reply(m, "487 Request Terminated")
			if ack := b.phone.next("ACK"); ack.Get("Route") != x.route {
				t.Errorf("%q", ack.Raw)
			}
			a.Close()
			b.pass(time.Minute)
			for len(b.phone.got) > 0 {
				<-b.phone.got
			}
		}
		// A name that nobody knows.
		a, h := b.account(b.e, "alice")
		_, err := a.Call(CallConfig{URI: "sip:b@nowhere.example", SDP: sdpText})
		b.ok(err)
		b.pass(0)
		if e := what[End](t, h, "ended"); e.Code != 503 {
			t.Errorf("%+v", e)
		}
		for _, bad := range []string{"", "bob", "tel:+1", "sip:b@x y", "sip:b@x\r\nEvil: 1", "sip:b@x>", "sip:b@x:99999"} {
			if _, err := a.Call(CallConfig{URI: bad}); err != ErrAddress {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if _, err := a.Call(CallConfig{URI: "sip:b@x", CallID: "a b"}); err != ErrAddress {
			t.Error(err)
		}
		if _, err := a.Call(CallConfig{URI: "sip:b@x", Headers: Headers{{"X", strings.Repeat("x", 2048)}}}); err != ErrHeaders {
			t.Error(err)
		}
	})
}
