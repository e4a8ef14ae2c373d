package ua

import (
	"strings"
)

// CallState is how far a call is.
type CallState int

// The states of a call, in this order.
const (
	Inviting    CallState = iota // we call, and there is no answer
	Invited                      // we are called, and have not answered
	Progressing                  // the same, and we have sent a description
	Established
	Closing // we have hung up
	Over
)

// Call is an INVITE with its dialog. Its methods may be called from any goroutine; those that do not fit the state
// return ErrState.
type Call struct {
	a        *Account
	id       string // Call-ID
	outgoing bool
	state    CallState
	d        *dialog // of the session; while we call, as far as it is known
	peerURI  string

	// Outgoing.
	invite    *asking
	forks     map[string]*dialog // early dialogs by the tags of those who ring
	cancelBy  Headers            // of the CANCEL
	canceling bool
	kept      map[string]*sentAck // by the tags of those who have answered
	transfer  *Transfer           // that asked for the call

	// Incoming.
	server   *serverTx
	first    Invite
	replaces string
	again    *timer       // repeats 1xx
	reliable *reliability // nil = 1xx responses may get lost

	// Both.
	ok        *okay     // our 2xx without an ACK
	theirs    *serverTx // re-INVITE that waits for our answer
	ours      *asking   // our re-INVITE
	next      *offer    // re-INVITE that has to wait
	wait      *timer    // for the time to send it
	reack     *sentAck  // of our latest re-INVITE
	reacked   uint32    // the number of that
	bye       *Headers  // hang up when the ACK has come
	noPicture bool      // the other side takes no request for a key frame, or there is one under way
	usages    int       // transfers that go on in the dialog
	lingers   *timer    // until these are given up
}

// CallConfig is a call to be made.
type CallConfig struct {
	URI         string
	SDP         string
	Headers     Headers
	CallID      string       // "" = random
	Credentials *Credentials // for this call and later requests
	Transfer    *Transfer    // by which we were asked to call
}

// ID is the Call-ID.
func (c *Call) ID() string { return c.id }

// Outgoing reports whether we have called.
func (c *Call) Outgoing() bool { return c.outgoing }

// Peer is the URI of the other side, as From or To had it.
func (c *Call) Peer() string { return c.peerURI }

// State is how far the call is.
func (c *Call) State() (s CallState) {
	s = Over
	c.a.e.do("a state", func() { s = c.state })
	return s
}

func (c *Call) account() *Account { return c.a }

// open registers a new call.
func (c *Call) open() {
	c.a.call = c
	c.a.e.calls++
	c.a.e.dialogs[c.key()] = c
}

func (c *Call) key() dialogKey { return dialogKey{c.id, c.d.local} }

// finish ends the call for everybody here.
func (c *Call) finish(end End) {
	if c.state == Over {
		return
	}
	c.state = Over
	c.stop()
	c.transfer.over(end.Code, end.Reason)
	c.a.e.calls--
	if c.a.call == c {
		c.a.call = nil
	}
	c.a.emit(func(h Handler) { h.Ended(c, end) })
	c.release()
}

func (c *Call) stop() {
	c.again.stop()
	c.reliable.stop()
	c.wait.stop()
	c.next = nil
	if c.ok != nil {
		c.ok.stop()
		c.ok = nil
	}
	if c.server != nil && c.server.code < 200 { // also where a 2xx waits for a PRACK
		c.server.extras = nil
		c.server.answer(487)
	}
	if c.theirs != nil {
		c.theirs.answer(487)
		c.theirs = nil
	}
	if c.ours != nil {
		// Its answer may be lost, and nobody repeats it any more.
		c.ours.canceled = true
		c.ours.tx.giveUp()
	}
}

// release forgets the dialog, or lets transfers go on in it for a while.
func (c *Call) release() {
	if c.state != Over {
		return
	}
	if c.usages > 0 && !c.a.closed {
		if c.lingers == nil {
			c.lingers = c.a.e.after(c.a.e.cfg.T1x64, func() { c.usages = 0; c.release() })
		}
		return
	}
	c.lingers.stop()
	if c.a.e.dialogs[c.key()] == dialogOwner(c) {
		delete(c.a.e.dialogs, c.key())
	}
}

// quit ends the call as its account does.
func (c *Call) quit(goodbye bool) {
	if goodbye {
		switch c.state {
		case Inviting:
			c.drop(nil)
		case Invited, Progressing:
			c.server.answer(480)
		case Established:
			if c.reliable.deferred() {
				c.server.answer(480)
				break
			}
			c.ok.stop() // nobody waits for an ACK
			c.ok = nil
			c.hangup(nil)
		}
	}
	c.usages = 0
	c.transfer.over(487, Reason(487))
	c.finish(End{Code: 200, Reason: "Session Terminated"})
}

// Hangup ends the call: by CANCEL, BYE, or 480 if we were called and have not answered. Handler.Ended follows, when
// the other side has answered.
func (c *Call) Hangup(headers Headers) error {
	return c.a.e.try("a hangup", func() error {
		headers, err := extra(headers)
		if err != nil {
			return err
		}
		switch c.state {
		case Inviting:
			if c.canceling {
				return ErrState
			}
			c.drop(headers)
		case Invited, Progressing:
			return c.decline(480, headers)
		case Established:
			c.hangup(headers)
		default:
			return ErrState
		}
		return nil
	})
}

// hangup sends BYE, but not before the ACK of our 2xx response (RFC 3261, 15).
func (c *Call) hangup(headers Headers) {
	c.state = Closing
	c.wait.stop()
	c.next = nil
	if c.ok != nil && !c.ok.acked || c.reliable.deferred() {
		c.bye = &headers
		return
	}
	c.sendBye(headers, func(m *message) {
		reason := m.reason
		if m.code == 200 {
			reason = "to BYE"
		}
		c.finish(End{Code: m.code, Reason: reason, Headers: m.headers})
	})
}

func (c *Call) sendBye(headers Headers, done func(*message)) {
	c.d.send("BYE", func(m *message) { m.headers = append(m.headers, headers...) }, func(m *message) {
		if m.code >= 200 {
			done(m)
		}
	})
}

// broken ends an established call with BYE, for a reason of ours.
func (c *Call) broken(code int, why string) {
	if c.state == Over {
		return
	}
	if c.state != Closing {
		text := Header{"Reason", "SIP;cause=" + itoa(code) + ";text=" + quote(why)}
		c.sendBye(Headers{text}, func(*message) {})
	}
	c.finish(End{Code: code, Reason: why})
}

// peer reports whether a tag is that of the other side; several may ring.
func (c *Call) peer(tag string) bool {
	return c.d.remote == tag && tag != "" || c.forks[tag] != nil || c.kept[tag] != nil
}

// inside takes a request within the dialog.
func (c *Call) inside(m *message, s *serverTx) {
	d := c.d
	if f := c.forks[m.from.params.get("tag")]; f != nil {
		d = f
	}
	switch {
	case c.state == Over && m.method != "NOTIFY":
		s.answer(481)
		return
	case !d.fresh(m):
		s.answer(500)
		return
	}
	switch m.method {
	case "BYE":
		c.byed(m, s)
	case "INVITE":
		c.reinvited(m, s)
	case "PRACK":
		c.pracked(m, s)
	case "UPDATE":
		c.updated(d, m, s)
	case "INFO":
		c.content(m, s, func(h Handler, x Content) { h.Info(c, x) })
	case "MESSAGE":
		c.content(m, s, func(h Handler, x Content) { h.Message(c, x) })
	case "REFER":
		c.a.referred(c, d, m, s)
	case "NOTIFY":
		c.notified(m, s)
	case "OPTIONS":
		s.respond(options(c.a, s))
	default:
		notAllowed(s)
	}
}

func notAllowed(s *serverTx) {
	r := s.reply(405, "")
	r.add("Allow", allowed)
	s.respond(r)
}

// options lists our capabilities.
func options(a *Account, s *serverTx) *message {
	r := s.reply(200, "")
	a.identify(r)
	r.add("Accept", "application/sdp")
	return r
}

// content takes a request whose body is for the handler.
func (c *Call) content(m *message, s *serverTx, tell func(Handler, Content)) {
	x := contentOf(m)
	if len(m.body) > 0 && !c.a.offer(func(h Handler) { tell(h, x) }) {
		s.answer(503)
		return
	}
	s.answer(200)
}

func contentOf(m *message) Content {
	return Content{CallID: m.callID, From: m.from.uri, DisplayName: m.from.display, Type: m.headers.Get("Content-Type"),
		Body: m.text(), Headers: m.headers}
}

// byed takes a BYE. Who rings and gives up without an answer ends that fork alone.
func (c *Call) byed(m *message, s *serverTx) {
	s.answer(200)
	tag := m.from.params.get("tag")
	switch {
	case c.state == Over:
	case c.state == Inviting:
		delete(c.forks, tag)
	case tag == c.d.remote:
		end := End{Code: 200, Reason: "Session Terminated", Headers: m.headers}
		end.because(m)
		c.finish(end)
	}
}

// because reads the Reason field of a message (RFC 3326).
func (e *End) because(m *message) {
	list := m.list("Reason")
	if len(list) == 0 {
		return
	}
	protocol, rest, _ := strings.Cut(list[0], ";")
	p := parseParams(rest)
	e.ReasonProtocol, e.ReasonCause, e.ReasonText = strings.TrimSpace(protocol), p.get("cause"), p.get("text")
}

// Info sends an INFO request.
func (c *Call) Info(kind, body string, headers Headers) error {
	return c.inform("INFO", kind, body, headers, func(*message) {})
}

// Message sends a MESSAGE within the dialog; Handler.MessageResult reports the outcome.
func (c *Call) Message(kind, body string, headers Headers) error {
	return c.inform("MESSAGE", kind, body, headers, func(m *message) { c.a.delivered(c.id, m) })
}

func (c *Call) inform(method, kind, body string, headers Headers, got func(*message)) error {
	return c.a.e.try(method, func() error {
		headers, err := extra(headers)
		switch {
		case err != nil:
			return err
		case c.state != Established && (c.state != Inviting || method != "MESSAGE"):
			return ErrState
		case c.a.pending >= maxPending:
			return ErrTooMany
		case strings.ContainsAny(kind, "\r\n"):
			return ErrHeaders
		}
		d := c.d
		if c.state == Inviting {
			if d = c.anyFork(); d == nil {
				return ErrState
			}
		}
		d.send(method, func(m *message) {
			m.headers = append(m.headers, headers...)
			m.content(kind, body)
		}, func(m *message) {
			if m.code >= 200 {
				got(m)
				c.gone(m)
			}
		})
		return nil
	})
}

// gone ends the call if the other side does not know it any more (RFC 3261, 12.2.1.2).
func (c *Call) gone(m *message) {
	if m.code == 481 && c.state == Established {
		c.finish(End{Code: 481, Reason: m.reason, Headers: m.headers})
	}
}

func (c *Call) anyFork() *dialog {
	for _, d := range c.forks {
		return d
	}
	return nil
}
