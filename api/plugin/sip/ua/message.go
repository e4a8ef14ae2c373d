package ua

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/emiago/sipgo/sip"
)

// message is a request or a response. Messages from the network have the fields below the body filled in.
type message struct {
	method  string // "" = a response
	uri     string
	code    int
	reason  string
	headers Headers
	body    []byte

	via        via // the topmost
	from, to   address
	callID     string
	seq        uint32
	seqMethod  string
	contact    func(proto string, self netip.AddrPort) string // makes the Contact of a request when it is known where it goes
	local      bool                                           // a response that we made, as none came
	sourceAddr hop                                            // where it came from
}

const (
	maxHeaders = 256
	maxVias    = 70 // as Max-Forwards allows
)

// compact are the short names of header fields (RFC 3261, 7.3.3, and later ones).
var compact = map[string]string{
	"a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "e": "Content-Encoding", "f": "From", "i": "Call-ID",
	"k": "Supported", "l": "Content-Length", "m": "Contact", "o": "Event", "r": "Refer-To", "s": "Subject", "t": "To",
	"u": "Allow-Events", "v": "Via",
}

// newParser makes a parser of messages that leaves all header fields to us but for the one that frames streams.
func newParser(limit int) *sip.Parser {
	all := sip.DefaultHeadersParser()
	p := sip.NewParser(sip.WithHeadersParsers(sip.HeadersParser{"content-length": all["content-length"], "l": all["l"]}))
	p.MaxMessageLength = limit
	return p
}

var errMessage = errors.New("not a SIP message")

// parseDatagram reads a message that is all of a datagram.
func parseDatagram(p *sip.Parser, b []byte) (m *message, err error) {
	defer func() {
		if r := recover(); r != nil {
			m, err = nil, fmt.Errorf("%w: %v", errMessage, r)
		}
	}()
	parsed, err := p.ParseSIP(b)
	cut := errors.Is(err, sip.ErrParseReadBodyIncomplete) && parsed != nil
	if err != nil && !cut {
		return nil, err
	}
	m, err = convert(parsed)
	if err == nil && cut {
		err = &badRequest{why: "the body is shorter than it says"}
	}
	if m != nil && m.method == "" && err != nil {
		m = nil // responses are not answered
	}
	return m, err
}

// stream reads messages from a stream. It frames them itself: the stream parser of sipgo takes a header field for
// complete when what has come ends with its line, though the next piece may continue it.
type stream struct {
	p     *sip.Parser
	buf   []byte
	seen  int // so much of buf holds no end of a header
	need  int // bytes of the message that buf begins with, 0 = not known yet
	pings int // double blank lines between messages (RFC 5626, 3.5.1)
}

// begun reports whether a part of a message is there.
func (s *stream) begun() bool { return len(s.buf) > 0 }

// next is the next message of the received bytes, nil if it is incomplete. After an error that is no badRequest
// nothing more can be read.
func (s *stream) next() (m *message, err error) {
	for {
		if s.need == 0 {
			if ready, err := s.frame(); err != nil || !ready {
				return nil, err
			}
		}
		if len(s.buf) < s.need {
			return nil, nil
		}
		m, err := parseDatagram(s.p, s.buf[:s.need])
		s.buf = append(s.buf[:0], s.buf[s.need:]...)
		s.need, s.seen = 0, 0
		if m != nil {
			return m, err
		}
		// It was framed well, so the next one can be read.
	}
}

// frame finds out how long the message is that comes next; false if that is not known yet.
func (s *stream) frame() (ok bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errMessage, r)
		}
	}()
	blank := 0
	for ; bytes.HasPrefix(s.buf[2*blank:], []byte("\r\n")); blank++ {
	}
	s.pings += blank / 2
	if blank > 0 {
		s.buf = append(s.buf[:0], s.buf[2*blank:]...)
		s.seen = 0
	}
	from := max(s.seen-3, 0)
	i := bytes.Index(s.buf[from:], []byte("\r\n\r\n"))
	s.seen = len(s.buf)
	if i < 0 {
		if len(s.buf) > s.p.MaxMessageLength {
			return false, sip.ErrMessageTooLarge
		}
		return false, nil
	}
	head := s.buf[:from+i+4]
	m, _, err := s.p.ParseHeaders(head, true)
	if err != nil {
		return false, err
	}
	length := m.ContentLength()
	if length == nil {
		return false, fmt.Errorf("%w: no Content-Length in a stream", errMessage)
	}
	if uint64(len(head))+uint64(*length) > uint64(s.p.MaxMessageLength) {
		return false, sip.ErrMessageTooLarge
	}
	s.need = len(head) + int(*length)
	return true, nil
}

// badRequest is a request that can be answered with 400 but not understood.
type badRequest struct {
	why  string
	code int // 0 = 400
}

func (b *badRequest) Error() string { return b.why }

// convert checks what every message must have (RFC 3261, 8.1.1). With a badRequest there is a message.
func convert(parsed sip.Message) (*message, error) {
	m := &message{body: parsed.Body()}
	var list []sip.Header
	var strange error
	switch p := parsed.(type) {
	case *sip.Request:
		m.method, m.uri, list = string(p.Method), p.Recipient.String(), p.Headers()
		if p.SipVersion != "SIP/2.0" {
			strange = &badRequest{why: "another version", code: 505}
		}
	case *sip.Response:
		m.code, m.reason, list = p.StatusCode, p.Reason, p.Headers()
		if p.SipVersion != "SIP/2.0" || m.code < 100 || m.code > 699 {
			return nil, fmt.Errorf("%w: %d %q", errMessage, m.code, p.SipVersion)
		}
	default:
		return nil, errMessage
	}
	if len(list) > maxHeaders {
		return nil, fmt.Errorf("%w: %d header fields", errMessage, len(list))
	}
	if !oneLine(m.method + m.uri + m.reason) {
		return nil, errLine
	}
	m.headers = make(Headers, 0, len(list))
	lengths := 0
	for _, h := range list {
		name := h.Name()
		if !oneLine(name) || !oneLine(h.Value()) {
			return nil, errLine
		}
		if full, ok := compact[strings.ToLower(name)]; ok {
			name = full
		}
		if strings.EqualFold(name, "Content-Length") {
			lengths++ // has served
			continue
		}
		m.headers = append(m.headers, Header{name, strings.ToValidUTF8(h.Value(), "\uFFFD")})
	}
	err := m.understand()
	if err == nil && lengths > 1 {
		err = &badRequest{why: "more than one Content-Length"}
	}
	if err == nil {
		err = strange
	}
	return m, err
}

// errLine is about characters that some take for the end of a line, and the parser does not: nobody is to get more
// header fields by them, in what is made of this message, than this message has.
var errLine = fmt.Errorf("%w: a line has another one in it", errMessage)

func oneLine(s string) bool { return !strings.ContainsAny(s, "\r\n") }

// understand reads the header fields that all messages have.
func (m *message) understand() error {
	vias := m.vias()
	if len(vias) == 0 || len(vias) > maxVias {
		return fmt.Errorf("%w: %d Via fields", errMessage, len(vias))
	}
	var err error
	if m.via, err = parseVia(vias[0]); err != nil {
		return fmt.Errorf("%w: %w", errMessage, err)
	}
	for _, name := range []string{"From", "To", "Call-ID", "CSeq"} {
		if n := len(m.headers.All(name)); n == 0 {
			return fmt.Errorf("%w: no %s", errMessage, name)
		} else if n > 1 {
			err = &badRequest{why: "more than one " + name}
		}
	}
	m.callID = m.headers.Get("Call-ID")
	var ok bool
	if m.from, ok = parseAddress(m.headers.Get("From")); !ok {
		err = &badRequest{why: "bad From"}
	}
	if m.to, ok = parseAddress(m.headers.Get("To")); !ok {
		err = &badRequest{why: "bad To"}
	}
	number, method, _ := strings.Cut(strings.TrimSpace(m.headers.Get("CSeq")), " ")
	m.seqMethod = strings.TrimSpace(method)
	seq, e := strconv.ParseUint(number, 10, 31)
	m.seq = uint32(seq)
	switch {
	case e != nil:
		err = &badRequest{why: "bad CSeq"}
	case m.callID == "" || len(m.callID) > 512 || strings.ContainsAny(m.callID, " \t\x00"):
		err = &badRequest{why: "bad Call-ID"}
	case m.method != "" && !strings.EqualFold(m.method, m.seqMethod):
		err = &badRequest{why: "CSeq of another method"}
	case m.method != "" && m.from.params.get("tag") == "" && m.via.branch != "":
		err = &badRequest{why: "no tag in From"}
	}
	if m.method == "" && err != nil {
		return fmt.Errorf("%w: %w", errMessage, err)
	}
	return err
}

// vias are the values of all Via fields, one hop each.
func (m *message) vias() (list []string) {
	for _, v := range m.headers.All("Via") {
		list = append(list, splitList(v)...)
	}
	return list
}

// routes are the values of Route or Record-Route.
func (m *message) list(name string) (list []string) {
	for _, v := range m.headers.All(name) {
		list = append(list, splitList(v)...)
	}
	return list
}

// target is the address of the first Contact.
func (m *message) target() (address, bool) {
	list := m.list("Contact")
	if len(list) == 0 {
		return address{}, false
	}
	return parseAddress(list[0])
}

// add appends a header field.
func (m *message) add(name, value string) { m.headers = append(m.headers, Header{name, value}) }

// set replaces the header fields with that name.
func (m *message) set(name, value string) {
	m.remove(name)
	m.add(name, value)
}

func (m *message) remove(name string) {
	kept := m.headers[:0:0]
	for _, f := range m.headers {
		if !strings.EqualFold(f.Name, name) {
			kept = append(kept, f)
		}
	}
	m.headers = kept
}

// content sets the body.
func (m *message) content(kind, body string) {
	m.body = []byte(body)
	if body != "" {
		m.set("Content-Type", kind)
	}
}

// bytes is the message as it goes to the wire. top is the Via field, "" in responses.
func (m *message) bytes(top string) []byte {
	b := make([]byte, 0, 512+len(m.body))
	if m.method != "" {
		b = append(b, m.method+" "+m.uri+" SIP/2.0\r\n"...)
	} else {
		b = append(b, "SIP/2.0 "+strconv.Itoa(m.code)+" "+m.reason+"\r\n"...)
	}
	if top != "" {
		b = append(b, "Via: "+top+"\r\n"...)
	}
	for _, f := range m.headers {
		b = append(b, f.Name+": "+f.Value+"\r\n"...)
	}
	b = append(b, "Content-Length: "+strconv.Itoa(len(m.body))+"\r\n\r\n"...)
	return append(b, m.body...)
}

// size is about how many bytes the message takes.
func (m *message) size() int {
	n := 512 + len(m.uri) + len(m.body)
	for _, h := range m.headers {
		n += 32 + len(h.Name) + len(h.Value)
	}
	return n
}

// text is the body as a text.
func (m *message) text() string {
	if utf8.Valid(m.body) {
		return string(m.body)
	}
	return strings.ToValidUTF8(string(m.body), "\uFFFD")
}

// media is the type of the body in lower case, without parameters.
func (m *message) media() string {
	kind, _, _ := strings.Cut(m.headers.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// sdp is the description in the body, which may be one part of several (RFC 2046, 5.1). ok is false if there is
// something else there.
func (m *message) sdp() (text string, ok bool) {
	switch kind := m.media(); {
	case len(m.body) == 0:
		return "", true
	case kind == "application/sdp" || kind == "":
		return m.text(), true
	case strings.HasPrefix(kind, "multipart/"):
		return sdpPart(m.headers.Get("Content-Type"), m.body)
	}
	return "", false
}

// extra checks header fields that somebody else gave us: no line may be injected, and none that we make ourselves
// may be there twice.
func extra(list Headers) (Headers, error) {
	const limit = 2048
	size := 0
	var kept Headers
	for _, f := range list {
		size += len(f.Name) + len(f.Value)
		if !isToken(f.Name) || strings.ContainsAny(f.Value, "\r\n\x00") || own[strings.ToLower(f.Name)] {
			continue
		}
		kept = append(kept, f)
	}
	if size > limit {
		return nil, ErrHeaders
	}
	return kept, nil
}

// own are the header fields that nobody else may set.
var own = map[string]bool{"via": true, "from": true, "to": true, "call-id": true, "cseq": true, "contact": true,
	"content-length": true, "content-type": true, "max-forwards": true, "route": true, "record-route": true, "v": true, "f": true, "t": true,
	"i": true, "m": true, "l": true, "c": true}

// isToken reports whether a text is a token (RFC 3261, 25.1).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-.!%*_+`'~", c) >= 0) {
			return false
		}
	}
	return s != ""
}
