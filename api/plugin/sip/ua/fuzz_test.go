package ua

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bifrons/api/task"
)

// fuzzed is an endpoint with an account and a call whose tags are known.
type fuzzed struct {
	*Endpoint
	u    *udpSocket
	sent [][]byte
}

func newFuzzed(t testing.TB) *fuzzed {
	w := newWire()
	f := &fuzzed{}
	w.lost = func(_, _ netip.AddrPort, b []byte) bool {
		f.sent = append(f.sent, slices.Clone(b)) // by the goroutine of the socket alone
		return true
	}
	e, err := New(Config{Addrs: []netip.Addr{netip.MustParseAddr(ours)}, Port: 5060, network: w, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	f.Endpoint, f.u = e, e.udp[0]
	h := &ear{}
	a, err := e.Account(AccountConfig{Identity: "sip:user@" + theirs, Credentials: Credentials{Secret: "s"}}, h)
	if err != nil {
		t.Fatal(err)
	}
	h.hook = func(h heard) {
		switch x := h.what.(type) {
		case transferred:
			_, _ = a.Call(CallConfig{URI: x.r.To, SDP: sdpText, Transfer: x.t})
		case Invite:
			if h.kind == "incoming" {
				_ = h.call.Ring()
				_ = h.call.Accept("v=0\r\n", nil)
			} else if h.call != nil {
				_ = h.call.AnswerReinvite("v=0\r\n", nil)
			}
		}
	}
	return f
}

// inCall gives the account a call with the Call-ID "call", our tag "us" and their tag "them".
func (f *fuzzed) inCall(out bool) {
	f.do("a call", func() {
		for _, a := range f.tokens {
			c := &Call{a: a, id: "call", outgoing: out, state: Established, peerURI: "sip:x@y", forks: map[string]*dialog{}, kept: map[string]*sentAck{}}
			c.d = &dialog{a: a, callID: "call", local: "us", remote: "them", us: "<sip:user@x>;tag=us", them: "<sip:x@y>;tag=them", target: "sip:x@192.0.2.2"}
			c.open()
		}
	})
}

func torture(t testing.TB) (list [][]byte) {
	files, _ := filepath.Glob("testdata/rfc4475/*.dat")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}

// inCallSeeds are requests in the call of fuzzed.
func inCallSeeds() (list []string) {
	for _, x := range []string{
		"BYE||", "ACK||", "OPTIONS||", "UPDATE||", "CANCEL||",
		"INFO|Content-Type: application/dtmf-relay|Signal=5\r\n",
		"MESSAGE|Content-Type: text/plain|hi",
		"INVITE|Content-Type: application/sdp|v=0\r\n",
		"INVITE||",
		"INVITE|Content-Type: multipart/mixed;boundary=x|--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x--",
		"REFER|Refer-To: <sip:c@192.0.2.2?Replaces=a%3Bto-tag%3Db>|",
		"NOTIFY|Event: refer\r\nSubscription-State: terminated;reason=x\r\nContent-Type: message/sipfrag|SIP/2.0 200 OK",
	} {
		p := strings.SplitN(x, "|", 3)
		more := ""
		if p[1] != "" {
			more = p[1] + "\r\n"
		}
		list = append(list, p[0]+" sip:user@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKa;rport\r\nFrom: \"A \\\"b\" <sip:x@y>;tag=them\r\n"+
			"To: <sip:user@x>;tag=us\r\nCall-ID: call\r\nCSeq: 1 "+p[0]+"\r\nContact: <sip:n@192.0.2.2:5070;transport=tcp>;isfocus\r\nReason: SIP;cause=1;text=\"x\"\r\n"+
			"Record-Route: <sip:192.0.2.2;lr>, <sip:a>\r\n"+more+"Content-Length: "+itoa(len(p[2]))+"\r\n\r\n"+p[2])
	}
	return list
}

// FuzzDatagram has an endpoint take a datagram from a stranger. It must not panic, and what it answers must be
// messages.
func FuzzDatagram(f *testing.F) {
	for _, b := range torture(f) {
		f.Add(b, byte(0))
	}
	for _, s := range inCallSeeds() {
		f.Add([]byte(s), byte(1))
		f.Add([]byte(strings.ReplaceAll(s, ";tag=us", "")), byte(0))
	}
	f.Add([]byte(strings.Replace(inCallSeeds()[10], "\r\nTo", "\r\nReferred-By: <sip:a>\nEvil: 1\r\nTo", 1)), byte(1))
	f.Add([]byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:x>;tag=a\r\nTo: <sip:y>;tag=b\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n"), byte(2))
	f.Fuzz(func(t *testing.T, b []byte, call byte) {
		e := newFuzzed(t)
		if call&1 != 0 {
			e.inCall(call&2 != 0)
		}
		before := task.Panics()
		from := netip.MustParseAddrPort(theirs + ":5060")
		e.datagram(b, e.u, from)
		e.datagram(b, e.u, from) // again, as UDP does
		e.do("the end", func() {
			for _, a := range e.tokens {
				a.end(true)
			}
		})
		e.Close()
		if n := task.Panics(); n != before {
			t.Fatal("panic")
		}
		p := newParser(1 << 20)
		for _, s := range e.sent {
			if _, err := parseDatagram(p, s); err != nil && !bytes.Contains(s, []byte("SIP/2.0 400 ")) {
				t.Fatalf("sent %q: %v", s, err)
			}
			if head, _, _ := bytes.Cut(s, []byte("\r\n\r\n")); bytes.Count(head, []byte("\n")) != bytes.Count(head, []byte("\r\n")) {
				t.Fatalf("sent %q, with lines in lines", s)
			}
		}
	})
}

// FuzzResponse has the answers to REGISTER, INVITE and SUBSCRIBE be anything.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		"SIP/2.0 200 OK\r\nContact: <sip:a@b>;expires=3\r\nExpires: 60\r\nService-Route: <sip:x;lr>\r\n\r\n",
		"SIP/2.0 401 No\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"b\", qop=\"auth-int\", algorithm=MD5-sess, opaque=\"\\\"\"\r\n\r\n",
		"SIP/2.0 407 No\r\nProxy-Authenticate: Digest realm=\"192.0.2.2\", nonce=\"b\", algorithm=SHA-256\r\n\r\n",
		"SIP/2.0 423 No\r\nMin-Expires: 99999\r\n\r\n",
		"SIP/2.0 183 Hm\r\nContact: <sip:a@b>;isfocus\r\nRecord-Route: <sip:1;lr>,<sip:2>\r\nContent-Type: application/sdp\r\n\r\nv=0",
		"SIP/2.0 302 There\r\nContact: <sip:a@b>, sip:c\r\nReason: SIP;cause=2;text=\"a\"\r\n\r\n",
	} {
		for method := range byte(3) {
			f.Add([]byte(s), method)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, method byte) {
		e := newFuzzed(t)
		before := task.Panics()
		var a *Account
		e.do("an account", func() {
			for _, x := range e.tokens {
				a = x
			}
		})
		switch method % 3 {
		case 0:
			_ = a.Register(AccountConfig{Identity: "sip:user@" + theirs, Register: true, Credentials: Credentials{Secret: "s"}})
		case 1:
			_, _ = a.Call(CallConfig{URI: "sip:x@" + theirs, SDP: sdpText})
		case 2:
			_, _ = a.Subscribe(SubscribeConfig{Event: "x", To: "sip:x@" + theirs})
		}
		line, rest, _ := bytes.Cut(b, []byte("\r\n"))
		for range 3 {
			var m []byte
			e.do("a response", func() {
				for _, c := range e.clients {
					if c.req.method == "BYE" || c.req.method == "CANCEL" {
						continue
					}
					h := c.req.headers
					m = slices.Concat(line, []byte("\r\nVia: "+c.via+"\r\nFrom: "+h.Get("From")+"\r\nTo: "+h.Get("To")+";tag=them\r\nCall-ID: "+
						h.Get("Call-ID")+"\r\nCSeq: "+h.Get("CSeq")+"\r\n"), rest)
				}
			})
			e.datagram(m, e.u, netip.MustParseAddrPort(theirs+":5060"))
		}
		e.Close()
		if n := task.Panics(); n != before {
			t.Fatal("panic")
		}
	})
}

// FuzzStream reads a stream in pieces: what is read depends on the bytes alone, not on how they come.
func FuzzStream(f *testing.F) {
	for i, b := range torture(f) {
		f.Add(slices.Concat([]byte("\r\n\r\n"), b, []byte("\r\n"), b), uint16(i+1))
	}
	for i, s := range inCallSeeds() {
		f.Add([]byte(s+s), uint16(i+1))
	}
	f.Fuzz(func(t *testing.T, b []byte, size uint16) {
		whole, part := readStream(b, len(b)+1), readStream(b, int(size%512)+1)
		if whole != part {
			t.Fatalf("at once %q, in pieces of %d %q", whole, size%512+1, part)
		}
	})
}

func readStream(b []byte, size int) string {
	var out strings.Builder
	s := &stream{p: newParser(4096)}
	for part := range slices.Chunk(b, size) {
		s.buf = append(s.buf, part...)
		for {
			m, err := s.next()
			if m == nil && err != nil {
				return out.String() + "end"
			}
			if m == nil {
				break
			}
			out.Write(m.bytes(""))
		}
	}
	return out.String()
}

// A stream of pings has no end.
func TestPings(t *testing.T) {
	s := &stream{p: newParser(1000)}
	for range 10000 {
		s.buf = append(s.buf, "\r\n\r\n"...)
		if m, err := s.next(); m != nil || err != nil {
			t.Fatal(m, err)
		}
	}
	if s.pings != 10000 {
		t.Error(s.pings)
	}
}
