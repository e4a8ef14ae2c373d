package ua

import (
	"net/netip"
	"strings"
	"time"
)

// serverTx is a request that we got and its responses (RFC 3261, 17.2; RFC 6026, 7.1).
type serverTx struct {
	e     *Endpoint
	key   string
	req   *message
	flow  flow
	to    netip.AddrPort // of responses
	back  hop            // where to connect to, if the connection is gone
	from  *source
	size  int      // bytes that it holds
	tag   string   // of To in our responses
	about *Account // gets traces; nil = nobody

	last     []byte // response
	code     int    // of it, 0 = none yet
	acked    bool
	gone     bool
	again    *timer // G
	wait     time.Duration
	limit    *timer          // H, I, J or L
	canceled func(*message)  // an INVITE without a final response is no longer wanted
	ack      func(*message)  // of an INVITE that was refused
	extras   func() []Header // of responses to INVITE, such as Contact
}

// serverKey finds the transaction of a request (RFC 3261, 17.2.3). CANCEL has one of its own; that of the request it
// cancels is asked for as INVITE.
func serverKey(m *message, method string) string {
	if method == "ACK" {
		method = "INVITE"
	}
	if len(m.via.branch) > len(magic) && strings.EqualFold(m.via.branch[:len(magic)], magic) {
		return method + "\x00" + m.via.branch + "\x00" + m.via.host + "\x00" + itoa(int(m.via.port))
	}
	// RFC 2543: an ACK has the tag of To that the response gave, so that is left out.
	return method + "\x00" + m.callID + "\x00" + itoa(int(m.seq)) + "\x00" + m.from.params.get("tag") + "\x00" + m.via.text
}

// responseTo is where responses to a request go (RFC 3261, 18.2.2; RFC 3581, 4).
func responseTo(m *message, from hop) netip.AddrPort {
	if from.proto != "UDP" || m.via.rport {
		return from.addr
	}
	port := m.via.port
	if port == 0 {
		port = 5060
	}
	return netip.AddrPortFrom(from.addr.Addr(), port)
}

// backTo is where responses go when the connection that a request came by is gone.
func backTo(m *message, from hop) hop {
	port := m.via.port
	switch {
	case port != 0:
	case from.proto == "TLS":
		port = 5061
	default:
		port = 5060
	}
	return hop{from.proto, netip.AddrPortFrom(from.addr.Addr(), port), m.via.host}
}

// begin makes a server transaction, nil if there is no room for it.
func (e *Endpoint) begin(m *message, f flow, from hop) *serverTx {
	src := e.sources.of(from.addr.Addr(), time.Now())
	size := m.size()
	if len(e.servers) >= e.cfg.Limits.Total || src.servers >= e.cfg.Limits.Transactions ||
		e.sources.held+size > maxHeld || src.held+size > maxHeldBySource {
		return nil
	}
	tag := m.to.params.get("tag")
	if tag == "" {
		tag = random(16)
	}
	s := &serverTx{e: e, key: serverKey(m, m.method), req: m, flow: f, to: responseTo(m, from), back: backTo(m, from),
		from: src, tag: tag}
	src.servers++
	s.hold(size)
	e.servers[s.key] = s
	return s
}

// Transactions hold requests and responses of so many bytes, in sum and for one source.
const (
	maxHeld         = 64 << 20
	maxHeldBySource = 8 << 20
)

// hold says how many bytes the transaction holds now.
func (s *serverTx) hold(size int) {
	s.e.sources.held += size - s.size
	s.from.held += size - s.size
	s.size = size
}

// reply makes a response.
func (s *serverTx) reply(code int, reason string) *message {
	return reply(s.req, s.to, code, reason, s.tag)
}

// reply makes a response to a request (RFC 3261, 8.2.6).
func reply(req *message, to netip.AddrPort, code int, reason, tag string) *message {
	if reason == "" {
		reason = Reason(code)
	}
	m := &message{code: code, reason: reason}
	for i, v := range req.vias() {
		if i == 0 {
			v = req.via.seen(req.sourceAddr.addr)
		}
		m.add("Via", v)
	}
	m.add("From", req.headers.Get("From"))
	dest := req.headers.Get("To")
	if code > 100 && req.to.params.get("tag") == "" && tag != "" {
		dest += ";tag=" + tag
	}
	m.add("To", dest)
	m.add("Call-ID", req.callID)
	m.add("CSeq", req.headers.Get("CSeq"))
	if code > 100 && code < 300 && (req.method == "INVITE" || req.method == "SUBSCRIBE" || req.method == "REFER") {
		for _, v := range req.headers.All("Record-Route") {
			m.add("Record-Route", v)
		}
	}
	return m
}

// answer is respond for responses that need only a code.
func (s *serverTx) answer(code int) { s.respond(s.reply(code, "")) }

// respond sends a response. After a final one, only 2xx of an INVITE are sent.
func (s *serverTx) respond(m *message) {
	if s.gone || s.code >= 200 {
		return
	}
	if s.req.method == "INVITE" && s.extras != nil && m.code > 100 {
		m.headers = append(m.headers, s.extras()...)
	}
	s.last, s.code = m.bytes(""), m.code
	s.send()
	if m.code < 200 {
		return
	}
	// The request is no longer needed.
	s.req = &message{method: s.req.method, seq: s.req.seq}
	s.hold(len(s.last))
	reliable := s.flow.proto() != "UDP"
	switch invite := s.req.method == "INVITE"; {
	case invite && m.code < 300: // the call repeats it
		s.limit = s.e.after(s.e.cfg.T1x64, s.end)
	case invite:
		if !reliable {
			s.wait = t1
			s.again = s.e.after(s.wait, s.repeat)
		}
		s.limit = s.e.after(s.e.cfg.T1x64, s.end)
	case reliable:
		s.end()
	default:
		s.limit = s.e.after(s.e.cfg.T1x64, s.end)
	}
	s.canceled = nil
}

func (s *serverTx) send() {
	s.about.trace(true, s.last)
	if s.flow.send(s.last, s.to) || s.flow.proto() == "UDP" {
		return
	}
	if f := s.e.flowTo(s.back); f != nil {
		s.flow, s.to = f, s.back.addr
		f.send(s.last, s.to)
	}
}

// repeat is timer G.
func (s *serverTx) repeat() {
	s.send()
	s.wait = min(2*s.wait, t2)
	s.again = s.e.after(s.wait, s.repeat)
}

// repeated takes a request that came once more.
func (s *serverTx) repeated() {
	// Of 2xx the call takes care.
	if s.last != nil && (s.req.method != "INVITE" || s.code < 200 || s.code >= 300) {
		s.send()
	}
}

// ackedNow takes the ACK of a response that refused an INVITE.
func (s *serverTx) ackedNow(m *message) {
	if s.acked || s.code < 300 {
		return
	}
	s.acked = true
	s.again.stop()
	s.limit.stop()
	if s.ack != nil {
		s.ack(m)
	}
	if s.flow.proto() != "UDP" {
		s.end()
		return
	}
	s.limit = s.e.after(t4, s.end)
}

// end forgets the transaction.
func (s *serverTx) end() {
	if s.gone {
		return
	}
	s.gone = true
	s.hold(0)
	s.again.stop()
	s.limit.stop()
	s.from.servers--
	if s.e.servers[s.key] == s {
		delete(s.e.servers, s.key)
	}
}

// reasons are the phrases of codes (RFC 3261, 21, and later ones).
var reasons = map[int]string{100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
	200: "OK", 202: "Accepted", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy",
	400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
	406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone", 413: "Request Entity Too Large",
	415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension", 421: "Extension Required",
	423: "Interval Too Brief", 433: "Anonymity Disallowed", 480: "Temporarily Unavailable", 481: "Call Does Not Exist", 482: "Loop Detected",
	483: "Too Many Hops", 484: "Address Incomplete", 485: "Ambiguous", 486: "Busy Here", 487: "Request Terminated",
	488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending", 493: "Undecipherable", 500: "Server Internal Error",
	501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Server Time-out", 505: "Version Not Supported",
	513: "Message Too Large", 600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable"}

// Reason is the phrase that a code comes with.
func Reason(code int) string {
	if r := reasons[code]; r != "" {
		return r
	}
	return "Unknown"
}
