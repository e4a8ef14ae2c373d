package ua

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/api/plugin/sip/siptest"
	"bifrons/rtp/waittest"
)

// heard is an event that a handler got.
type heard struct {
	kind string
	call *Call
	what any
}

// ear is a handler that remembers.
type ear struct {
	mu   sync.Mutex
	list []heard
	hook func(heard) // called after it has been noted, without the lock; nil = nothing
}

func (e *ear) note(kind string, c *Call, what any) {
	h := heard{kind, c, what}
	e.mu.Lock()
	e.list = append(e.list, h)
	hook := e.hook
	e.mu.Unlock()
	if hook != nil {
		hook(h)
	}
}

func (e *ear) Registered(x Registered)           { e.note("registered", nil, x) }
func (e *ear) RegistrationFailed(x Failure)      { e.note("registration failed", nil, x) }
func (e *ear) Unregistered(x Failure)            { e.note("unregistered", nil, x) }
func (e *ear) Detached()                         { e.note("detached", nil, nil) }
func (e *ear) Incoming(c *Call, x Invite)        { e.note("incoming", c, x) }
func (e *ear) Missed(x Invite)                   { e.note("missed", nil, x) }
func (e *ear) Provisional(c *Call, x Answer)     { e.note("provisional", c, x) }
func (e *ear) Answered(c *Call, x Answer)        { e.note("answered", c, x) }
func (e *ear) Reinvited(c *Call, x Invite)       { e.note("reinvited", c, x) }
func (e *ear) ReinviteCanceled(c *Call)          { e.note("reinvite canceled", c, nil) }
func (e *ear) ReinviteDisplaced(c *Call)         { e.note("reinvite displaced", c, nil) }
func (e *ear) ReinviteFailed(c *Call, x Failure) { e.note("reinvite failed", c, x) }
func (e *ear) Ended(c *Call, x End)              { e.note("ended", c, x) }
func (e *ear) Info(c *Call, x Content)           { e.note("info", c, x) }
func (e *ear) Message(c *Call, x Content)        { e.note("message", c, x) }
func (e *ear) MessageResult(x Result)            { e.note("message result", nil, x) }
func (e *ear) Notify(x Notification)             { e.note("notify", nil, x) }
func (e *ear) Subscribed(x Subscribed)           { e.note("subscribed", nil, x) }
func (e *ear) Trace(out bool, text string)       { e.note("trace", nil, fmt.Sprint(out, " ", text)) }
func (e *ear) Transfer(c *Call, t *Transfer, r Referral) {
	e.note("transfer", c, transferred{t, r})
}

type transferred struct {
	t *Transfer
	r Referral
}

// kinds are the names of what was heard, but for traces.
func (e *ear) kinds() (list []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.list {
		if h.kind != "trace" {
			list = append(list, h.kind)
		}
	}
	return list
}

// last is the latest event of a kind.
func (e *ear) last(t testing.TB, kind string) heard {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := len(e.list) - 1; i >= 0; i-- {
		if e.list[i].kind == kind {
			return e.list[i]
		}
	}
	var kinds []string
	for _, h := range e.list {
		kinds = append(kinds, h.kind)
	}
	t.Fatalf("no %q, but %q", kind, kinds)
	return heard{}
}

// count is how many events of a kind there were.
func (e *ear) count(kind string) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.list {
		if h.kind == kind {
			n++
		}
	}
	return n
}

func what[T any](t testing.TB, e *ear, kind string) T {
	t.Helper()
	return e.last(t, kind).what.(T)
}

// bench is an endpoint on a wire with a scripted phone at the other end, in virtual time.
type bench struct {
	testing.TB
	w     *wire
	e     *Endpoint
	phone *phone
}

const ours, theirs = "192.0.2.1", "192.0.2.2"

// inBubble runs a test with an endpoint and a phone in virtual time. Nothing may be left at the end but what dies
// by itself.
func inBubble(t *testing.T, cfg Config, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{TB: t, w: newWire()}
		b.e = b.endpoint(cfg, ours)
		b.phone = newPhone(t, b.w, theirs+":5060")
		defer b.phone.close()
		f(b)
		b.quiet(b.e)
	})
}

func (b *bench) endpoint(cfg Config, addr string) *Endpoint {
	b.Helper()
	cfg.Addrs, cfg.Port, cfg.network = []netip.Addr{netip.MustParseAddr(addr)}, 5060, b.w
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	e, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(e.Close)
	return e
}

// quiet closes all accounts and waits until nothing is left.
func (b *bench) quiet(e *Endpoint) {
	b.Helper()
	e.mu.Lock()
	var all []*Account
	for _, a := range e.tokens {
		all = append(all, a)
	}
	e.mu.Unlock()
	for _, a := range all {
		a.Close()
	}
	b.pass(5 * time.Minute)
	e.mu.Lock()
	for _, c := range e.conns {
		c.end(nil)
	}
	e.mu.Unlock()
	s := e.Stats()
	s.Sources, s.Connections = 0, 0
	if s != (Stats{}) {
		b.Errorf("left: %+v", s)
	}
}

// pass has time pass, and what is due until then happen. Timers of no length are due a moment later.
func (b *bench) pass(d time.Duration) { waittest.Pass(max(d, 1)) }

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// account makes an account that does not register.
func (b *bench) account(e *Endpoint, user string) (*Account, *ear) {
	b.Helper()
	h := &ear{}
	a, err := e.Account(AccountConfig{Identity: "sip:" + user + "@" + theirs}, h)
	b.ok(err)
	return a, h
}

// phone is the other side, made by hand.
type phone struct {
	*siptest.Phone
	t   testing.TB
	got chan text
}

type text = siptest.Message

func newPhone(t testing.TB, w *wire, addr string) *phone {
	p := siptest.New(t, w.udpAt(netip.MustParseAddrPort(addr)), addr)
	p.To = netip.MustParseAddrPort(ours + ":5060")
	return &phone{p, t, p.Got}
}

func parseText(raw string, from netip.AddrPort) text { return siptest.Parse(raw, from) }

func (p *phone) close() { p.Close() }

// next is the next message; it must begin so.
func (p *phone) next(start string) text {
	p.t.Helper()
	select {
	case m := <-p.got:
		if !strings.HasPrefix(m.Start, start) {
			p.t.Fatalf("got %q, want %q", m.Raw, start)
		}
		return m
	case <-time.After(sleepless):
		p.t.Fatalf("no %q", start)
		return text{}
	}
}

// none checks that nothing has come.
func (p *phone) none() {
	p.t.Helper()
	synctest.Wait()
	select {
	case m := <-p.got:
		p.t.Fatalf("got %q", m.Raw)
	default:
	}
}

// skip takes what came until a message begins so.
func (p *phone) skip(start string) text {
	p.t.Helper()
	for {
		m := p.next("")
		if strings.HasPrefix(m.Start, start) {
			return m
		}
	}
}

func (p *phone) send(to netip.AddrPort, lines ...string) { p.Send(to, lines...) }

func (p *phone) reply(m text, status string, more ...string) { p.Reply(m, status, more...) }

const sdpText = "v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"

// withSDP are the lines of a description.
func withSDP() []string { return siptest.SDP(sdpText) }

// request sends a request to the endpoint.
func (p *phone) request(method, uri, from, to, callID string, seq int, more ...string) (branch string) {
	branch = "z9hG4bK" + random(10)
	p.requestBy(branch, method, uri, from, to, callID, seq, more...)
	return branch
}

func (p *phone) requestBy(branch, method, uri, from, to, callID string, seq int, more ...string) {
	p.Request(branch, method, uri, from, to, callID, seq, more...)
}

// contactOf is the URI in the Contact of a message.
func contactOf(m text) string { return m.Contact() }
