// Package siptest has telephones for tests: one whose messages are written by hand, which shares nothing with the
// code that it tests, and those of other programs, with a registrar. These run on loopback addresses, with files in
// temporary folders.
package siptest

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"bifrons/rtp/waittest"
)

// Conn is a UDP socket.
type Conn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	Close() error
}

// Message is a message that came.
type Message struct {
	Raw, Start, Body string
	Fields           []string // "Name: value"
	From             netip.AddrPort
}

// Parse reads a message.
func Parse(raw string, from netip.AddrPort) Message {
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	return Message{Raw: raw, Start: lines[0], Body: body, Fields: lines[1:], From: from}
}

// All are the values of all fields with a name.
func (m *Message) All(name string) (list []string) {
	for _, f := range m.Fields {
		if k, v, _ := strings.Cut(f, ":"); strings.EqualFold(k, name) {
			list = append(list, strings.TrimSpace(v))
		}
	}
	return list
}

// Get is the value of the first field with a name, "" if there is none.
func (m *Message) Get(name string) string {
	if list := m.All(name); len(list) > 0 {
		return list[0]
	}
	return ""
}

// Contact is the URI in the Contact.
func (m *Message) Contact() string {
	_, uri, _ := strings.Cut(m.Get("Contact"), "<")
	uri, _, _ = strings.Cut(uri, ">")
	return uri
}

// Phone is one end of SIP by UDP.
type Phone struct {
	T    testing.TB
	Addr string         // its own
	To   netip.AddrPort // where requests go
	Tag  string         // of To in its responses
	Got  chan Message
	conn Conn
	done chan struct{}
}

// New makes a phone of a socket. Close ends it.
func New(t testing.TB, conn Conn, addr string) *Phone {
	p := &Phone{T: t, Addr: addr, Tag: "phonetag", conn: conn, Got: make(chan Message, 1000), done: make(chan struct{})}
	go p.read()
	return p
}

// Listen makes a phone on loopback that ends with the test.
func Listen(t testing.TB) *Phone {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	p := New(t, conn, conn.LocalAddr().String())
	t.Cleanup(p.Close)
	return p
}

// Close closes the socket.
func (p *Phone) Close() {
	_ = p.conn.Close()
	<-p.done
}

func (p *Phone) read() {
	defer close(p.done)
	b := make([]byte, 65536)
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		select {
		case p.Got <- Parse(string(b[:n]), from):
		default: // nobody looks
		}
	}
}

// Next is the next message that begins so; earlier ones are skipped.
func (p *Phone) Next(start string) Message {
	p.T.Helper()
	late := time.NewTimer(waittest.Patience)
	defer late.Stop()
	var seen []string
	for {
		select {
		case m := <-p.Got:
			if strings.HasPrefix(m.Start, start) {
				return m
			}
			seen = append(seen, m.Start)
		case <-late.C:
			p.T.Fatalf("no %q, but %q", start, seen)
		}
	}
}

// Send sends lines.
func (p *Phone) Send(to netip.AddrPort, lines ...string) {
	_, _ = p.conn.WriteToUDPAddrPort([]byte(strings.Join(lines, "\r\n")), to)
}

// Reply answers a request; more are further lines, a body follows an empty one.
func (p *Phone) Reply(m Message, status string, more ...string) {
	to := m.Get("To")
	if !strings.Contains(to, "tag=") && !strings.HasPrefix(status, "100") {
		to += ";tag=" + p.Tag
	}
	lines := []string{"SIP/2.0 " + status}
	for _, v := range m.All("Via") {
		lines = append(lines, "Via: "+v)
	}
	lines = append(lines, "From: "+m.Get("From"), "To: "+to, "Call-ID: "+m.Get("Call-ID"), "CSeq: "+m.Get("CSeq"))
	p.Send(m.From, append(lines, finish(more)...)...)
}

// finish adds a length and the empty line.
func finish(more []string) []string {
	for i, l := range more {
		if l == "" {
			body := strings.Join(more[i+1:], "\r\n")
			return append(append([]string{}, more[:i]...), fmt.Sprintf("Content-Length: %d", len(body)), "", body)
		}
	}
	return append(append([]string{}, more...), "Content-Length: 0", "", "")
}

// Request sends a request with the branch that is given.
func (p *Phone) Request(branch, method, uri, from, to, callID string, seq int, more ...string) {
	lines := []string{method + " " + uri + " SIP/2.0", "Via: SIP/2.0/UDP " + p.Addr + ";rport;branch=" + branch, "Max-Forwards: 70",
		"From: " + from, "To: " + to, "Call-ID: " + callID, fmt.Sprintf("CSeq: %d %s", seq, method)}
	if method == "INVITE" || method == "REFER" || method == "SUBSCRIBE" || method == "NOTIFY" {
		lines = append(lines, "Contact: <sip:phone@"+p.Addr+">")
	}
	p.Send(p.To, append(lines, finish(more)...)...)
}

// SDP are the lines of a message with a description.
func SDP(text string) []string {
	return []string{"Content-Type: application/sdp", "", text}
}
