package ua

import (
	"strings"
	"time"
)

// outsideRequest takes a request for this account that belongs to no dialog.
func (a *Account) outsideRequest(m *message, s *serverTx) {
	switch m.method {
	case "INVITE":
		a.called(m, s)
	case "OPTIONS":
		s.respond(options(a, s))
	case "MESSAGE":
		x := contentOf(m)
		if len(m.body) > 0 && !a.offer(func(h Handler) { h.Message(nil, x) }) {
			s.answer(503)
			return
		}
		s.answer(200)
	case "REFER":
		a.referred(nil, answering(a, m, s.tag), m, s)
	case "NOTIFY":
		a.notifiedOutside(m, s)
	case "BYE", "INFO", "PRACK", "UPDATE":
		s.answer(481)
	default:
		notAllowed(s)
	}
}

// invite is the content of an INVITE.
func inviteOf(m *message) Invite {
	in := Invite{CallID: m.callID, From: m.from.uri, DisplayName: m.from.display, To: m.to.uri, ReferredBy: m.headers.Get("Referred-By"),
		Replaces: m.headers.Get("Replaces"), Headers: m.headers}
	in.SDP, _ = m.sdp()
	if x, ok := m.target(); ok {
		in.Focus = x.params.has("isfocus")
	}
	if list := m.list("P-Asserted-Identity"); len(list) > 0 {
		if x, ok := parseAddress(list[0]); ok {
			in.Asserted = x.uri
		}
	}
	return in
}

// called takes an INVITE: this account, or the first of its helpers that has no call, gets it.
func (a *Account) called(m *message, s *serverTx) {
	in := inviteOf(m)
	if _, ok := m.sdp(); !ok {
		r := s.reply(415, "")
		r.add("Accept", "application/sdp")
		s.respond(r)
		return
	}
	if _, ok := m.target(); !ok && m.headers.Get("Contact") != "" {
		s.answer(400)
		return
	}
	family := append([]*Account{a.own()}, a.own().helpers...)
	for _, x := range family {
		// The same request by two ways (RFC 3261, 8.2.2.2).
		if c := x.call; c != nil && !c.outgoing && c.id == m.callID && c.d.remote == m.from.params.get("tag") && c.d.theirs == m.seq {
			s.answer(482)
			return
		}
	}
	if a.master != nil || a.call == nil { // by its own Contact, a helper is meant itself
		family = []*Account{a}
	}
	for _, x := range family {
		if x.call == nil {
			x.ring(m, s, in)
			return
		}
	}
	r := s.reply(486, "")
	s.respond(r)
	a.offer(func(h Handler) { h.Missed(in) })
}

func (a *Account) ring(m *message, s *serverTx, in Invite) {
	c := &Call{a: a, id: m.callID, state: Invited, d: answering(a, m, s.tag), peerURI: m.from.uri, server: s, first: in,
		replaces: in.Replaces, reliable: newReliability(m)}
	if _, taken := a.e.dialogs[c.key()]; taken {
		s.answer(500)
		return
	}
	if !a.offer(func(h Handler) { h.Incoming(c, in) }) {
		s.answer(503)
		return
	}
	s.about = a
	c.open()
	s.extras = c.extras
	s.canceled = func(m *message) {
		s.answer(487)
		end := End{Code: 487, Reason: Reason(487), Headers: m.headers}
		end.because(m)
		c.finish(end)
	}
	s.answer(100)
}

// extras are the header fields of all responses to INVITE that establish something.
func (c *Call) extras() []Header {
	if c.theirs != nil {
		return c.extrasOf(c.theirs)
	}
	return c.extrasOf(c.server)
}

func (c *Call) extrasOf(s *serverTx) []Header {
	list := []Header{{"Contact", c.a.contact(s.flow.proto(), s.flow.self(s.req.sourceAddr.addr))}, {"Allow", allowed}, {"Supported", "replaces"}}
	if agent := c.a.agent(); agent != "" {
		list = append(list, Header{"User-Agent", agent})
	}
	return list
}

// Ring tells the caller that it rings.
func (c *Call) Ring() error {
	return c.a.e.try("a ring", func() error {
		if c.state != Invited && c.state != Progressing {
			return ErrState
		}
		if c.reliable != nil && c.first.SDP == "" && !c.reliable.described {
			return nil // the first one has to have our offer (RFC 3262, 5)
		}
		c.provide(c.server.reply(180, ""))
		return nil
	})
}

// provide sends a provisional response, again each minute, as proxies forget calls otherwise (RFC 3261, 13.3.1.1).
func (c *Call) provide(m *message) {
	headers := m.headers
	var send func()
	send = func() {
		again := *m
		again.headers = append(Headers{}, headers...)
		if c.reliable != nil {
			c.provideReliably(&again)
		} else {
			c.server.respond(&again)
		}
		c.again = c.a.e.after(time.Minute, send)
	}
	c.again.stop()
	send()
}

// Progress sends 183 with a description, before the call is accepted.
func (c *Call) Progress(sdp string, headers Headers) error {
	return c.a.e.try("progress", func() error {
		headers, err := extra(headers)
		switch {
		case err != nil:
			return err
		case c.state != Invited || sdp == "":
			return ErrState
		}
		c.state = Progressing
		m := c.server.reply(183, "")
		m.headers = append(m.headers, headers...)
		m.content("application/sdp", sdp)
		c.provide(m)
		return nil
	})
}

// Accept answers the call with a description: the answer, or the offer if Invite.SDP was "". In that case
// Handler.Answered brings the answer.
func (c *Call) Accept(sdp string, headers Headers) error {
	return c.a.e.try("accepting", func() error {
		headers, err := extra(headers)
		switch {
		case err != nil:
			return err
		case c.state != Invited && c.state != Progressing || sdp == "":
			return ErrState
		}
		c.again.stop()
		c.state = Established
		m := c.server.reply(200, "")
		m.headers = append(m.headers, headers...)
		r := c.reliable
		if r == nil || !r.described {
			m.content("application/sdp", sdp) // else it was sent already
		}
		send := func() {
			c.okay(c.server, m, c.first.SDP == "")
			c.replace()
		}
		if r != nil && r.waits && r.described {
			r.then = send // RFC 3262, 3
		} else {
			r.stop()
			send()
		}
		return nil
	})
}

// replace hangs up the call that this one replaces (RFC 3891, 3).
func (c *Call) replace() {
	id, rest, _ := strings.Cut(c.replaces, ";")
	if id = strings.TrimSpace(id); id == "" {
		return
	}
	p := parseParams(rest)
	old, ok := c.a.e.dialogs[dialogKey{id, p.get("to-tag")}].(*Call)
	if !ok || old == c || old.a.own() != c.a.own() || old.d.remote != p.get("from-tag") || old.state != Established {
		return
	}
	old.hangup(nil)
}

// Decline refuses the call with a code of 300 to 699.
func (c *Call) Decline(code int, headers Headers) error {
	return c.a.e.try("declining", func() error {
		headers, err := extra(headers)
		if err != nil {
			return err
		}
		return c.decline(code, headers)
	})
}

func (c *Call) decline(code int, headers Headers) error {
	if c.state != Invited && c.state != Progressing || code < 300 || code > 699 {
		return ErrState
	}
	m := c.server.reply(code, "")
	m.headers = append(m.headers, headers...)
	c.server.extras = nil
	c.server.respond(m)
	c.finish(End{Code: code, Reason: Reason(code)})
	return nil
}

// okay is a 2xx response of ours to an INVITE that has to be acknowledged (RFC 3261, 13.3.1.4).
type okay struct {
	s      *serverTx
	seq    uint32
	answer bool // the ACK has the answer
	update bool // to a re-INVITE
	acked  bool
	wait   time.Duration
	again  *timer
	limit  *timer
}

func (o *okay) stop() {
	if o != nil {
		o.again.stop()
		o.limit.stop()
	}
}

// okay sends a 2xx response until the ACK comes.
func (c *Call) okay(s *serverTx, m *message, answer bool) {
	e := c.a.e
	s.respond(m)
	o := &okay{s: s, seq: s.req.seq, answer: answer, update: s != c.server, wait: t1}
	c.ok.stop()
	c.ok = o
	var repeat func()
	repeat = func() {
		s.send()
		o.wait = min(2*o.wait, t2)
		o.again = e.after(o.wait, repeat)
	}
	o.again = e.after(o.wait, repeat)
	o.limit = e.after(e.cfg.T1x64, func() {
		o.stop()
		c.ok = nil
		if c.state == Closing {
			c.sendBye(nil, func(*message) {})
			c.finish(End{Code: 408, Reason: "No ACK"})
			return
		}
		c.broken(408, "No ACK")
	})
}

// acked takes the ACK of a 2xx response of ours.
func (c *Call) acked(m *message) {
	o := c.ok
	if o == nil || o.seq != m.seq || c.state == Over {
		return
	}
	o.stop()
	o.acked = true
	c.ok = nil
	switch {
	case c.bye != nil:
		headers := *c.bye
		c.bye = nil
		c.hangup(headers)
		return
	case !o.answer:
	case len(m.body) == 0 && !o.update && c.reliable != nil && c.reliable.answer != nil:
		c.emitAnswer(c.reliable.answer, false)
	case len(m.body) == 0 && !o.update:
		c.broken(488, "No description in the ACK")
		return
	case len(m.body) > 0:
		c.emitAnswer(m, o.update)
	}
	c.pump()
}

// emitAnswer reports a request that has the answer to our offer.
func (c *Call) emitAnswer(m *message, update bool) {
	ev := c.answer(m)
	ev.Code, ev.Update = 0, update
	c.a.emit(func(h Handler) { h.Answered(c, ev) })
}
