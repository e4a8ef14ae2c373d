package ua

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Strangers cost nothing that stays, whatever they send and however many they are.
func TestStrangers(t *testing.T) {
	inBubble(t, Config{Limits: Limits{Rate: 10, Burst: 20}}, func(b *bench) {
		_, h := b.account(b.e, "alice")
		to := netip.MustParseAddrPort(ours + ":5060")
		u := b.w.udpAt(netip.MustParseAddrPort("198.51.100.1:5060"))
		defer u.Close()
		sent := func(u *wireUDP, n int, method, user string) {
			for range n {
				m := method + " sip:" + user + "@x SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK" + random(10) + "\r\nFrom: <sip:s@x>;tag=" + random(5) +
					"\r\nTo: <sip:x@x>\r\nCall-ID: " + random(10) + "\r\nCSeq: 1 " + method + "\r\nContent-Length: 0\r\n\r\n"
				_, _ = u.WriteToUDPAddrPort([]byte(m), to)
			}
			b.pass(0)
		}
		sent(u, 1000, "INVITE", "nobody")
		if n := len(u.in); n != 20 {
			t.Error(n, "answers")
		}
		if s := b.e.Stats(); s.Servers != 0 {
			t.Errorf("%+v", s)
		}
		b.pass(time.Second)
		for len(u.in) > 0 {
			<-u.in
		}
		sent(u, 1000, "OPTIONS", "nobody")
		if n := len(u.in); n != 10 {
			t.Error(n, "answers")
		}
		b.pass(10 * time.Second)
		sent(u, 1000, "OPTIONS", "alice")
		if s := b.e.Stats(); s.Servers != 20 {
			t.Errorf("%+v", s)
		}
		// Others are not affected.
		b.called("alice", "in1", withSDP()...)
		h.last(t, "incoming")
		// Sources are forgotten.
		for i := range 6000 {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 5060)
			b.e.mu.Lock()
			b.e.sources.take(from.Addr(), time.Now())
			b.e.mu.Unlock()
		}
		if s := b.e.Stats(); s.Sources > maxSources {
			t.Errorf("%+v", s)
		}
		b.pass(time.Minute)
		sent(u, 1, "INVITE", "nobody")
		x := b.w.udpAt(netip.MustParseAddrPort("10.9.9.9:5060"))
		defer x.Close()
		sent(x, 1, "INVITE", "nobody")
		if s := b.e.Stats(); s.Sources > 10 {
			t.Errorf("%+v", s)
		}
	})
}

// One source gets so many transactions and no more.
func TestTransactionsOfOneSource(t *testing.T) {
	inBubble(t, Config{Limits: Limits{Rate: 10000, Burst: 10000, Transactions: 50}}, func(b *bench) {
		b.account(b.e, "alice")
		for range 100 {
			b.phone.request("MESSAGE", "sip:alice@x", "<sip:s@x>;tag=t", "<sip:alice@x>", random(10), 1)
		}
		codes := map[string]int{}
		for range 100 {
			codes[b.phone.next("SIP/2.0").Start]++
		}
		if codes["SIP/2.0 200 OK"] != 50 || codes["SIP/2.0 503 Service Unavailable"] != 50 {
			t.Error(codes)
		}
		if s := b.e.Stats(); s.Servers != 50 {
			t.Errorf("%+v", s)
		}
		b.pass(time.Minute)
		if s := b.e.Stats(); s.Servers != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A handler that is slow holds nothing up but what is for it.
func TestSlowHandler(t *testing.T) {
	inBubble(t, Config{Limits: Limits{Rate: 1e6, Burst: 1e6, Transactions: 1e6}}, func(b *bench) {
		block := make(chan struct{})
		_, h := b.account(b.e, "alice")
		h.hook = func(heard) { <-block }
		_, other := b.account(b.e, "bob")
		codes := map[string]int{}
		for i := range maxQueued + 100 {
			b.phone.request("MESSAGE", "sip:alice@x", "<sip:s@x>;tag=t", "<sip:alice@x>", "m"+itoa(i), 1, "Content-Type: text/plain", "", "x")
			codes[b.phone.next("SIP/2.0").Start]++
			if i == 0 {
				b.pass(0) // it is with the handler
			}
		}
		if n := codes["SIP/2.0 503 Service Unavailable"]; n < 90 || n > 100 {
			t.Error(codes)
		}
		b.phone.request("MESSAGE", "sip:bob@x", "<sip:s@x>;tag=t", "<sip:bob@x>", "m", 1, "Content-Type: text/plain", "", "x")
		b.phone.next("SIP/2.0 200")
		b.pass(0)
		other.last(t, "message")
		close(block)
	})
}

// Transactions that hold too much are refused.
func TestHeldBytes(t *testing.T) {
	inBubble(t, Config{Limits: Limits{Rate: 1e6, Burst: 1e6}}, func(b *bench) {
		_, h := b.account(b.e, "alice")
		codes := map[string]int{}
		for range 200 {
			b.phone.request("INVITE", "sip:alice@x", "<sip:s@x>;tag=t", "<sip:alice@x>", random(10), 1, "X-Big: "+strings.Repeat("x", 60000))
			m := b.phone.next("SIP/2.0")
			codes[m.Start]++
		}
		if h.count("incoming") != 1 || codes["SIP/2.0 486 Busy Here"] != 199 {
			t.Error(codes)
		}
		// Only the call that rings is held whole.
		b.e.mu.Lock()
		held := b.e.sources.held
		b.e.mu.Unlock()
		if held > 300000 {
			t.Error(held, "bytes")
		}
		b.e.mu.Lock()
		b.e.sources.of(netip.MustParseAddr(theirs), time.Now()).held += maxHeldBySource
		b.e.mu.Unlock()
		b.phone.request("MESSAGE", "sip:alice@x", "<sip:s@x>;tag=t", "<sip:alice@x>", random(10), 1)
		b.phone.next("SIP/2.0 503")
		for range 60 {
			b.pass(time.Second)
			for len(b.phone.got) > 0 {
				<-b.phone.got
			}
		}
	})
}

// What an account asks at once is bounded, and a name that takes long is asked for by a few of its requests only.
func TestBusyAccount(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.registered(AccountConfig{})
		c, _ := b.inCall(a)
		for _, x := range []struct {
			method string
			ask    func() error
		}{
			{"INFO", func() error { return c.Info("a/b", "x", nil) }},
			{"MESSAGE", func() error { return c.Message("a/b", "x", nil) }},
			{"SUBSCRIBE", func() error { _, err := a.Subscribe(SubscribeConfig{Event: "x"}); return err }},
			{"MESSAGE", func() error { _, err := a.Message(MessageConfig{URI: "sip:x@" + theirs, Body: "x"}); return err }},
			{"REGISTER", func() error { return a.Register(a.cfg) }},
		} {
			n := 0
			for ; n < 500 && x.ask() == nil; n++ {
			}
			if n != maxPending {
				t.Errorf("%d of %s at once", n, x.method)
			}
			b.pass(0)
			for range n {
				m := b.phone.next(x.method)
				b.phone.reply(m, "200 OK", "Contact: "+m.Get("Contact"))
			}
			b.pass(time.Minute) // nothing is repeated
			b.phone.none()
		}
		for range maxPending {
			_, err := a.Message(MessageConfig{URI: "sip:x@slow", Body: "x"})
			b.ok(err)
		}
		b.e.do("a test", func() {
			if b.e.lookups != maxAccountLookups {
				t.Errorf("%d names are looked up", b.e.lookups)
			}
		})
		b.pass(time.Minute)
		if n := h.count("message result"); n != 3*maxPending {
			t.Errorf("told of %d texts", n)
		}
		b.ok(c.Hangup(nil))
		b.phone.reply(b.phone.next("BYE"), "200 OK")
		b.pass(0)
	})
}

// Who rings again and again is not told of more often than can be heard.
func TestRingsOften(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		held := make(chan struct{})
		h.hook = func(heard) { <-held }
		_, m := b.calling(a, CallConfig{})
		for range 4 {
			for range maxQueued {
				b.phone.reply(m, "180 Ringing")
			}
			b.pass(time.Second)
		}
		close(held)
		b.pass(0)
		if n := h.count("provisional"); n > 2*maxQueued || n < 2 { // those that the queue has taken out, and those in it
			t.Errorf("told of %d", n)
		}
		b.phone.reply(m, "486 Busy")
		b.phone.next("ACK")
		b.pass(0)
		h.last(t, "ended")
	})
}

// A line end that is none by RFC 3261 takes no header field along to somebody else, nor back.
func TestBareLineEnds(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		refer := func(id, to string, more ...string) {
			b.phone.request("REFER", to, "<sip:boss@"+theirs+">;tag=t", "<sip:alice@x>", id, 1, more...)
			b.pass(0)
		}
		for i, bad := range []string{"Referred-By: <sip:a@b>\nEvil: 1", "X: y\nEvil: 1", "X\nEvil: 1"} {
			refer("e"+itoa(i), "sip:alice@"+ours, "Refer-To: sip:carol@x", bad)
		}
		refer("e9", "sip:alice@"+ours+"\nEvil:1", "Refer-To: sip:carol@x")
		b.phone.none()
		if h.count("transfer") != 0 {
			t.Error(h.kinds())
		}
		c, m := b.calling(a, CallConfig{})
		b.phone.reply(m, "486 Busy\nEvil: 1")
		b.pass(0)
		if c.State() != Inviting {
			t.Error(c.State())
		}
		b.phone.reply(m, "486 Busy")
		b.phone.next("ACK")
	})
}
