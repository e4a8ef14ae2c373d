package ua

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// called has the phone call the account.
func (b *bench) called(user, callID string, more ...string) (branch string) {
	b.Helper()
	branch = b.phone.request("INVITE", "sip:"+user+"@"+ours, "\"Far \\\"end\" <sip:far@"+theirs+">;tag=far", "<sip:"+user+"@"+theirs+">", callID, 1, more...)
	b.phone.next("SIP/2.0 100")
	b.pass(0)
	return branch
}

// ackOf acknowledges a final response to the INVITE with that branch; of a 2xx with another one.
func (b *bench) ackOf(branch string, m text, more ...string) {
	uri := "sip:x@" + ours
	if strings.HasPrefix(m.Start, "SIP/2.0 2") {
		branch, uri = "z9hG4bK"+random(10), contactOf(m)
	}
	seq, _, _ := strings.Cut(m.Get("CSeq"), " ")
	b.phone.requestBy(branch, "ACK", uri, m.Get("From"), m.Get("To"), m.Get("Call-ID"), atoi(seq), more...)
	b.pass(0)
}

func atoi(s string) (n int) {
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}

func TestIncoming(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		branch := b.called("alice", "in1", append([]string{"X-One: 1", "P-Asserted-Identity: \"F\" <sip:+49@x>", "Referred-By: <sip:r@x>", "Replaces: a;to-tag=b;from-tag=c",
			"Record-Route: <sip:192.0.2.2:5060;lr;n=1>"}, withSDP()...)...)
		in := h.last(t, "incoming")
		x := in.what.(Invite)
		if x.CallID != "in1" || x.From != "sip:far@192.0.2.2" || x.DisplayName != `Far "end` || x.To != "sip:alice@192.0.2.2" || x.SDP != sdpText ||
			x.Asserted != "sip:+49@x" || x.ReferredBy != "<sip:r@x>" || x.Replaces != "a;to-tag=b;from-tag=c" || x.Headers.Get("X-One") != "1" {
			t.Errorf("%+v", x)
		}
		c := in.call
		b.ok(c.Ring())
		m := b.phone.next("SIP/2.0 180 Ringing")
		if !strings.HasPrefix(m.Get("To"), "<sip:alice@192.0.2.2>;tag=") || m.Get("Contact") == "" || m.Get("Record-Route") == "" ||
			!strings.Contains(m.Get("Via"), ";rport=5060") || !strings.Contains(m.Get("Via"), ";received=192.0.2.2") {
			t.Errorf("%q", m.Raw)
		}
		b.pass(time.Minute) // and again
		b.phone.next("SIP/2.0 180")
		b.ok(c.Progress("v=early\r\n", nil))
		if p := b.phone.next("SIP/2.0 183"); p.Body != "v=early\r\n" || p.Get("To") != m.Get("To") {
			t.Errorf("%q", p.Raw)
		}
		if err := c.Progress("x", nil); err != ErrState {
			t.Error(err)
		}
		b.ok(c.Accept("v=answer\r\n", Headers{{"X-Two", "2"}}))
		ok := b.phone.next("SIP/2.0 200")
		if ok.Body != "v=answer\r\n" || ok.Get("X-Two") != "2" || len(ok.All("Contact")) != 1 || ok.Get("To") != m.Get("To") {
			t.Errorf("%q", ok.Raw)
		}
		// Until the ACK comes it is repeated.
		for range 4 {
			if again := b.phone.next("SIP/2.0 200"); again.Raw != ok.Raw {
				t.Errorf("%q", again.Raw)
			}
		}
		b.ackOf(branch, ok)
		b.pass(time.Minute)
		b.phone.none()
		if err := c.Accept("x", nil); err != ErrState {
			t.Error(err)
		}
		b.ok(c.Hangup(nil))
		bye := b.phone.next("BYE sip:phone@192.0.2.2:5060 SIP/2.0")
		if bye.Get("Route") != "<sip:192.0.2.2:5060;lr;n=1>" || bye.Get("To") != "\"Far \\\"end\" <sip:far@192.0.2.2>;tag=far" || bye.Get("From") != m.Get("To") {
			t.Errorf("%q", bye.Raw)
		}
		b.phone.reply(bye, "200 OK")
		b.pass(0)
		if k := h.kinds(); !slices.Equal(k, []string{"incoming", "ended"}) || a.Busy() {
			t.Error(k)
		}
	})
}

// An INVITE without an offer: our 200 has it, the ACK has the answer.
func TestOfferless(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		_, h := b.account(b.e, "alice")
		branch := b.called("alice", "in1")
		in := h.last(t, "incoming")
		if in.what.(Invite).SDP != "" {
			t.Errorf("%+v", in)
		}
		b.ok(in.call.Accept("v=offer\r\n", nil))
		ok := b.phone.next("SIP/2.0 200")
		b.ackOf(branch, ok, withSDP()...)
		if x := what[Answer](t, h, "answered"); x.Code != 0 || x.SDP != sdpText || x.Update {
			t.Errorf("%+v", x)
		}
		b.phone.request("BYE", contactOf(ok), ok.Get("From"), ok.Get("To"), "in1", 2)
		b.phone.next("SIP/2.0 200")
		b.pass(0)
		// With an ACK that has none there is no session.
		branch = b.called("alice", "in2")
		b.ok(h.last(t, "incoming").call.Accept("v=offer\r\n", nil))
		b.ackOf(branch, b.phone.next("SIP/2.0 200"))
		b.phone.reply(b.phone.next("BYE"), "200 OK")
		b.pass(0)
		if e := what[End](t, h, "ended"); e.Code != 488 {
			t.Errorf("%+v", e)
		}
	})
}

// Without an ACK the call ends after 64*T1, with a BYE; hanging up before waits for the ACK.
func TestNoACK(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		_, h := b.account(b.e, "alice")
		b.called("alice", "in1", withSDP()...)
		b.ok(h.last(t, "incoming").call.Accept("v=a\r\n", nil))
		start := time.Now()
		n := 0
		m := b.phone.next("")
		for ; strings.HasPrefix(m.Start, "SIP/2.0 200"); m = b.phone.next("") {
			n++
		}
		if d := time.Since(start).Round(time.Second); d != 32*time.Second || n != 11 || !strings.HasPrefix(m.Start, "BYE") {
			t.Error(d, n, m.Start)
		}
		b.phone.reply(m, "200 OK")
		b.pass(0)
		if e := what[End](t, h, "ended"); e.Code != 408 {
			t.Errorf("%+v", e)
		}
		b.phone.none()

		branch := b.called("alice", "in2", withSDP()...)
		c := h.last(t, "incoming").call
		b.ok(c.Accept("v=a\r\n", nil))
		ok := b.phone.next("SIP/2.0 200")
		b.ok(c.Hangup(Headers{{"X-Why", "1"}}))
		b.phone.none()
		b.ackOf(branch, ok)
		bye := b.phone.next("BYE")
		if bye.Get("X-Why") != "1" {
			t.Errorf("%q", bye.Raw)
		}
		b.phone.reply(bye, "200 OK")
		b.pass(0)
		if h.count("ended") != 2 {
			t.Error(h.kinds())
		}
	})
}

func TestDecline(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		_, h := b.account(b.e, "alice")
		branch := b.called("alice", "in1", withSDP()...)
		c := h.last(t, "incoming").call
		b.ok(c.Ring())
		ring := b.phone.next("SIP/2.0 180")
		for _, code := range []int{0, 180, 200, 700} {
			if err := c.Decline(code, nil); err != ErrState {
				t.Error(code, err)
			}
		}
		b.ok(c.Decline(603, Headers{{"X-No", "1"}}))
		m := b.phone.next("SIP/2.0 603 Decline")
		if m.Get("X-No") != "1" || m.Get("To") != ring.Get("To") {
			t.Errorf("%q", m.Raw)
		}
		b.phone.next("SIP/2.0 603") // again, as there is no ACK
		b.ackOf(branch, m)
		b.pass(time.Minute)
		b.phone.none()
		if e := what[End](t, h, "ended"); e.Code != 603 || e.Reason != "Decline" {
			t.Errorf("%+v", e)
		}
	})
}

// The caller gives up.
func TestCanceled(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		_, h := b.account(b.e, "alice")
		branch := b.called("alice", "in1", withSDP()...)
		c := h.last(t, "incoming").call
		b.ok(c.Ring())
		b.phone.next("SIP/2.0 180")
		b.phone.requestBy(branch, "CANCEL", "sip:alice@"+ours, "<sip:far@"+theirs+">;tag=far", "<sip:alice@"+theirs+">", "in1", 1, `Reason: SIP;cause=200;text="Call completed elsewhere"`)
		if m := b.phone.next("SIP/2.0 200"); m.Get("CSeq") != "1 CANCEL" {
			t.Errorf("%q", m.Raw)
		}
		b.ackOf(branch, b.phone.next("SIP/2.0 487"))
		if e := what[End](t, h, "ended"); e.Code != 487 || e.ReasonText != "Call completed elsewhere" || e.ReasonCause != "200" {
			t.Errorf("%+v", e)
		}
		if err := c.Accept("x", nil); err != ErrState {
			t.Error(err)
		}
		// A CANCEL of what was answered changes nothing, one of what there is not gets 481.
		branch = b.called("alice", "in2", withSDP()...)
		c = h.last(t, "incoming").call
		b.ok(c.Accept("v=a\r\n", nil))
		ok := b.phone.next("SIP/2.0 200")
		b.phone.requestBy(branch, "CANCEL", "sip:alice@"+ours, "<sip:far@"+theirs+">;tag=far", "<sip:alice@"+theirs+">", "in2", 1)
		b.phone.next("SIP/2.0 200")
		b.ackOf(branch, ok)
		if c.State() != Established {
			t.Error(c.State())
		}
		b.phone.request("CANCEL", "sip:alice@"+ours, "<sip:far@"+theirs+">;tag=far", "<sip:alice@"+theirs+">", "in3", 1)
		b.phone.next("SIP/2.0 481")
	})
}

// A second call goes to a helper, a third one nowhere.
func TestHelpers(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		hh := &ear{}
		helper, err := a.Helper(hh)
		b.ok(err)
		if _, err := helper.Helper(&ear{}); err != ErrState {
			t.Error(err)
		}
		b.called("alice", "in1", withSDP()...)
		b.called("alice", "in2", withSDP()...)
		if h.count("incoming") != 1 || hh.count("incoming") != 1 || what[Invite](t, hh, "incoming").CallID != "in2" {
			t.Error(h.kinds(), hh.kinds())
		}
		if a.Find("in2") == nil || helper.Find("in1") == nil || a.Find("in3") != nil {
			t.Error("not found")
		}
		branch := b.phone.request("INVITE", "sip:alice@"+ours, "<sip:late@x>;tag=l", "<sip:alice@x>", "in3", 1, withSDP()...)
		b.ackOf(branch, b.phone.next("SIP/2.0 486"))
		if m := what[Invite](t, h, "missed"); m.CallID != "in3" || m.From != "sip:late@x" {
			t.Errorf("%+v", m)
		}
		// The same INVITE by another way is no other call.
		branch = b.phone.request("INVITE", "sip:alice@"+ours, "<sip:far@"+theirs+">;tag=far", "<sip:alice@"+theirs+">", "in1", 1, withSDP()...)
		b.ackOf(branch, b.phone.next("SIP/2.0 482"))
		// The end of the master is that of helpers.
		a.Close()
		b.phone.skip("SIP/2.0 480")
		b.pass(0)
		if k := hh.kinds(); !slices.Equal(k, []string{"incoming", "detached", "ended"}) {
			t.Error(k)
		}
		for range 60 {
			b.pass(time.Second)
			for len(b.phone.got) > 0 {
				<-b.phone.got
			}
		}
	})
}

// What cannot be understood as a call.
func TestBadInvites(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		_, h := b.account(b.e, "alice")
		for _, x := range []struct {
			uri  string
			more []string
			want string
			name string
		}{
			{"sip:bob@" + ours, withSDP(), "404", ""},
			{"tel:123", withSDP(), "416", ""},
			{"sip:alice@" + ours, append([]string{"Require: timer, replaces"}, withSDP()...), "420", "Unsupported"},
			{"sip:alice@" + ours, []string{"Content-Type: text/plain", "", "hello"}, "415", "Accept"},
			{"sip:alice@" + ours, []string{"Content-Type: multipart/mixed;boundary=x", "", "--x", "Content-Type: a/b", "", "y", "--x--"}, "415", "Accept"},
		} {
			branch := b.phone.request("INVITE", x.uri, "<sip:far@x>;tag=f", "<sip:alice@x>", random(5), 1, x.more...)
			m := b.phone.next("SIP/2.0 " + x.want)
			if x.name != "" && m.Get(x.name) == "" {
				t.Errorf("%q", m.Raw)
			}
			b.ackOf(branch, m)
		}
		b.called("alice", "in1", "Content-Type: multipart/mixed; boundary=x", "", "--x", "Content-Type: a/b", "", "y", "--x", "Content-Type: application/sdp", "", "v=0", "", "--x--")
		if x := what[Invite](t, h, "incoming"); x.SDP != "v=0\r\n" {
			t.Errorf("%q", x.SDP)
		}
		if n := len(h.kinds()); n != 1 {
			t.Error(h.kinds())
		}
		for _, method := range []string{"BYE", "INFO", "UPDATE", "PRACK"} {
			b.phone.request(method, "sip:alice@"+ours, "<sip:far@x>;tag=f", "<sip:alice@x>", random(5), 1)
			b.phone.next("SIP/2.0 481")
			b.phone.request(method, "sip:alice@"+ours, "<sip:far@x>;tag=f", "<sip:alice@x>;tag=y", random(5), 1)
			b.phone.next("SIP/2.0 481")
		}
		for _, method := range []string{"REGISTER", "SUBSCRIBE", "PUBLISH", "NEWMETHOD"} {
			b.phone.request(method, "sip:alice@"+ours, "<sip:far@x>;tag=f", "<sip:alice@x>", random(5), 1)
			if m := b.phone.next("SIP/2.0 405"); m.Get("Allow") != allowed {
				t.Errorf("%q", m.Raw)
			}
		}
		b.phone.request("OPTIONS", "sip:alice@"+ours, "<sip:far@x>;tag=f", "<sip:alice@x>", random(5), 1)
		if m := b.phone.next("SIP/2.0 200"); m.Get("Allow") != allowed || m.Get("Accept") != "application/sdp" {
			t.Errorf("%q", m.Raw)
		}
		b.phone.request("OPTIONS", "sip:"+ours, "<sip:far@x>;tag=f", "<sip:x>", random(5), 1)
		b.phone.next("SIP/2.0 200")
	})
}
