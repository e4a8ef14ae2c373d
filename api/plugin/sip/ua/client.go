package ua

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"strconv"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// clientTx is a request that we sent and its responses (RFC 3261, 17.1; RFC 6026, 7.2).
type clientTx struct {
	e      *Endpoint
	req    *message // without Via
	about  *Account // gets traces; nil = nobody
	got    func(*message)
	hops   []hop // that are left to try
	hop    hop   // in use
	flow   flow
	branch string
	via    string
	data   []byte

	state  txState
	again  *timer // A, E
	wait   time.Duration
	limit  *timer // B, D, F, K, M, and after CANCEL
	ack    []byte // of a response that refuses an INVITE
	cancel *clientTx
	late   bool // there is a limit for the final response

	retried bool   // by another connection
	why     string // nothing could be sent, "" = not known
}

type txState int

const (
	txCalling txState = iota
	txProceeding
	txCompleted
	txAccepted
	txEnded
)

func clientKey(branch, method string) string { return method + "\x00" + branch }

// start sends a request to the first of some hops that can be reached. got is called with all 1xx responses, the
// final one, and further 2xx of an INVITE: for a request that cannot be sent it is 503, for one that is not answered
// 408, made here. It is never called before start has returned.
func (e *Endpoint) start(req *message, hops []hop, about *Account, got func(*message)) *clientTx {
	t := &clientTx{e: e, req: req, about: about, got: got, hops: hops}
	if !t.next() {
		t.state = txEnded
		e.after(0, func() { got(t.made(503)) })
	}
	return t
}

// made is a response that we make ourselves.
func (t *clientTx) made(code int) *message {
	reason := Reason(code)
	if code == 503 && t.why != "" {
		reason += " (" + t.why + ")"
	}
	m := &message{code: code, reason: reason, local: true, seq: t.req.seq, seqMethod: t.req.method, callID: t.req.callID}
	m.to, _ = parseAddress(t.req.headers.Get("To"))
	return m
}

// next sends the request to the next hop; false if there is none.
func (t *clientTx) next() bool {
	for len(t.hops) > 0 {
		t.hop, t.hops = t.hops[0], t.hops[1:]
		if t.flow = t.e.flowTo(t.hop); t.flow == nil {
			continue
		}
		self := t.flow.self(t.hop.addr)
		t.branch = magic + random(20)
		t.via = "SIP/2.0/" + t.hop.proto + " " + self.String() + ";branch=" + t.branch + ";rport"
		if t.req.contact != nil {
			t.req.set("Contact", t.req.contact(t.hop.proto, self))
		}
		t.data = t.req.bytes(t.via)
		if t.register(); t.transmit(t.data) {
			return true
		}
		t.forget()
	}
	return false
}

// register begins the transaction again.
func (t *clientTx) register() {
	t.e.clients[clientKey(t.branch, t.req.method)] = t
	t.state = txCalling
	if t.hop.proto == "UDP" {
		t.wait = t1
		t.again = t.e.after(t.wait, t.repeat)
	}
	t.limit = t.e.after(t.e.cfg.T1x64, func() { t.fail(408) })
}

func (t *clientTx) forget() {
	t.again.stop()
	t.limit.stop()
	delete(t.e.clients, clientKey(t.branch, t.req.method))
}

func (t *clientTx) transmit(b []byte) bool {
	t.about.trace(true, b)
	if t.flow.send(b, t.hop.addr) {
		return true
	}
	if t.hop.proto == "UDP" {
		return false
	}
	f := t.e.flowTo(t.hop) // the connection is gone
	if f == nil {
		return false
	}
	t.flow = f
	return f.send(b, t.hop.addr)
}

// repeat is timers A and E.
func (t *clientTx) repeat() {
	t.transmit(t.data)
	t.wait *= 2
	if t.req.method != "INVITE" {
		t.wait = min(t.wait, t2)
		if t.state == txProceeding {
			t.wait = t2
		}
	}
	t.again = t.e.after(t.wait, t.repeat)
}

// fail ends a transaction that has no final response, or tries the next hop.
func (t *clientTx) fail(code int) {
	if t.state > txProceeding {
		return
	}
	t.forget()
	if t.state == txCalling && t.next() {
		return
	}
	t.end()
	t.got(t.made(code))
}

// end forgets the transaction.
func (t *clientTx) end() {
	t.forget()
	t.state = txEnded
}

// response takes a response.
func (t *clientTx) response(m *message) {
	invite := t.req.method == "INVITE"
	switch {
	case t.state == txAccepted && m.code/100 == 2:
		t.got(m)
	case t.state == txCompleted && invite && m.code >= 300:
		t.transmit(t.ack)
	case t.state > txProceeding:
	case m.code < 200:
		if t.state = txProceeding; invite {
			t.again.stop()
			if !t.late {
				t.limit.stop()
			}
		}
		t.got(m)
	case !invite:
		t.final(txCompleted, t4)
		t.got(m)
	case m.code < 300:
		t.final(txAccepted, t.e.cfg.T1x64)
		if t.hop.proto != "UDP" { // M has to be there for forks, on all transports
			t.limit.stop()
			t.limit = t.e.after(t.e.cfg.T1x64, t.end)
		}
		t.got(m)
	default:
		t.ack = t.ackOf(m)
		t.transmit(t.ack)
		t.final(txCompleted, timerD)
		t.got(m)
	}
}

// final goes to a state in which retransmissions are expected for a while.
func (t *clientTx) final(s txState, wait time.Duration) {
	t.again.stop()
	t.limit.stop()
	if t.state = s; t.hop.proto != "UDP" {
		wait = 0
	}
	if wait == 0 && s == txCompleted {
		t.end()
		return
	}
	t.limit = t.e.after(wait, t.end)
}

// ackOf is the ACK of a response that refuses an INVITE (RFC 3261, 17.1.1.3).
func (t *clientTx) ackOf(m *message) []byte {
	a := t.within("ACK")
	a.set("To", m.headers.Get("To"))
	return a.bytes(t.via)
}

// within is a request that belongs to the same transaction, an ACK or CANCEL.
func (t *clientTx) within(method string) *message {
	m := &message{method: method, uri: t.req.uri, callID: t.req.callID, seq: t.req.seq}
	for _, name := range []string{"Route", "Max-Forwards", "From", "To", "Call-ID"} {
		for _, v := range t.req.headers.All(name) {
			m.add(name, v)
		}
	}
	m.add("CSeq", itoa(int(t.req.seq))+" "+method)
	return m
}

// sendCancel cancels an INVITE (RFC 3261, 9.1). If no final response comes for 64*T1 then, the transaction fails
// with 487.
func (t *clientTx) sendCancel(headers Headers) {
	if t.state > txProceeding || t.cancel != nil {
		return
	}
	m := t.within("CANCEL")
	m.headers = append(m.headers, headers...)
	c := &clientTx{e: t.e, req: m, about: t.about, got: func(*message) {}, hop: t.hop, flow: t.flow, branch: t.branch, via: t.via}
	c.data = m.bytes(t.via)
	t.cancel = c
	c.register()
	c.transmit(c.data)
	t.giveUp()
}

// giveUp waits for a final response for 64*T1 and no longer. t may be nil.
func (t *clientTx) giveUp() {
	if t == nil || t.state > txProceeding {
		return
	}
	t.again.stop()
	t.limit.stop()
	t.late = true
	t.limit = t.e.after(t.e.cfg.T1x64, func() { t.fail(487) })
}

// unreachable fails the requests to an address where nobody listens.
func (e *Endpoint) unreachable(proto string, to netip.AddrPort) {
	for _, t := range e.clients {
		if t.hop.proto == proto && t.hop.addr == to {
			t.failSoon()
		}
	}
}

// lost reports a connection that has ended. Requests without any response are sent once more by another one, as the
// other side may have closed it just then; others wait for the response, which may come by a connection that the other
// side makes (RFC 3261, 18.2.2), but not for ever. Who was registered by it registers again.
func (e *Endpoint) lost(c *conn, err error) {
	why := ""
	if bad := (*tls.CertificateVerificationError)(nil); errors.As(err, &bad) {
		why = bad.Err.Error() // of other errors nobody but the log needs to know
	}
	for _, t := range e.clients {
		switch {
		case t.flow != flow(c):
		case t.state == txCalling:
			if c.c != nil && !t.retried {
				t.retried = true
				t.hops = append([]hop{t.hop}, t.hops...)
			}
			t.why = why
			t.failSoon()
		case t.state == txProceeding && t.req.method == "INVITE" && !t.late:
			t.late = true
			t.limit = e.after(lostTime, func() { t.fail(408) })
		}
	}
	for _, a := range e.tokens {
		if a.reg.flow == flow(c) {
			a.reg.broken(a)
		}
	}
}

// lostTime is how long a call rings on when the connection is gone.
const lostTime = 3 * time.Minute

// failSoon fails a transaction without a response, but not at once, as it may be about to begin.
func (t *clientTx) failSoon() {
	branch := t.branch
	t.e.after(0, func() {
		if t.branch == branch && t.state == txCalling {
			t.fail(503)
		}
	})
}

func (e *Endpoint) stopTransactions() {
	for _, t := range e.clients {
		t.end()
	}
	for _, s := range e.servers {
		s.end()
	}
}
