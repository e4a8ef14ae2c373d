package ua

import (
	"strings"
	"testing"
	"time"
)

const reliably = "Require: 100rel"

// rack is the value of RAck for a response to the first request of a dialog.
func rack(m text) string { return "RAck: " + m.Get("RSeq") + " 1 INVITE" }

// A caller who asks for it gets 1xx responses again until its PRACK, one after the other, and the answer once.
func TestReliably(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		_, h := b.account(b.e, "alice")
		branch := b.called("alice", "r1", append([]string{reliably}, withSDP()...)...)
		c := h.last(t, "incoming").call
		b.ok(c.Ring())
		ringing := b.phone.next("SIP/2.0 180")
		if ringing.Get("Require") != "100rel" || ringing.Get("RSeq") == "" {
			t.Fatalf("%q", ringing.Raw)
		}
		b.ok(c.Progress(sdpText, Headers{{"X-A", "b"}}))
		for wait := t1; wait < 5*time.Second; wait *= 2 {
			b.pass(wait)
			if m := b.phone.next("SIP/2.0 180"); m.Raw != ringing.Raw {
				t.Errorf("%q", m.Raw)
			}
			b.phone.none()
		}
		prack := func(seq int, rack string, want string, more ...string) {
			t.Helper()
			b.phone.request("PRACK", contactOf(ringing), ringing.Get("From"), ringing.Get("To"), "r1", seq, append([]string{rack}, more...)...)
			b.phone.next("SIP/2.0 " + want)
		}
		for i, bad := range []string{"X: y", "RAck: 1", "RAck: 1 1 INVITE", "RAck: " + ringing.Get("RSeq") + " 2 INVITE", "RAck: " + ringing.Get("RSeq") + " 1 INFO"} {
			prack(2+i, bad, "481")
		}
		prack(10, rack(ringing), "200")
		early := b.phone.next("SIP/2.0 183")
		if early.Body != sdpText || atoi(early.Get("RSeq")) != atoi(ringing.Get("RSeq"))+1 || early.Get("X-A") != "b" {
			t.Errorf("%q", early.Raw)
		}
		prack(11, rack(ringing), "481")
		b.ok(c.Accept(sdpText, nil)) // waits
		b.phone.none()
		prack(12, rack(early), "200")
		ok := b.phone.next("SIP/2.0 200")
		if ok.Body != "" || ok.Get("CSeq") != "1 INVITE" {
			t.Errorf("%q", ok.Raw)
		}
		b.ackOf(branch, ok)
		b.pass(time.Minute)
		b.phone.none()
		if c.State() != Established || len(h.kinds()) != 1 {
			t.Error(c.State(), h.kinds())
		}
	})
}

// What is not acknowledged ends the call, and so does a hangup that comes before it.
func TestNoPRACK(t *testing.T) {
	for _, hangup := range []bool{false, true} {
		inBubble(t, Config{}, func(b *bench) {
			_, h := b.account(b.e, "alice")
			b.called("alice", "r1", append([]string{reliably}, withSDP()...)...)
			c := h.last(t, "incoming").call
			b.ok(c.Progress(sdpText, nil))
			early := b.phone.next("SIP/2.0 183")
			b.ok(c.Accept(sdpText, nil))
			if err := c.Reinvite(sdpText, nil); err != nil {
				t.Error(err) // it waits
			}
			if hangup {
				b.ok(c.Hangup(nil))
				b.phone.request("PRACK", contactOf(early), early.Get("From"), early.Get("To"), "r1", 2, rack(early))
				b.phone.next("SIP/2.0 200")
				ok := b.phone.next("SIP/2.0 200")
				b.ackOf("", ok)
				b.phone.reply(b.phone.next("BYE"), "200 OK")
				b.pass(time.Second)
				if e := what[End](t, h, "ended"); e.Code != 200 {
					t.Errorf("%+v", e)
				}
				return
			}
			b.pass(31 * time.Second)
			for range 6 {
				b.phone.next("SIP/2.0 183")
			}
			b.phone.none()
			b.pass(2 * time.Second)
			b.ackOf(early.Get("Via"), b.phone.next("SIP/2.0 504"))
			if e := what[End](t, h, "ended"); e.Code != 504 || c.State() != Over {
				t.Errorf("%+v", e)
			}
		})
	}
}

// Without an offer the first reliable response has ours, and the PRACK the answer (RFC 3262, 5).
func TestPRACKWithAnswer(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		_, h := b.account(b.e, "alice")
		branch := b.called("alice", "r1", reliably)
		c := h.last(t, "incoming").call
		b.ok(c.Ring())
		b.phone.none()
		b.ok(c.Progress(sdpText, nil))
		early := b.phone.next("SIP/2.0 183")
		answer := strings.Replace(sdpText, "4000", "4002", 1)
		b.phone.request("PRACK", contactOf(early), early.Get("From"), early.Get("To"), "r1", 2, rack(early), "Content-Type: application/sdp", "", strings.TrimSuffix(answer, "\r\n"), "")
		b.phone.next("SIP/2.0 200")
		b.ok(c.Ring())
		b.phone.request("PRACK", contactOf(early), early.Get("From"), early.Get("To"), "r1", 3, append([]string{rack(b.phone.next("SIP/2.0 180"))}, withSDP()...)...)
		b.phone.next("SIP/2.0 488") // another offer
		b.ok(c.Accept(sdpText, nil))
		ok := b.phone.next("SIP/2.0 200")
		if ok.Body != "" || h.count("answered") != 0 {
			t.Errorf("%q", ok.Raw)
		}
		b.ackOf(branch, ok)
		if x := what[Answer](t, h, "answered"); x.SDP != answer || x.Code != 0 || x.Update {
			t.Errorf("%+v", x)
		}
	})
}

// Who sends 1xx responses reliably gets a PRACK for each, once and in order; the answer is the one that came so.
func TestPRACKs(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		c, m := b.calling(a, CallConfig{})
		if m.Get("Supported") != "replaces" {
			t.Errorf("%q", m.Raw)
		}
		contact := "Contact: <sip:bob@192.0.2.2:5060>"
		b.phone.reply(m, "183 Session Progress", append([]string{contact, reliably, "RSeq: 7"}, withSDP()...)...)
		p := b.phone.next("PRACK sip:bob@192.0.2.2:5060 SIP/2.0")
		if p.Get("RAck") != "7 1 INVITE" || p.Get("CSeq") != "2 PRACK" || !strings.HasSuffix(p.Get("To"), "tag=phonetag") {
			t.Errorf("%q", p.Raw)
		}
		b.phone.reply(m, "183 Session Progress", append([]string{contact, reliably, "RSeq: 7"}, withSDP()...)...)
		b.phone.reply(m, "180 Ringing", contact, reliably, "RSeq: 9")
		b.phone.reply(m, "180 Ringing", contact, reliably, "RSeq: x")
		b.pass(0)
		b.phone.none()
		b.phone.reply(p, "200 OK")
		b.phone.reply(m, "180 Ringing", contact, reliably, "RSeq: 8")
		b.phone.reply(b.phone.next("PRACK"), "200 OK")
		b.pass(0)
		if n := h.count("provisional"); n != 2 {
			t.Error(n)
		}
		b.phone.reply(m, "200 OK", contact)
		b.phone.next("ACK")
		b.pass(0)
		if x := what[Answer](t, h, "answered"); x.SDP != strings.TrimSuffix(sdpText, "\r\n")+"\r\n" {
			t.Errorf("%+v", x)
		}
		b.ok(c.Info("a/b", "x", nil))
		if m := b.phone.next("INFO"); m.Get("CSeq") != "4 INFO" {
			t.Errorf("%q", m.Raw)
		}
	})
}

// UPDATE refreshes, and offers what a re-INVITE offers; who has to think of it longer refuses it (RFC 3311).
func TestUpdateRequest(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		c, m := b.inCall(a)
		from, to := b.phone.fromTo(m)
		update := func(seq int, more ...string) {
			b.phone.request("UPDATE", contactOf(m), from, to, c.ID(), seq, more...)
			b.pass(0)
		}
		update(1, "Contact: <sip:moved@192.0.2.2:5060>")
		if r := b.phone.next("SIP/2.0 200"); r.Body != "" || r.Get("Contact") == "" {
			t.Errorf("%q", r.Raw)
		}
		b.ok(c.Info("a/b", "x", nil))
		b.phone.reply(b.phone.next("INFO sip:moved@192.0.2.2:5060"), "200 OK")
		update(2, withSDP()...)
		b.phone.none()
		if x := what[Invite](t, h, "reinvited"); x.SDP == "" {
			t.Errorf("%+v", x)
		}
		update(3, withSDP()...)
		b.phone.next("SIP/2.0 500")
		b.ok(c.AnswerReinvite(sdpText, nil))
		if r := b.phone.next("SIP/2.0 200"); r.Body != sdpText || r.Get("CSeq") != "2 UPDATE" || r.Get("Contact") == "" {
			t.Errorf("%q", r.Raw)
		}
		b.ok(c.Reinvite(sdpText, nil)) // no ACK is waited for
		ours := b.phone.next("INVITE")
		update(4, withSDP()...)
		b.phone.next("SIP/2.0 491")
		b.phone.reply(ours, "488 No")
		b.phone.next("ACK")
		update(5, withSDP()...)
		b.pass(updateTime)
		b.phone.next("SIP/2.0 504")
		b.pass(0)
		if h.count("reinvite canceled") != 1 || c.AnswerReinvite(sdpText, nil) != ErrState || c.State() != Established {
			t.Error(h.kinds())
		}
		update(6, withSDP()...)
		b.ok(c.RejectReinvite(488))
		b.phone.next("SIP/2.0 488")
	})
}

// While a 2xx waits for a PRACK, what an UPDATE offers is refused as before, and not accepted without an answer.
func TestUpdateBeforePRACK(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		_, h := b.account(b.e, "alice")
		branch := b.called("alice", "u1", append([]string{reliably}, withSDP()...)...)
		c := h.last(t, "incoming").call
		b.ok(c.Progress(sdpText, nil))
		early := b.phone.next("SIP/2.0 183")
		b.ok(c.Accept(sdpText, nil))
		b.phone.request("UPDATE", contactOf(early), early.Get("From"), early.Get("To"), "u1", 2, withSDP()...)
		b.phone.next("SIP/2.0 488")
		b.phone.request("PRACK", contactOf(early), early.Get("From"), early.Get("To"), "u1", 3, rack(early))
		b.phone.next("SIP/2.0 200")
		b.ackOf(branch, b.phone.next("SIP/2.0 200"))
		if h.count("reinvited") != 0 || c.State() != Established {
			t.Error(h.kinds(), c.State())
		}
	})
}

// Before the call is answered only the target can be updated.
func TestEarlyUpdate(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		c, m := b.calling(a, CallConfig{})
		b.phone.reply(m, "180 Ringing", "Contact: <sip:one@192.0.2.2:5060>")
		from, to := b.phone.fromTo(m)
		b.phone.request("UPDATE", contactOf(m), from, to, c.ID(), 1, withSDP()...)
		b.phone.next("SIP/2.0 488")
		b.phone.request("UPDATE", contactOf(m), from, to, c.ID(), 2)
		b.phone.next("SIP/2.0 200")
		b.pass(0)
		if h.count("reinvited") != 0 || c.State() != Inviting {
			t.Error(h.kinds(), c.State())
		}
	})
}
