package ua

import (
	"slices"
	"testing"
	"time"
)

func TestSubscribe(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		id, err := a.Subscribe(SubscribeConfig{Event: "message-summary", TTL: time.Minute, Accept: "application/simple-message-summary", CallID: "sub1",
			Headers: Headers{{"X-A", "b"}}, Type: "a/b", Body: "x"})
		b.ok(err)
		m := b.phone.next("SUBSCRIBE sip:alice@192.0.2.2 SIP/2.0")
		if id != "sub1" || m.Get("Call-ID") != "sub1" || m.Get("Event") != "message-summary" || m.Get("Expires") != "60" || m.Body != "x" || m.Get("X-A") != "b" ||
			m.Get("Accept") != "application/simple-message-summary" || m.Get("Contact") == "" {
			t.Errorf("%q", m.Raw)
		}
		// Another event whose name begins the same.
		id2, err := a.Subscribe(SubscribeConfig{Event: "message-x"})
		b.ok(err)
		m2 := b.phone.next("SUBSCRIBE")
		if id2 == id || m2.Get("Expires") != "3600" {
			t.Errorf("%q", m2.Raw)
		}
		b.phone.reply(m2, "489 Bad Event", "Allow-Events: presence")
		b.pass(0)
		if x := what[Subscribed](t, h, "subscribed"); x.OK || x.Code != 489 || x.CallID != id2 || x.Headers.Get("Allow-Events") != "presence" {
			t.Errorf("%+v", x)
		}
		// A NOTIFY before the response.
		from, to := b.phone.fromTo(m)
		notify := func(seq int, event, state, body string) text {
			b.phone.request("NOTIFY", contactOf(m), from, to, "sub1", seq, "Event: "+event, "Subscription-State: "+state, "Content-Type: a/b", "", body)
			r := b.phone.next("SIP/2.0")
			b.pass(0)
			return r
		}
		notify(1, "message-summary", "active;expires=60", "one")
		if x := what[Notification](t, h, "notify"); x.CallID != "sub1" || x.Body != "one" || x.SubState != "active" || x.Event != "message-summary" || !x.Requested {
			t.Errorf("%+v", x)
		}
		b.phone.reply(m, "200 OK", "Expires: 50", "Contact: <sip:notifier@192.0.2.2>")
		start := time.Now()
		b.pass(0)
		if x := what[Subscribed](t, h, "subscribed"); !x.OK || x.Code != 200 || x.Expires != 50*time.Second || x.Refresh {
			t.Errorf("%+v", x)
		}
		if r := notify(2, "message-x", "active", "two"); r.Start != "SIP/2.0 489 Bad Event" {
			t.Errorf("%q", r.Raw)
		}
		// It is refreshed in time, at the address that the answer gave.
		m = b.phone.next("SUBSCRIBE sip:notifier@192.0.2.2 SIP/2.0")
		if d := time.Since(start).Round(time.Second); d != 40*time.Second || m.Get("To") != "<sip:alice@192.0.2.2>;tag=phonetag" || m.Get("CSeq") != "2 SUBSCRIBE" {
			t.Errorf("%v %q", d, m.Raw)
		}
		b.phone.reply(m, "200 OK", "Expires: 60")
		b.pass(0)
		if x := what[Subscribed](t, h, "subscribed"); !x.Refresh {
			t.Errorf("%+v", x)
		}
		if err := a.Unsubscribe("message", ""); err != ErrNotFound {
			t.Error(err)
		}
		b.ok(a.Unsubscribe("message-summary", "sip:alice@"+theirs))
		m = b.phone.next("SUBSCRIBE")
		if m.Get("Expires") != "0" {
			t.Errorf("%q", m.Raw)
		}
		b.phone.reply(m, "200 OK", "Expires: 0")
		b.pass(0)
		notify(3, "message-summary", "terminated;reason=timeout", "three")
		if err := a.Unsubscribe("message-summary", ""); err != ErrNotFound {
			t.Error(err)
		}
		if r := notify(4, "message-summary", "active", "four"); r.Start != "SIP/2.0 481 Call Does Not Exist" {
			t.Errorf("%q", r.Raw)
		}
		b.pass(time.Hour)
		b.phone.none()
		if k := h.kinds(); !slices.Equal(k, []string{"subscribed", "notify", "subscribed", "subscribed", "notify"}) {
			t.Error(k)
		}
		for _, bad := range []SubscribeConfig{{Event: ""}, {Event: "a b"}, {Event: "a", Accept: "x\r\ny"}, {Event: "a", To: "x"}} {
			if _, err := a.Subscribe(bad); err == nil {
				t.Errorf("%+v", bad)
			}
		}
	})
}

// The other side ends a subscription, or never answers.
func TestSubscriptionEnds(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		_, err := a.Subscribe(SubscribeConfig{Event: "presence", To: "sip:bob@" + theirs})
		b.ok(err)
		m := b.phone.next("SUBSCRIBE sip:bob@")
		b.phone.reply(m, "202 Accepted")
		from, to := b.phone.fromTo(m)
		b.phone.request("NOTIFY", contactOf(m), from, to, m.Get("Call-ID"), 1, "Event: presence", "Subscription-State: terminated;reason=rejected")
		b.phone.next("SIP/2.0 200")
		b.pass(time.Hour)
		b.phone.none()
		_, err = a.Subscribe(SubscribeConfig{Event: "presence", To: "sip:bob@" + theirs})
		b.ok(err)
		b.pass(time.Minute)
		if x := what[Subscribed](t, h, "subscribed"); x.OK || x.Code != 408 {
			t.Errorf("%+v", x)
		}
		if s := b.e.Stats(); s.Dialogs != 0 {
			t.Errorf("%+v", s)
		}
		for len(b.phone.got) > 0 {
			<-b.phone.got
		}
		for i := range maxSubscriptions {
			_, err := a.Subscribe(SubscribeConfig{Event: "e" + itoa(i)})
			b.ok(err)
		}
		if _, err := a.Subscribe(SubscribeConfig{Event: "e"}); err != ErrTooMany {
			t.Error(err)
		}
	})
}

func TestMessage(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.registered(AccountConfig{})
		id, err := a.Message(MessageConfig{URI: "sip:bob@" + theirs, Body: "hi", Headers: Headers{{"X-A", "b"}}})
		b.ok(err)
		m := b.phone.next("MESSAGE sip:bob@192.0.2.2 SIP/2.0")
		if m.Body != "hi" || m.Get("Content-Type") != "text/plain" || m.Get("Call-ID") != id || m.Get("X-A") != "b" {
			t.Errorf("%q", m.Raw)
		}
		b.phone.reply(m, "404 Not Found")
		b.pass(0)
		if x := what[Result](t, h, "message result"); x.CallID != id || x.Code != 404 || x.Reason != "Not Found" {
			t.Errorf("%+v", x)
		}
		_, err = a.Message(MessageConfig{URI: "sip:bob@" + theirs, Body: "hi"})
		b.ok(err)
		n := 0
		b.pass(time.Minute)
		for ; len(b.phone.got) > 0; n++ {
			b.phone.next("MESSAGE")
		}
		if x := what[Result](t, h, "message result"); x.Code != 408 || n != 11 {
			t.Errorf("%+v %d", x, n)
		}
		// And in.
		b.phone.request("MESSAGE", "sip:alice@"+ours, `"Bob" <sip:bob@x>;tag=t`, "<sip:alice@x>", "m1", 1, "Content-Type: text/html;charset=utf-8", "", "<b>")
		b.phone.next("SIP/2.0 200")
		b.pass(0)
		if x := h.last(t, "message"); x.call != nil || x.what.(Content).Body != "<b>" || x.what.(Content).DisplayName != "Bob" || x.what.(Content).Type != "text/html;charset=utf-8" {
			t.Errorf("%+v", x)
		}
		// A NOTIFY that nobody has asked for: from the registrar it is taken, from others not.
		b.phone.request("NOTIFY", "sip:alice@"+ours, "<sip:x@x>;tag=t", "<sip:alice@x>", "n1", 1, "Event: message-summary", "Subscription-State: active", "Content-Type: a/b", "", "x")
		b.phone.next("SIP/2.0 200")
		b.pass(0)
		if x := what[Notification](t, h, "notify"); x.Requested || x.Event != "message-summary" {
			t.Errorf("%+v", x)
		}
		evil := newPhone(t, b.w, "192.0.2.66:5060")
		defer evil.close()
		evil.request("NOTIFY", "sip:alice@"+ours, "<sip:x@x>;tag=t", "<sip:alice@x>", "n1", 1, "Event: message-summary", "Subscription-State: active", "Content-Type: a/b", "", "x")
		evil.next("SIP/2.0 481")
		b.ok(a.Unregister())
		b.phone.reply(b.phone.next("REGISTER"), "200 OK")
		b.pass(0)
		if _, err := a.Message(MessageConfig{URI: "sip:bob@" + theirs, Body: "hi"}); err != ErrState {
			t.Error(err)
		}
	})
}
