package ua

import (
	"math/rand/v2"
	"time"
)

// offer is a re-INVITE of ours that is to be sent.
type offer struct {
	sdp     string
	headers Headers
	tries   int
}

// Reinvite offers a new description. Handler.Answered, ReinviteFailed or ReinviteDisplaced follows. If the other side
// offers something at the same time, one of both waits (RFC 3261, 14.1).
func (c *Call) Reinvite(sdp string, headers Headers) error {
	return c.a.e.try("a re-INVITE", func() error {
		headers, err := extra(headers)
		switch {
		case err != nil:
			return err
		case c.state != Established || sdp == "":
			return ErrState
		case c.next != nil || c.ours != nil || c.theirs != nil:
			return ErrPending
		}
		c.next = &offer{sdp: sdp, headers: headers}
		c.pump()
		return nil
	})
}

// pump sends the re-INVITE that waits, if nothing is in its way any more.
func (c *Call) pump() {
	o := c.next
	if o == nil || c.state != Established || c.ok != nil || c.reliable.deferred() || c.ours != nil || c.theirs != nil || c.wait != nil && !c.wait.dead {
		return
	}
	c.next = nil
	c.ours = c.d.send("INVITE", func(m *message) {
		m.headers = append(m.headers, o.headers...)
		m.content("application/sdp", o.sdp)
	}, func(m *message) { c.reanswered(o, m) })
}

// reanswered takes a response to our re-INVITE.
func (c *Call) reanswered(o *offer, m *message) {
	switch {
	case m.code < 200:
	case m.code < 300:
		c.reaccepted(m)
	case c.state != Established:
		c.ours = nil
	case m.code == 491 && o.tries < 10:
		// Who has the Call-ID waits longer.
		c.ours = nil
		o.tries++
		c.next = o
		wait := time.Duration(rand.IntN(200)) * 10 * time.Millisecond
		if c.outgoing {
			wait = 2100*time.Millisecond + time.Duration(rand.IntN(190))*10*time.Millisecond
		}
		c.wait = c.a.e.after(wait, c.pump)
	case m.code == 481 || m.code == 408:
		c.ours = nil
		c.broken(m.code, m.reason)
	default:
		c.ours = nil
		f := failure(m)
		c.a.emit(func(h Handler) { h.ReinviteFailed(c, f) })
	}
}

func (c *Call) reaccepted(m *message) {
	if c.reacked == m.seq {
		c.reack.again(c.a)
		return
	}
	if c.ours == nil {
		return
	}
	c.reacked, c.reack = m.seq, &sentAck{}
	c.d.aim(m)
	c.d.ack(m.seq, credentialsOf(c.ours), c.reack)
	c.ours = nil
	if c.state != Established {
		return
	}
	ev := c.answer(m)
	ev.Update = true
	c.a.emit(func(h Handler) { h.Answered(c, ev) })
}

// updated takes an UPDATE (RFC 3311). Without a description it refreshes the target or a session timer; before the
// call is answered nothing else is accepted.
func (c *Call) updated(d *dialog, m *message, s *serverTx) {
	switch {
	case c.state > Established:
		s.answer(481)
	case len(m.body) > 0 && (c.state < Established || c.reliable.deferred()):
		s.answer(488)
	case len(m.body) > 0:
		c.reinvited(m, s)
	default:
		d.aim(m)
		r := s.reply(200, "")
		r.headers = append(r.headers, c.extrasOf(s)...)
		s.respond(r)
	}
}

// updateTime is how long an UPDATE may wait for an answer: who sent it does not wait for people (RFC 3311, 5.2).
const updateTime = 10 * time.Second

// reinvited takes a re-INVITE (RFC 3261, 14.2), or an UPDATE that offers something.
func (c *Call) reinvited(m *message, s *serverTx) {
	_, ok := m.sdp()
	switch {
	case c.state != Established:
		s.answer(481)
	case !ok:
		s.answer(415)
	case c.theirs != nil || c.ok != nil && c.ok.answer:
		r := s.reply(500, "")
		r.add("Retry-After", itoa(rand.IntN(11)))
		s.respond(r)
	case c.ours != nil:
		s.answer(491)
	default:
		// Who asks for more has seen our latest answer.
		c.ok.stop()
		c.ok = nil
		in, displaces := inviteOf(m), c.next != nil
		if !c.a.offer(func(h Handler) {
			if displaces {
				h.ReinviteDisplaced(c)
			}
			h.Reinvited(c, in)
		}) {
			s.answer(503)
			return
		}
		c.wait.stop()
		c.next = nil
		c.d.aim(m)
		c.theirs = s
		unwanted := func(code int) {
			if c.theirs != s {
				return
			}
			s.answer(code)
			c.theirs = nil
			c.a.emit(func(h Handler) { h.ReinviteCanceled(c) })
			c.pump()
		}
		if m.method == "UPDATE" {
			c.a.e.after(updateTime, func() { unwanted(504) })
			return
		}
		s.extras = c.extras
		s.canceled = func(*message) { unwanted(487) }
		s.answer(100)
	}
}

// AnswerReinvite accepts the re-INVITE of Handler.Reinvited.
func (c *Call) AnswerReinvite(sdp string, headers Headers) error {
	return c.a.e.try("an answer", func() error {
		headers, err := extra(headers)
		switch {
		case err != nil:
			return err
		case c.theirs == nil || c.state != Established || sdp == "":
			return ErrState
		}
		s := c.theirs
		m := s.reply(200, "")
		m.headers = append(m.headers, headers...)
		m.content("application/sdp", sdp)
		if s.req.method == "UPDATE" {
			m.headers = append(m.headers, c.extrasOf(s)...)
			s.respond(m)
			c.theirs = nil
			c.pump()
			return nil
		}
		c.okay(s, m, len(s.req.body) == 0)
		c.theirs = nil
		return nil
	})
}

// RejectReinvite refuses it; the session is as it was before.
func (c *Call) RejectReinvite(code int) error {
	return c.a.e.try("a refusal", func() error {
		if c.theirs == nil || code < 300 || code > 699 {
			return ErrState
		}
		c.theirs.answer(code)
		c.theirs = nil
		c.pump()
		return nil
	})
}
