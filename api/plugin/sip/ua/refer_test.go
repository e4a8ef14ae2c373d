package ua

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A transfer of ours, told by NOTIFY, which goes on when the call is over.
func TestReferGoes(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		c, m := b.inCall(a)
		from, to := b.phone.fromTo(m)
		b.ok(c.Refer("sip:carol@192.0.2.9", nil, nil))
		r := b.phone.next("REFER sip:phone@192.0.2.2:5060 SIP/2.0")
		if r.Get("Refer-To") != "<sip:carol@192.0.2.9>" || r.Get("Referred-By") != "<sip:alice@192.0.2.2>" || r.Get("Contact") == "" {
			t.Errorf("%q", r.Raw)
		}
		b.phone.reply(r, "202 Accepted")
		notify := func(seq int, state, body string) {
			b.phone.request("NOTIFY", contactOf(m), from, to, c.ID(), seq, "Event: refer;id=2", "Subscription-State: "+state, "Content-Type: message/sipfrag", "", body, "")
			b.phone.next("SIP/2.0 200")
			b.pass(0)
		}
		notify(1, "active;expires=60", "SIP/2.0 100 Trying")
		if x := what[Notification](t, h, "notify"); x.CallID != c.ID() || x.Event != "refer" || x.SubState != "active" || x.Type != "message/sipfrag" ||
			x.Body != "SIP/2.0 100 Trying\r\n" || !x.Requested {
			t.Errorf("%+v", x)
		}
		b.ok(c.Hangup(nil))
		b.phone.reply(b.phone.next("BYE"), "200 OK")
		b.pass(0)
		h.last(t, "ended")
		notify(2, "terminated;reason=noresource", "SIP/2.0 200 OK")
		if x := what[Notification](t, h, "notify"); x.SubState != "terminated" || h.count("notify") != 2 {
			t.Errorf("%+v", x)
		}
		if s := b.e.Stats(); s.Dialogs != 0 || s.Calls != 0 {
			t.Errorf("%+v", s)
		}
		// Refused.
		c, _ = b.inCall(a)
		b.ok(c.Refer("sip:carol@192.0.2.9", nil, nil))
		b.phone.reply(b.phone.next("REFER"), "603 Decline")
		b.pass(0)
		if x := what[Notification](t, h, "notify"); x.Body != "SIP/2.0 603 Decline\r\n" || x.SubState != "terminated" {
			t.Errorf("%+v", x)
		}
		for _, bad := range []string{"", "x", "tel:1", "sip:a@b>\r\nX: 1"} {
			if err := c.Refer(bad, nil, nil); err != ErrAddress {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}

// A NOTIFY that never comes keeps nothing for ever.
func TestReferForgotten(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, _ := b.account(b.e, "alice")
		c, m := b.inCall(a)
		b.ok(c.Refer("sip:carol@192.0.2.9", nil, nil))
		b.phone.reply(b.phone.next("REFER"), "202 Accepted")
		from, to := b.phone.fromTo(m)
		b.phone.request("BYE", contactOf(m), from, to, c.ID(), 1)
		b.phone.next("SIP/2.0 200")
		b.pass(0)
		if s := b.e.Stats(); s.Dialogs != 1 || s.Calls != 0 {
			t.Errorf("%+v", s)
		}
		b.pass(time.Minute)
		if s := b.e.Stats(); s.Dialogs != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// An attended transfer names the dialog that is to be replaced.
func TestReferReplaces(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, _ := b.account(b.e, "alice")
		helper, err := a.Helper(&ear{})
		b.ok(err)
		c, _ := b.inCall(a)
		other, m := b.inCall(helper)
		b.ok(c.Refer("sip:carol@192.0.2.9", other, nil))
		_, tag, _ := strings.Cut(m.Get("From"), "tag=")
		r := b.phone.next("REFER")
		if want := "<sip:carol@192.0.2.9?Replaces=" + other.ID() + "%3Bto-tag%3Dphonetag%3Bfrom-tag%3D" + tag + ">"; r.Get("Refer-To") != want {
			t.Errorf("%q, want %q", r.Get("Refer-To"), want)
		}
		b.phone.reply(r, "202 Accepted")
	})
}

// A transfer that we are asked for: the call tells of its responses.
func TestReferComes(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		helper, err := a.Helper(&ear{})
		b.ok(err)
		c, m := b.inCall(a)
		from, to := b.phone.fromTo(m)
		b.phone.request("REFER", contactOf(m), from, to, c.ID(), 1,
			"Refer-To: <sip:carol@192.0.2.2?Replaces=x%40y%3Bto-tag%3Da%3Bfrom-tag%3Db&Evil=1>", "Referred-By: <sip:bob@x>")
		b.phone.next("SIP/2.0 202")
		b.pass(0)
		x := h.last(t, "transfer").what.(transferred)
		if x.r.To != "sip:carol@192.0.2.2" || x.r.Replaces != "x@y;to-tag=a;from-tag=b" || x.r.ReferredBy != "<sip:bob@x>" || x.t.ID() == 0 {
			t.Errorf("%+v", x.r)
		}
		told := func(state, line string) {
			t.Helper()
			n := b.phone.next("NOTIFY sip:phone@192.0.2.2:5060 SIP/2.0")
			if n.Get("Event") != "refer;id=1" || !strings.HasPrefix(n.Get("Subscription-State"), state) || n.Body != line+"\r\n" ||
				n.Get("Content-Type") != "message/sipfrag;version=2.0" || n.Get("Call-ID") != c.ID() {
				t.Errorf("%q", n.Raw)
			}
			b.phone.reply(n, "200 OK")
			b.pass(0)
		}
		told("active;expires=", "SIP/2.0 100 Trying")
		// They hang up, as they usually do.
		b.phone.request("BYE", contactOf(m), from, to, c.ID(), 2)
		b.phone.next("SIP/2.0 200")
		b.pass(0)
		h.last(t, "ended")
		_, inv := b.calling(helper, CallConfig{URI: x.r.To, Transfer: x.t})
		if inv.Get("Referred-By") != "<sip:bob@x>" || inv.Get("Replaces") != "x@y;to-tag=a;from-tag=b" {
			t.Errorf("%q", inv.Raw)
		}
		if err := x.t.Decline(603); err != ErrState {
			t.Error(err)
		}
		b.phone.Tag = "carol"
		b.phone.reply(inv, "180 Ringing")
		told("active", "SIP/2.0 180 Ringing")
		b.phone.reply(inv, "200 OK", withSDP()...)
		b.phone.next("ACK")
		told("terminated;reason=noresource", "SIP/2.0 200 OK")
		if s := b.e.Stats(); s.Dialogs != 1 || s.Calls != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestReferDeclined(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		// Outside of any call.
		refer := func(id string, more ...string) {
			b.phone.request("REFER", "sip:alice@"+ours, "<sip:boss@"+theirs+">;tag=t", "<sip:alice@x>", id, 1, more...)
		}
		refer("r1", "Refer-To: sip:carol@x")
		b.phone.next("SIP/2.0 202")
		n := b.phone.next("NOTIFY sip:phone@192.0.2.2:5060")
		b.pass(0)
		x := h.last(t, "transfer")
		if x.call != nil || x.what.(transferred).r.ReferredBy != "sip:boss@192.0.2.2" {
			t.Errorf("%+v", x)
		}
		b.ok(x.what.(transferred).t.Decline(603))
		b.phone.none() // one after the other
		b.phone.reply(n, "200 OK")
		n = b.phone.next("NOTIFY")
		if n.Body != "SIP/2.0 603 Decline\r\n" || n.Get("Event") != "refer" || n.Get("CSeq") != "2 NOTIFY" {
			t.Errorf("%q", n.Raw)
		}
		b.phone.reply(n, "200 OK")
		// Nobody decides.
		refer("r2", "Refer-To: sip:carol@x", "Refer-Sub: false")
		if r := b.phone.next("SIP/2.0 202"); r.Get("Refer-Sub") != "false" {
			t.Errorf("%q", r.Raw)
		}
		refer("r3", "Refer-To: sip:carol@x")
		b.phone.next("SIP/2.0 202")
		b.phone.reply(b.phone.next("NOTIFY"), "200 OK")
		n = b.phone.next("NOTIFY")
		if n.Body != "SIP/2.0 408 Request Timeout\r\n" {
			t.Errorf("%q", n.Raw)
		}
		b.phone.reply(n, "481 Gone")
		b.pass(time.Minute)
		if len(a.refers) != 0 {
			t.Error(len(a.refers), "left")
		}
		for _, bad := range [][]string{nil, {"Refer-To: x"}, {"Refer-To: <sip:a@b>", "Refer-To: <sip:c@d>"}} {
			refer(random(5), bad...)
			b.phone.next("SIP/2.0 400")
		}
		refer("r4", "Refer-To: <http://x>")
		b.phone.next("SIP/2.0 416")
		for range maxTransfers {
			refer(random(5), "Refer-To: sip:carol@x", "Refer-Sub: false")
			b.phone.next("SIP/2.0 202")
		}
		refer(random(5), "Refer-To: sip:carol@x", "Refer-Sub: false")
		b.phone.next("SIP/2.0 503")
		if _, err := a.Call(CallConfig{URI: "sip:x@y", Transfer: x.what.(transferred).t}); err != ErrNotFound {
			t.Error(err)
		}
	})
}

// Who has sent a REFER is told of an end in any case: the account closes and nobody has decided, or its call goes on ringing; the
// call is given up before it is known where to; and who follows is another account of the family that closes.
func TestReferIsTold(t *testing.T) {
	for name, x := range map[string]struct {
		do   func(b *bench, a, helper *Account, tr *Transfer)
		line string
	}{
		"undecided": {func(_ *bench, a, _ *Account, _ *Transfer) { a.Close() }, "480 Temporarily Unavailable"},
		"followed": {func(b *bench, a, helper *Account, tr *Transfer) {
			b.calling(helper, CallConfig{URI: "sip:carol@" + theirs, Transfer: tr})
			a.Close()
		}, "487 Request Terminated"},
		"followed by who closes": {func(b *bench, _, helper *Account, tr *Transfer) {
			b.calling(helper, CallConfig{URI: "sip:carol@" + theirs, Transfer: tr})
			helper.Close()
		}, "487 Request Terminated"},
		"given up": {func(b *bench, _, helper *Account, tr *Transfer) {
			c, err := helper.Call(CallConfig{URI: "sip:carol@slow", Transfer: tr})
			b.ok(err)
			b.ok(c.Hangup(nil))
		}, "487 Request Terminated"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Config{}, func(b *bench) {
				a, h := b.account(b.e, "alice")
				helper, err := a.Helper(&ear{})
				b.ok(err)
				b.phone.request("REFER", "sip:alice@"+ours, "<sip:boss@"+theirs+">;tag=t", "<sip:alice@x>", "r", 1, "Refer-To: sip:carol@x")
				b.phone.next("SIP/2.0 202")
				b.phone.reply(b.phone.next("NOTIFY"), "200 OK")
				b.pass(0)
				x.do(b, a, helper, what[transferred](t, h, "transfer").t)
				b.pass(0)
				var n text
				for n = b.phone.skip("NOTIFY"); n.Body == "SIP/2.0 100 Trying\r\n"; n = b.phone.skip("NOTIFY") {
				}
				if n.Body != "SIP/2.0 "+x.line+"\r\n" || n.Get("Subscription-State") != "terminated;reason=noresource" {
					t.Errorf("%q", n.Raw)
				}
				b.phone.reply(n, "200 OK")
				b.pass(time.Minute)
				if len(a.refers) != 0 {
					t.Error(len(a.refers), "left")
				}
			})
		})
	}
}

// A call that replaces another one ends it (RFC 3891).
func TestReplaced(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		hh := &ear{}
		_, err := a.Helper(hh)
		b.ok(err)
		c, m := b.inCall(a)
		_, tag, _ := strings.Cut(m.Get("From"), "tag=")
		b.phone.Tag = "other"
		branch := b.called("alice", "in1", append([]string{"Replaces: " + c.ID() + ";from-tag=phonetag;to-tag=" + tag}, withSDP()...)...)
		b.ok(hh.last(t, "incoming").call.Accept("v=a\r\n", nil))
		ok := b.phone.next("SIP/2.0 200")
		bye := b.phone.next("BYE")
		if bye.Get("Call-ID") != c.ID() {
			t.Errorf("%q", bye.Raw)
		}
		b.phone.reply(bye, "200 OK")
		b.ackOf(branch, ok)
		if k := h.kinds(); !slices.Equal(k, []string{"answered", "ended"}) {
			t.Error(k)
		}
	})
}
