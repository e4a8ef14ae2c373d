package ua

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
)

// dialogKey finds a dialog by its Call-ID and our tag.
type dialogKey struct{ callID, tag string }

// dialogOwner owns a dialog.
type dialogOwner interface {
	// peer reports whether a tag is that of the other side.
	peer(tag string) bool
	// inside takes a request that belongs to the dialog and is no ACK.
	inside(m *message, s *serverTx)
	// acked takes an ACK.
	acked(m *message)
	account() *Account
}

// dialog is a peer-to-peer relationship of two sides (RFC 3261, 12).
type dialog struct {
	a             *Account
	callID        string
	local, remote string // tags
	us, them      string // values of From and To, with tags
	target        string // URI of the other side
	routes        []string
	seq           uint32 // of our latest request
	theirs        uint32 // of their latest request, 0 = none yet
	rseq          uint32 // of their latest 1xx response that we have acknowledged (RFC 3262), 0 = none
	described     string // description of theirs in a 1xx response, "" = none
	settled       bool   // they sent that reliably: it is the answer
	proto         Transport
}

// learn takes the remote side of a dialog from a response to our request (RFC 3261, 12.1.2).
func (d *dialog) learn(m *message) {
	d.remote, d.them = m.to.params.get("tag"), m.headers.Get("To")
	d.routes = m.list("Record-Route")
	slices.Reverse(d.routes)
	d.aim(m)
}

// aim takes the target from a Contact, if there is a good one.
func (d *dialog) aim(m *message) {
	if c, ok := m.target(); ok {
		if _, err := parseURI(c.uri); err == nil {
			d.target = c.uri
		}
	}
	if d.proto == Any {
		d.proto = Transport(m.sourceAddr.proto)
	}
}

// answering makes the dialog of a request that we got (RFC 3261, 12.1.1).
func answering(a *Account, m *message, tag string) *dialog {
	d := &dialog{a: a, callID: m.callID, local: tag, remote: m.from.params.get("tag"), us: m.headers.Get("To") + ";tag=" + tag,
		them: m.headers.Get("From"), target: m.from.uri, routes: m.list("Record-Route"), theirs: m.seq}
	d.aim(m)
	return d
}

// next is the number of a further request.
func (d *dialog) next() uint32 { d.seq++; return d.seq }

// request makes a request within the dialog.
func (d *dialog) request(method string) (*message, route) {
	r := routed(d.target, d.routes, d.proto)
	seq := d.seq
	if method != "ACK" {
		seq = d.next()
	}
	m := d.a.request(method, r.uri, d.us, d.them, d.callID, seq)
	return m, r
}

// send sends a request within the dialog.
func (d *dialog) send(method string, make func(*message), got func(*message)) *asking {
	m, r := d.request(method)
	if method == "INVITE" || method == "REFER" || method == "SUBSCRIBE" || method == "NOTIFY" {
		m.contact = d.a.contact
	}
	if make != nil {
		make(m)
	}
	return d.a.ask(m, r, d.next, got)
}

// fresh reports whether a request of the other side is newer than those before (RFC 3261, 12.2.2).
func (d *dialog) fresh(m *message) bool {
	if d.theirs != 0 && m.seq <= d.theirs {
		return false
	}
	d.theirs = m.seq
	return true
}

// sentAck is an ACK of a 2xx response, which is sent again with each of these.
type sentAck struct {
	data []byte
	flow flow
	hop  hop
}

// ack acknowledges a 2xx response to our INVITE. credentials are those of the INVITE.
func (d *dialog) ack(seq uint32, credentials Headers, kept *sentAck) {
	m, r := d.request("ACK")
	m.set("CSeq", itoa(int(seq))+" ACK")
	m.headers = append(m.headers, credentials...)
	for _, v := range r.routes {
		m.add("Route", v)
	}
	a := d.a
	a.e.resolve(r.next, r.proto, func(hops []hop) {
		for _, h := range hops {
			f := a.e.flowTo(h)
			if f == nil {
				continue
			}
			via := "SIP/2.0/" + h.proto + " " + f.self(h.addr).String() + ";branch=" + magic + random(20) + ";rport"
			*kept = sentAck{m.bytes(via), f, h}
			kept.again(a)
			return
		}
		a.e.log.Warn("no way to acknowledge a call", "to", r.next)
	})
}

// again sends the ACK, if it is known where to.
func (k *sentAck) again(a *Account) {
	if k.flow != nil {
		a.trace(true, k.data)
		k.flow.send(k.data, k.hop.addr)
	}
}

// arrived takes a message from the network. err may be a badRequest.
func (e *Endpoint) arrived(m *message, err error, f flow, from hop) {
	if m == nil {
		e.log.Debug("no SIP message", "from", from.addr, "err", err)
		return
	}
	m.sourceAddr = from
	e.do("a message", func() {
		var bad *badRequest
		switch {
		case m.method == "":
			if err == nil {
				e.response(m)
			}
		case errors.As(err, &bad):
			if m.method != "ACK" && e.sources.take(from.addr.Addr(), time.Now()) {
				code := bad.code
				if code == 0 {
					code = 400
				}
				r := e.stateless(m, f, code)
				r.reason += " (" + bad.why + ")"
				f.send(r.bytes(""), responseTo(m, from))
			}
		case err == nil:
			e.request(m, f, from)
		}
	})
}

func (e *Endpoint) response(m *message) {
	t := e.clients[clientKey(m.via.branch, m.seqMethod)]
	if t == nil {
		return
	}
	t.about.trace(false, m.bytes(""))
	t.response(m)
}

// stateless makes a response that leaves nothing behind: its tag can be made again (RFC 3261, 8.2.7).
func (e *Endpoint) stateless(m *message, f flow, code int) *message {
	h := sha256.New()
	h.Write(e.secret[:])
	h.Write([]byte(m.callID + "\x00" + m.from.params.get("tag") + "\x00" + m.via.text))
	r := reply(m, responseTo(m, m.sourceAddr), code, "", hex.EncodeToString(h.Sum(nil)[:8]))
	return r
}

// refuse answers without state.
func (e *Endpoint) refuse(m *message, f flow, code int, headers ...Header) {
	if m.method == "ACK" {
		return
	}
	r := e.stateless(m, f, code)
	r.headers = append(r.headers, headers...)
	f.send(r.bytes(""), responseTo(m, m.sourceAddr))
}

// request takes a request.
func (e *Endpoint) request(m *message, f flow, from hop) {
	s := e.servers[serverKey(m, m.method)]
	if m.method == "CANCEL" {
		e.cancel(m, f)
		return
	}
	if s != nil {
		s.about.trace(false, m.bytes(""))
		if m.method == "ACK" {
			s.ackedNow(m)
		} else {
			s.repeated()
		}
		return
	}
	tag := m.to.params.get("tag")
	owner := e.dialogs[dialogKey{m.callID, tag}]
	switch {
	case tag == "":
		e.outside(m, f, from)
	case owner == nil || !owner.peer(m.from.params.get("tag")):
		if e.sources.take(from.addr.Addr(), time.Now()) {
			e.refuse(m, f, 481)
		}
	case m.method == "ACK":
		owner.account().trace(false, m.bytes(""))
		owner.acked(m)
	default:
		owner.account().trace(false, m.bytes(""))
		if s := e.beginFor(m, f, from, owner.account()); s != nil {
			owner.inside(m, s)
		}
	}
}

// beginFor makes a transaction of a request that somebody has to answer, unless it requires extensions that we lack.
func (e *Endpoint) beginFor(m *message, f flow, from hop, a *Account) *serverTx {
	s := e.begin(m, f, from)
	if s == nil {
		e.refuse(m, f, 503, Header{"Retry-After", "5"})
		return nil
	}
	s.about = a
	if unknown := m.list("Require"); len(unknown) > 0 {
		unknown = slices.DeleteFunc(unknown, func(v string) bool {
			return v == "replaces" || m.method == "INVITE" && strings.EqualFold(v, "100rel")
		})
		if len(unknown) > 0 {
			r := s.reply(420, "")
			for _, v := range unknown {
				r.add("Unsupported", v)
			}
			s.respond(r)
			return nil
		}
	}
	return s
}

// cancel takes a CANCEL (RFC 3261, 9.2).
func (e *Endpoint) cancel(m *message, f flow) {
	s := e.servers[serverKey(m, "INVITE")]
	if s == nil {
		if e.sources.take(m.sourceAddr.addr.Addr(), time.Now()) {
			e.refuse(m, f, 481)
		}
		return
	}
	s.about.trace(false, m.bytes(""))
	r := reply(m, responseTo(m, m.sourceAddr), 200, "", s.tag)
	b := r.bytes("")
	s.about.trace(true, b)
	f.send(b, responseTo(m, m.sourceAddr))
	if s.canceled != nil {
		s.canceled(m)
	}
}

// outside takes a request that belongs to no dialog.
func (e *Endpoint) outside(m *message, f flow, from hop) {
	if m.method == "ACK" {
		return
	}
	if !e.sources.take(from.addr.Addr(), time.Now()) {
		return // no reflector
	}
	a := e.account(m.uri)
	switch {
	case a == nil:
		if u, err := parseURI(m.uri); err != nil {
			e.refuse(m, f, 416)
		} else if m.method == "OPTIONS" && u.User == "" {
			e.refuse(m, f, 200, Header{"Allow", allowed}, Header{"Accept", "application/sdp"}, Header{"Supported", "replaces"})
		} else {
			e.refuse(m, f, 404)
		}
		return
	}
	a.trace(false, m.bytes(""))
	if s := e.beginFor(m, f, from, a); s != nil {
		a.outsideRequest(m, s)
	}
}

// account is whom a URI is for: the one with that Contact, or else with that user.
func (e *Endpoint) account(uri string) *Account {
	u, err := parseURI(uri)
	if err != nil {
		return nil
	}
	if a := e.tokens[u.User]; a != nil {
		return a
	}
	if list := e.users[u.User]; len(list) > 0 && u.User != "" {
		return list[len(list)-1]
	}
	return nil
}
