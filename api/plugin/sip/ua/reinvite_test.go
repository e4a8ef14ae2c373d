package ua

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// reinvite has the phone offer something in a call that we made.
func (b *bench) reinvite(m text, seq int, more ...string) (branch string) {
	from, to := b.phone.fromTo(m)
	return b.phone.request("INVITE", contactOf(m), from, to, m.Get("Call-ID"), seq, more...)
}

func TestReinviteComes(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		c, m := b.inCall(a)
		if err := c.AnswerReinvite("x", nil); err != ErrState {
			t.Error(err)
		}
		branch := b.reinvite(m, 1, withSDP()...)
		b.phone.next("SIP/2.0 100")
		b.pass(0)
		if x := what[Invite](t, h, "reinvited"); x.SDP != sdpText || x.From != "sip:bob@192.0.2.2" {
			t.Errorf("%+v", x)
		}
		b.reinvite(m, 2, withSDP()...) // one at a time
		if r := b.phone.next("SIP/2.0 500"); r.Get("Retry-After") == "" {
			t.Errorf("%q", r.Raw)
		}
		if err := c.Reinvite("x", nil); err != ErrPending {
			t.Error(err)
		}
		b.ok(c.AnswerReinvite("v=answer\r\n", Headers{{"X-A", "b"}}))
		ok := b.phone.skip("SIP/2.0 200")
		if ok.Body != "v=answer\r\n" || ok.Get("X-A") != "b" || ok.Get("Contact") == "" {
			t.Errorf("%q", ok.Raw)
		}
		b.phone.skip("SIP/2.0 200") // no ACK yet
		b.ackOf(branch, ok)
		b.pass(time.Minute)
		for len(b.phone.got) > 0 { // the 500
			<-b.phone.got
		}
		// Refused.
		branch = b.reinvite(m, 3, withSDP()...)
		b.phone.next("SIP/2.0 100")
		b.pass(0)
		b.ok(c.RejectReinvite(488))
		b.ackOf(branch, b.phone.next("SIP/2.0 488"))
		if c.State() != Established {
			t.Error(c.State())
		}
		// Taken back.
		branch = b.reinvite(m, 4, withSDP()...)
		b.phone.next("SIP/2.0 100")
		from, to := b.phone.fromTo(m)
		b.phone.requestBy(branch, "CANCEL", contactOf(m), from, to, c.ID(), 4)
		b.phone.next("SIP/2.0 200")
		b.ackOf(branch, b.phone.next("SIP/2.0 487"))
		h.last(t, "reinvite canceled")
		// Without an offer.
		branch = b.reinvite(m, 5)
		b.phone.next("SIP/2.0 100")
		b.pass(0)
		if x := what[Invite](t, h, "reinvited"); x.SDP != "" {
			t.Errorf("%+v", x)
		}
		b.ok(c.AnswerReinvite("v=offer\r\n", nil))
		b.ackOf(branch, b.phone.next("SIP/2.0 200"), withSDP()...)
		if x := what[Answer](t, h, "answered"); !x.Update || x.SDP != sdpText || x.Code != 0 {
			t.Errorf("%+v", x)
		}
		// An old number.
		b.reinvite(m, 2, withSDP()...)
		b.phone.next("SIP/2.0 500")
		// The ACK is lost for good.
		b.pass(time.Minute)
		for len(b.phone.got) > 0 {
			<-b.phone.got
		}
		b.reinvite(m, 6, withSDP()...)
		b.phone.next("SIP/2.0 100")
		b.pass(0)
		b.ok(c.AnswerReinvite("v=answer\r\n", nil))
		b.phone.reply(b.phone.skip("BYE"), "200 OK")
		b.pass(0)
		if e := what[End](t, h, "ended"); e.Code != 408 {
			t.Errorf("%+v", e)
		}
	})
}

func TestReinviteGoes(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		c, m := b.inCall(a)
		b.ok(c.Reinvite("v=2\r\n", Headers{{"X-A", "b"}}))
		r := b.phone.next("INVITE sip:phone@192.0.2.2:5060 SIP/2.0")
		if r.Body != "v=2\r\n" || r.Get("CSeq") != "2 INVITE" || r.Get("X-A") != "b" || r.Get("To") != "<sip:bob@192.0.2.2>;tag=phonetag" || r.Get("Contact") != m.Get("Contact") {
			t.Errorf("%q", r.Raw)
		}
		if err := c.Reinvite("v=3\r\n", nil); err != ErrPending {
			t.Error(err)
		}
		// The other side has moved.
		b.phone.reply(r, "200 OK", append([]string{"Contact: <sip:moved@192.0.2.2>"}, withSDP()...)...)
		ack := b.phone.next("ACK sip:moved@192.0.2.2 SIP/2.0")
		b.phone.reply(r, "200 OK", append([]string{"Contact: <sip:moved@192.0.2.2>"}, withSDP()...)...)
		if again := b.phone.next("ACK"); again.Raw != ack.Raw {
			t.Errorf("%q", again.Raw)
		}
		b.pass(0)
		if x := what[Answer](t, h, "answered"); !x.Update || x.SDP != sdpText || x.Code != 200 || h.count("answered") != 2 {
			t.Errorf("%+v", x)
		}
		// The first answer once more, after that.
		b.phone.reply(m, "200 OK", append([]string{"Contact: <sip:phone@192.0.2.2:5060>"}, withSDP()...)...)
		if again := b.phone.next("ACK sip:phone@"); again.Get("CSeq") != "1 ACK" {
			t.Errorf("%q", again.Raw)
		}
		b.ok(c.Reinvite("v=3\r\n", nil))
		r = b.phone.next("INVITE sip:moved@")
		b.phone.reply(r, "488 Not Acceptable Here")
		b.phone.next("ACK")
		b.pass(0)
		if f := what[Failure](t, h, "reinvite failed"); f.Code != 488 || c.State() != Established {
			t.Errorf("%+v", f)
		}
		b.ok(c.Reinvite("v=4\r\n", nil))
		r = b.phone.next("INVITE sip:moved@")
		b.phone.reply(r, "481 Gone")
		b.phone.next("ACK")
		b.phone.next("BYE")
		b.pass(0)
		if e := what[End](t, h, "ended"); e.Code != 481 {
			t.Errorf("%+v", e)
		}
		b.pass(time.Minute)
		for len(b.phone.got) > 0 {
			<-b.phone.got
		}
	})
}

// Two offers at once: both are refused, and who has the Call-ID waits longer.
func TestGlare(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		c, m := b.inCall(a)
		b.ok(c.Reinvite("v=2\r\n", nil))
		r := b.phone.next("INVITE")
		branch := b.reinvite(m, 1, withSDP()...)
		b.ackOf(branch, b.phone.next("SIP/2.0 491"))
		b.phone.reply(r, "491 Request Pending")
		b.phone.next("ACK")
		// Theirs comes again meanwhile and is taken, instead of ours.
		branch = b.reinvite(m, 2, withSDP()...)
		b.phone.next("SIP/2.0 100")
		b.pass(0)
		h.last(t, "reinvited")
		b.pass(5 * time.Second)
		b.phone.none()
		b.ok(c.AnswerReinvite("v=answer\r\n", nil))
		b.ok(c.Reinvite("v=3\r\n", nil))
		ok := b.phone.next("SIP/2.0 200")
		b.phone.none() // ours waits, as theirs goes on
		b.ackOf(branch, ok)
		if again := b.phone.next("INVITE"); again.Body != "v=3\r\n" || again.Get("CSeq") != "3 INVITE" {
			t.Errorf("%q", again.Raw)
		} else {
			b.phone.reply(again, "491 Request Pending")
		}
		b.phone.next("ACK")
		start := time.Now()
		again := b.phone.next("INVITE")
		if d := time.Since(start); d < 2100*time.Millisecond || d > 4*time.Second {
			t.Error(d)
		}
		b.phone.reply(again, "200 OK", withSDP()...)
		b.phone.next("ACK")
		b.pass(0)
		if k := h.kinds(); !slices.Equal(k, []string{"answered", "reinvite displaced", "reinvited", "answered"}) {
			t.Error(k)
		}
	})
}

// A re-INVITE right after our 200 waits for the ACK of that.
func TestReinviteAfterAccept(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		_, h := b.account(b.e, "alice")
		branch := b.called("alice", "in1", withSDP()...)
		c := h.last(t, "incoming").call
		b.ok(c.Accept("v=1\r\n", nil))
		ok := b.phone.next("SIP/2.0 200")
		b.ok(c.Reinvite("v=2\r\n", nil))
		b.phone.none()
		b.ackOf(branch, ok)
		m := b.phone.next("INVITE")
		start := time.Now()
		b.phone.reply(m, "491 Request Pending")
		b.phone.next("ACK")
		m = b.phone.next("INVITE") // the Call-ID is theirs
		if d := time.Since(start); d > 2*time.Second {
			t.Error(d)
		}
		b.phone.reply(m, "200 OK", withSDP()...)
		b.phone.next("ACK")
	})
}

// What else comes and goes in a call.
func TestInDialog(t *testing.T) {
	inBubble(t, Config{Traces: func() bool { return true }}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		c, m := b.inCall(a)
		from, to := b.phone.fromTo(m)
		in := func(method string, seq int, more ...string) text {
			b.phone.request(method, contactOf(m), from, to, c.ID(), seq, more...)
			r := b.phone.next("SIP/2.0")
			b.pass(0)
			return r
		}
		in("INFO", 1, "Content-Type: application/dtmf-relay", "X-A: b", "", "Signal=5", "")
		if x := what[Content](t, h, "info"); x.Type != "application/dtmf-relay" || x.Body != "Signal=5\r\n" || x.From != "sip:bob@192.0.2.2" || x.Headers.Get("X-A") != "b" {
			t.Errorf("%+v", x)
		}
		in("INFO", 2)
		in("MESSAGE", 3, "Content-Type: text/plain", "", "hello \xff")
		if x := h.last(t, "message"); x.what.(Content).Body != "hello \uFFFD" || x.call != c || h.count("info") != 1 {
			t.Errorf("%+v", x)
		}
		if r := in("OPTIONS", 4); !strings.HasPrefix(r.Start, "SIP/2.0 200") {
			t.Errorf("%q", r.Raw)
		}
		if r := in("PUBLISH", 5); !strings.HasPrefix(r.Start, "SIP/2.0 405") {
			t.Errorf("%q", r.Raw)
		}
		if r := in("OPTIONS", 4); !strings.HasPrefix(r.Start, "SIP/2.0 500") {
			t.Errorf("%q", r.Raw)
		}
		b.ok(c.Info("application/dtmf-relay", "Signal=1\r\nDuration=160", Headers{{"X-B", "c"}}))
		r := b.phone.next("INFO sip:phone@192.0.2.2:5060 SIP/2.0")
		if r.Body != "Signal=1\r\nDuration=160" || r.Get("Content-Type") != "application/dtmf-relay" || r.Get("X-B") != "c" {
			t.Errorf("%q", r.Raw)
		}
		b.phone.reply(r, "200 OK")
		b.ok(c.Message("text/plain", "hi", nil))
		b.phone.reply(b.phone.next("MESSAGE"), "202 Accepted")
		b.pass(0)
		if x := what[Result](t, h, "message result"); x.Code != 202 || x.CallID != c.ID() || x.Reason != "Accepted" {
			t.Errorf("%+v", x)
		}
		if err := c.Info("a/b\r\nX: y", "x", nil); err != ErrHeaders {
			t.Error(err)
		}
		if n := h.count("trace"); n != 19 {
			t.Error(n, "traces")
		}
		tr := h.last(t, "trace").what.(string)
		if !strings.HasPrefix(tr, "false SIP/2.0 202 Accepted\r\nVia: ") || !strings.HasSuffix(tr, "\r\n\r\n") {
			t.Errorf("%q", tr)
		}
		// They do not know the call any more.
		b.ok(c.Info("a/b", "x", nil))
		b.phone.reply(b.phone.next("INFO"), "481 Gone")
		b.pass(0)
		if e := what[End](t, h, "ended"); e.Code != 481 {
			t.Errorf("%+v", e)
		}
	})
}
