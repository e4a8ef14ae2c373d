package ua

import (
	"net/url"
	"strings"
	"time"
)

const (
	maxTransfers  = 8
	transferTime  = 3 * time.Minute // to decide about a transfer
	maxNotifyWait = 8
)

// Transfer is a REFER that we got and accepted to look at. NOTIFY informs its sender of the progress.
type Transfer struct {
	a        *Account
	call     *Call // in whose dialog it came, nil = outside any
	d        *dialog
	id       int
	event    string // value of Event
	silent   bool   // nobody wants to hear of it (RFC 4488)
	headers  Headers
	used     bool
	done     bool
	timer    *timer
	sending  bool
	waiting  []string // status lines still to be sent
	last     string   // that was sent
	finishes bool     // the last of waiting is the end
}

// ID is a number that no other transfer of the account has had.
func (t *Transfer) ID() int { return t.id }

// referred takes a REFER (RFC 3515, 2.4.2).
func (a *Account) referred(c *Call, d *dialog, m *message, s *serverTx) {
	to, ok := parseAddress(m.headers.Get("Refer-To"))
	if !ok || len(m.headers.All("Refer-To")) != 1 {
		s.answer(400)
		return
	}
	if u, err := parseURI(to.uri); err != nil || u.User == "" && u.Host == "" {
		s.answer(416)
		return
	}
	if len(a.refers) >= maxTransfers {
		s.answer(503)
		return
	}
	ref := Referral{To: withoutHeaders(to.uri), ReferredBy: m.headers.Get("Referred-By"), Headers: m.headers}
	ref.Replaces = uriHeader(to.uri, "Replaces")
	by := ref.ReferredBy
	if by == "" {
		ref.ReferredBy = m.from.uri
		by = "<" + m.from.uri + ">"
	}
	a.lastID++
	t := &Transfer{a: a, call: c, d: d, id: a.lastID, event: "refer;id=" + itoa(int(m.seq)),
		silent: strings.EqualFold(m.headers.Get("Refer-Sub"), "false")}
	if c == nil {
		t.event = "refer"
	}
	t.headers = Headers{{"Referred-By", by}}
	if ref.Replaces != "" && !strings.ContainsAny(ref.Replaces, "\r\n") {
		t.headers = append(t.headers, Header{"Replaces", ref.Replaces})
	}
	if !a.offer(func(h Handler) { h.Transfer(c, t, ref) }) {
		s.answer(503)
		return
	}
	r := s.reply(202, "")
	r.add("Contact", a.contact(s.flow.proto(), s.flow.self(s.req.sourceAddr.addr)))
	if t.silent {
		r.add("Refer-Sub", "false")
	}
	s.respond(r)
	a.refers[t.id] = t
	if c != nil {
		c.usages++
	}
	t.timer = a.e.after(transferTime, func() { t.over(408, Reason(408)) })
	t.tell("SIP/2.0 100 Trying", false)
}

// uriHeader is a header of a URI, unescaped.
func uriHeader(uri, name string) string {
	_, list, _ := strings.Cut(uri, "?")
	for _, h := range strings.Split(list, "&") {
		k, v, _ := strings.Cut(h, "=")
		if !strings.EqualFold(k, name) {
			continue
		}
		if text, err := url.PathUnescape(v); err == nil {
			return text
		}
	}
	return ""
}

// Decline refuses the transfer with a code of 300 to 699.
func (t *Transfer) Decline(code int) error {
	return t.a.e.try("declining a transfer", func() error {
		if t.taken() || code < 300 || code > 699 {
			return ErrState
		}
		t.over(code, Reason(code))
		return nil
	})
}

func (t *Transfer) taken() bool { return t.used || t.done }

// take makes the transfer that of a call. The header fields are for its INVITE.
func (t *Transfer) take(*Call) Headers {
	t.used = true
	t.timer.stop()
	return t.headers
}

// progress reports a response to the INVITE. t may be nil.
func (t *Transfer) progress(m *message) {
	if t != nil && m.code > 100 {
		t.tell("SIP/2.0 "+itoa(m.code)+" "+m.reason, m.code >= 200)
	}
}

// tell sends NOTIFY, one at a time so that they come in order.
func (t *Transfer) tell(line string, end bool) {
	if t.done || t.finishes || line == t.last && !end {
		return
	}
	if len(t.waiting) >= maxNotifyWait { // the latest counts
		t.waiting = t.waiting[:len(t.waiting)-1]
	}
	t.waiting, t.last, t.finishes = append(t.waiting, line), line, end
	t.pump()
}

func (t *Transfer) pump() {
	if t.sending || t.done {
		return
	}
	if len(t.waiting) == 0 {
		if t.finishes {
			t.drop()
		}
		return
	}
	line := t.waiting[0]
	t.waiting = t.waiting[1:]
	if t.silent {
		t.pump()
		return
	}
	state := "active;expires=" + itoa(int(transferTime/time.Second))
	if t.finishes && len(t.waiting) == 0 {
		state = "terminated;reason=noresource"
	}
	t.sending = true
	t.d.send("NOTIFY", func(m *message) {
		m.add("Event", t.event)
		m.add("Subscription-State", state)
		m.content("message/sipfrag;version=2.0", line+"\r\n")
	}, func(m *message) {
		if m.code < 200 {
			return
		}
		if t.sending = false; m.code >= 300 { // nobody listens
			t.drop()
			return
		}
		t.pump()
	})
}

// over reports that the transfer has ended, unless an end was reported. t may be nil.
func (t *Transfer) over(code int, reason string) {
	if t != nil {
		t.tell("SIP/2.0 "+itoa(code)+" "+reason, true)
	}
}

// leave ends the transfer with its account. One that a call follows ends with that: it may be another account's.
func (t *Transfer) leave(goodbye bool) {
	t.timer.stop()
	switch {
	case !goodbye:
		t.drop()
	case !t.used:
		t.over(480, Reason(480))
	}
}

// drop forgets the transfer.
func (t *Transfer) drop() {
	if t.done {
		return
	}
	t.done = true
	t.timer.stop()
	delete(t.a.refers, t.id)
	if t.call != nil {
		t.call.usages--
		t.call.release()
	}
}

// Refer asks the other side to call a URI, in place of another call if there is one (RFC 3891). Its progress
// is reported by Handler.Notify; a refusal looks as if it had come that way.
func (c *Call) Refer(uri string, replaces *Call, headers Headers) error {
	return c.a.e.try("a transfer", func() error {
		headers, err := extra(headers)
		if err != nil {
			return err
		}
		if _, err := parseURI(uri); err != nil {
			return ErrAddress
		}
		switch {
		case c.state != Established:
			return ErrState
		case replaces != nil && (replaces.d.remote == "" || replaces.state != Established):
			return ErrNotFound
		case c.usages >= maxTransfers:
			return ErrTooMany
		}
		to := uri
		if replaces != nil {
			d := replaces.d
			sep := "?"
			if strings.Contains(uri, "?") {
				sep = "&"
			}
			to += sep + "Replaces=" + escape(d.callID+";to-tag="+d.remote+";from-tag="+d.local)
		}
		c.usages++
		c.d.send("REFER", func(m *message) {
			m.add("Refer-To", "<"+to+">")
			m.add("Referred-By", "<"+c.a.own().cfg.Identity+">")
			m.headers = append(m.headers, headers...)
		}, func(m *message) {
			if m.code < 300 {
				return
			}
			c.usages--
			n := Notification{CallID: c.id, Event: "refer", SubState: "terminated", Type: "message/sipfrag",
				Body: "SIP/2.0 " + itoa(m.code) + " " + m.reason + "\r\n", Headers: m.headers, Requested: true}
			c.a.emit(func(h Handler) { h.Notify(n) })
			c.gone(m)
			c.release()
		})
		return nil
	})
}

// escape makes a text fit for a header of a URI (RFC 3261, 19.1.1).
func escape(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()"
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(plain, s[i]) >= 0 {
			b.WriteByte(s[i])
		} else {
			const hex = "0123456789ABCDEF"
			b.WriteString("%" + hex[s[i]>>4:s[i]>>4+1] + hex[s[i]&15:s[i]&15+1])
		}
	}
	return b.String()
}

// Find is the call with a Call-ID, of this account, its master or their helpers; nil if there is none.
func (a *Account) Find(callID string) (c *Call) {
	a.e.do("a call", func() {
		own := a.own()
		for _, x := range append([]*Account{own}, own.helpers...) {
			if x.call != nil && x.call.id == callID {
				c = x.call
			}
		}
	})
	return c
}

// notified takes a NOTIFY within a call, which is about a transfer of ours.
func (c *Call) notified(m *message, s *serverTx) {
	n := notification(m)
	if c.state == Over && c.usages == 0 {
		s.answer(481)
		return
	}
	n.Requested = n.Event == "refer"
	if len(m.body) > 0 && !c.a.offer(func(h Handler) { h.Notify(n) }) {
		s.answer(503)
		return
	}
	s.answer(200)
	if n.Event == "refer" && n.SubState == "terminated" && c.usages > 0 {
		c.usages--
		c.release()
	}
}

func notification(m *message) Notification {
	event, _, _ := strings.Cut(m.headers.Get("Event"), ";")
	state, _, _ := strings.Cut(m.headers.Get("Subscription-State"), ";")
	return Notification{CallID: m.callID, Event: strings.TrimSpace(event), SubState: strings.ToLower(strings.TrimSpace(state)),
		Type: m.headers.Get("Content-Type"), Body: m.text(), Headers: m.headers}
}
