package ua

// maxForks is how many sides of one call are told apart.
const maxForks = 16

// Call calls somebody. The handler hears of responses; the last event is Ended.
func (a *Account) Call(cfg CallConfig) (c *Call, err error) {
	err = a.e.try("a call", func() error {
		u, err := parseURI(cfg.URI)
		if err != nil || u.Scheme != "sip" && u.Scheme != "sips" {
			return ErrAddress
		}
		headers, err := extra(cfg.Headers)
		switch {
		case err != nil:
			return err
		case !a.ready():
			return ErrState
		case a.call != nil:
			return ErrBusy
		case cfg.Transfer != nil && cfg.Transfer.taken():
			return ErrNotFound
		}
		if cfg.CallID == "" {
			cfg.CallID = random(23)
		} else if !isCallID(cfg.CallID) {
			return ErrAddress
		}
		if cfg.Credentials != nil {
			other := *cfg.Credentials
			if other.User == "" {
				other.User = a.own().cfg.Credentials.User
			}
			a.auth.other, a.auth.at, a.auth.known = &other, nil, nil
		}
		tag := random(16)
		target := withoutHeaders(cfg.URI)
		c = &Call{a: a, id: cfg.CallID, outgoing: true, peerURI: target, forks: map[string]*dialog{}, kept: map[string]*sentAck{},
			transfer: cfg.Transfer}
		c.d = &dialog{a: a, callID: cfg.CallID, local: tag, us: a.from(tag), them: "<" + target + ">", target: target, proto: a.own().cfg.Transport}
		c.open()
		m := a.request("INVITE", target, c.d.us, c.d.them, c.id, c.d.next())
		m.contact = a.contact
		if t := cfg.Transfer; t != nil {
			headers = append(t.take(c), headers...)
		}
		m.headers = append(m.headers, headers...)
		m.content("application/sdp", cfg.SDP)
		c.invite = a.ask(m, a.outside(target), c.d.next, c.invited)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// isCallID reports whether a text can be a Call-ID (RFC 3261, 25.1).
func isCallID(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != "" && len(s) <= 256
}

// invited takes a response to our INVITE.
func (c *Call) invited(m *message) {
	if !c.canceling { // else only the end of the call counts
		defer c.transfer.progress(m) // when the ACK is sent
	}
	switch {
	case m.code >= 200 && m.code < 300:
		c.accepted(m)
	case c.state == Over, c.state > Inviting:
	case m.code < 200:
		c.provisional(m)
	default:
		end := End{Code: m.code, Reason: m.reason, Headers: m.headers}
		if c.canceling && (m.code == 401 || m.code == 407) {
			end.Code, end.Reason = 487, Reason(487)
		}
		end.because(m)
		if m.code < 400 {
			for _, v := range m.list("Contact") {
				if x, ok := parseAddress(v); ok {
					end.Contacts = append(end.Contacts, x.uri)
				}
			}
		}
		c.finish(end)
	}
	if m.code < 200 && c.canceling {
		c.invite.tx.sendCancel(c.cancelBy)
	}
}

func (c *Call) provisional(m *message) {
	if m.code == 100 {
		return
	}
	tag := m.to.params.get("tag")
	if tag != "" && len(c.forks) < maxForks && c.forks[tag] == nil {
		d := *c.d
		d.learn(m)
		c.forks[tag] = &d
	}
	f := c.forks[tag]
	if f != nil && !f.prack(m) || c.canceling {
		return
	}
	ev := c.answer(m)
	if f != nil && ev.SDP != "" {
		switch {
		case f.settled:
			ev.SDP = f.described
		default:
			f.described, f.settled = ev.SDP, requires(m, "100rel")
		}
	}
	c.a.offer(func(h Handler) { h.Provisional(c, ev) }) // they may ring as often as they like
}

// answer is the content of a response to an INVITE.
func (c *Call) answer(m *message) Answer {
	ev := Answer{Code: m.code, Reason: m.reason, To: m.to.uri, Headers: m.headers}
	ev.SDP, _ = m.sdp()
	if x, ok := m.target(); ok {
		ev.Focus = x.params.has("isfocus")
	}
	return ev
}

// accepted takes a 2xx response to our INVITE. The first one wins (RFC 3261, 13.2.2.4).
func (c *Call) accepted(m *message) {
	tag := m.to.params.get("tag")
	if k := c.kept[tag]; k != nil {
		k.again(c.a)
		return
	}
	if len(c.kept) >= maxForks {
		return
	}
	k := &sentAck{}
	c.kept[tag] = k
	d := *c.d
	d.remote, d.routes = "", nil
	d.target = c.peerURI
	d.learn(m)
	credentials := credentialsOf(c.invite)
	if c.state != Inviting || c.canceling {
		// Somebody else was faster, or we no longer want to.
		d.ack(m.seq, credentials, k)
		late := c.state == Inviting
		if late {
			c.d, c.forks, c.state = &d, nil, Closing
		}
		d.send("BYE", nil, func(b *message) {
			if b.code >= 200 && late {
				c.finish(End{Code: 487, Reason: Reason(487), Headers: m.headers})
			}
		})
		return
	}
	if f := c.forks[tag]; f != nil {
		d.theirs, d.seq, d.described, d.settled = f.theirs, max(d.seq, f.seq), f.described, f.settled
	}
	c.d, c.forks, c.state = &d, nil, Established
	c.d.ack(m.seq, credentials, k)
	ev := c.answer(m)
	if d.settled || ev.SDP == "" {
		ev.SDP = d.described // the answer came before (RFC 6337, 2.1)
	}
	if ev.SDP == "" {
		c.broken(488, "No description in the answer")
		return
	}
	c.a.emit(func(h Handler) { h.Answered(c, ev) })
}

// credentialsOf are the credentials of an INVITE; its ACK has them, too (RFC 3261, 22.1).
func credentialsOf(k *asking) (list Headers) {
	if k == nil || k.tx == nil {
		return nil
	}
	for _, h := range k.tx.req.headers {
		if h.Name == "Authorization" || h.Name == "Proxy-Authorization" {
			list = append(list, h)
		}
	}
	return list
}

// drop gives up a call that has not been answered. CANCEL waits for a provisional response (RFC 3261, 9.1).
func (c *Call) drop(headers Headers) {
	c.canceling, c.cancelBy = true, headers
	c.invite.canceled = true
	switch tx := c.invite.tx; {
	case tx == nil: // it is not known yet where to
		c.a.e.after(0, func() { c.finish(End{Code: 487, Reason: Reason(487)}) })
	case tx.state == txProceeding || c.a.own().cfg.RFC2543Cancel:
		tx.sendCancel(headers)
	}
}

// withoutHeaders takes the headers off a URI: nobody may add header fields by it.
func withoutHeaders(uri string) string {
	for i := range len(uri) {
		if uri[i] == '?' {
			return uri[:i]
		}
	}
	return uri
}
