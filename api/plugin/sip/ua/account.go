package ua

import (
	"net/netip"
	"strings"
	"time"

	"bifrons/api/task"
)

// AccountConfig sets up an Account.
type AccountConfig struct {
	Identity      string // URI, sip:user@host: From, and where we register
	DisplayName   string
	Credentials   Credentials // User defaults to that of Identity
	Register      bool        // send REGISTER; otherwise the account can be used at once
	TTL           time.Duration
	Proxy         string    // URI of the registrar; "" = host of Identity
	OutboundProxy string    // URI of the first hop of everything that belongs to no dialog
	Transport     Transport // where a URI does not say
	UserAgent     string
	Headers       Headers // of REGISTER
	ContactParams Headers // parameters of the URI in Contact
	RFC2543Cancel bool    // CANCEL does not wait for a provisional response
}

// RegState is the state of an account at its registrar, in this order.
type RegState int

// The states of a registration.
const (
	RegDisabled RegState = iota // REGISTER is never sent
	RegFailed
	RegUnregistered
	RegRegistering
	RegRegistered
	RegUnregistering
)

// Account is a user agent. Its methods may be called from any goroutine.
type Account struct {
	e       *Endpoint
	h       Handler
	queue   *task.Serial
	token   string // user of the Contact
	master  *Account
	helpers []*Account

	cfg     AccountConfig
	user    string // of the identity
	host    string // of the identity, with port
	closed  bool
	call    *Call
	reg     registration
	auth    authentication
	subs    map[subKey]*subscription
	refers  map[int]*Transfer
	lastID  int
	pending int  // requests without a final response
	lookups int  // of names, for these
	mute    bool // the handler hears nothing more
}

// maxQueued is how many events that somebody else can cause wait for a handler.
const maxQueued = 256

// Account makes an account, and begins to register it if that is wanted.
func (e *Endpoint) Account(cfg AccountConfig, h Handler) (a *Account, err error) {
	err = e.try("an account", func() error {
		n := e.newAccount(h)
		if err := n.configure(cfg); err != nil {
			return err
		}
		a = n
		e.tokens[a.token] = a
		a.setUser()
		a.reg.begin(a)
		return nil
	})
	return a, err
}

func (e *Endpoint) newAccount(h Handler) *Account {
	return &Account{e: e, h: h, token: random(12), queue: task.NewSerial(maxQueued, &e.tasks, e.log),
		subs: map[subKey]*subscription{}, refers: map[int]*Transfer{}}
}

// Helper makes an account that shares the identity and registration of this one, for one more call at a time.
func (a *Account) Helper(h Handler) (helper *Account, err error) {
	err = a.e.try("a helper", func() error {
		switch {
		case a.closed:
			return ErrClosed
		case a.master != nil:
			return ErrState
		}
		helper = a.e.newAccount(h)
		helper.master = a
		a.helpers = append(a.helpers, helper)
		a.e.tokens[helper.token] = helper
		return nil
	})
	return helper, err
}

// configure checks and takes over settings.
func (a *Account) configure(cfg AccountConfig) error {
	u, err := parseURI(cfg.Identity)
	if err != nil || u.Scheme != "sip" || u.User == "" {
		return ErrAddress
	}
	for _, uri := range []string{cfg.Proxy, cfg.OutboundProxy} {
		if uri == "" {
			continue
		}
		if _, err := parseURI(uri); err != nil {
			return ErrAddress
		}
	}
	if cfg.Headers, err = extra(cfg.Headers); err != nil {
		return err
	}
	for _, p := range cfg.ContactParams {
		if !isToken(p.Name) || p.Value != "" && strings.ContainsAny(p.Value, " \t\r\n\";<>?,") {
			return ErrAddress
		}
	}
	if cfg.Credentials.User == "" {
		cfg.Credentials.User = u.User
	}
	if cfg.TTL <= 0 {
		cfg.TTL = time.Hour
	}
	a.cfg, a.user, a.host = cfg, u.User, hostPort(u.Host, u.Port)
	a.auth.reset(a)
	return nil
}

func hostPort(host string, port int) string {
	if port == 0 {
		return strings.ToLower(host)
	}
	return strings.ToLower(host) + ":" + itoa(port)
}

// setUser lets calls to the user of the identity find the account.
func (a *Account) setUser() { a.e.users[a.user] = append(a.e.users[a.user], a) }

func (a *Account) dropUser() {
	list := a.e.users[a.user][:0:0]
	for _, x := range a.e.users[a.user] {
		if x != a {
			list = append(list, x)
		}
	}
	if len(list) > 0 {
		a.e.users[a.user] = list
	} else {
		delete(a.e.users, a.user)
	}
}

// own is the account whose settings are used.
func (a *Account) own() *Account {
	if a.master != nil {
		return a.master
	}
	return a
}

// Close unregisters, ends the call, and forgets the account; helpers are detached. The handler still gets
// the events that are queued, and nothing after them.
func (a *Account) Close() {
	a.e.do("the end of an account", func() { a.end(true) })
}

// end is Close. If there is nothing left to send with, nobody is told goodbye.
func (a *Account) end(goodbye bool) {
	if a.closed {
		return
	}
	a.closed = true
	delete(a.e.tokens, a.token)
	if m := a.master; m != nil {
		list := m.helpers[:0:0]
		for _, x := range m.helpers {
			if x != a {
				list = append(list, x)
			}
		}
		m.helpers = list
	} else {
		a.dropUser()
		a.reg.leave(a, goodbye)
	}
	if a.call != nil {
		a.call.quit(goodbye)
	}
	for _, s := range a.subs {
		s.drop()
	}
	for _, t := range a.refers {
		t.leave(goodbye)
	}
	for _, h := range a.helpers {
		h.emit(Handler.Detached)
		h.end(goodbye)
	}
	a.mute = true
}

// emit gives the handler an event that must not get lost.
func (a *Account) emit(f func(Handler)) {
	if !a.mute {
		a.queue.Must(func() { f(a.h) })
	}
}

// offer gives the handler an event that others can cause as often as they like; false if too much is waiting.
func (a *Account) offer(f func(Handler)) bool {
	return a.mute || a.queue.Do(func() { f(a.h) })
}

// trace shows a message to the handler. a may be nil.
func (a *Account) trace(out bool, b []byte) {
	if a == nil || a.closed || a.e.cfg.Traces == nil || !a.e.cfg.Traces() {
		return
	}
	text := strings.ToValidUTF8(string(b), "\uFFFD")
	a.offer(func(h Handler) { h.Trace(out, text) })
}

// contact is our Contact for a flow (RFC 3261, 8.1.1.8).
func (a *Account) contact(proto string, self netip.AddrPort) string {
	own := a.own()
	if a.e.cfg.BehindNAT && own.reg.seen.IsValid() && proto == own.reg.seenBy {
		self = own.reg.seen
	}
	uri := "sip:" + a.token + "@" + self.String()
	if proto != "UDP" {
		uri += ";transport=" + strings.ToLower(proto)
	}
	for _, p := range own.cfg.ContactParams {
		uri += ";" + p.Name
		if p.Value != "" {
			uri += "=" + p.Value
		}
	}
	return "<" + uri + ">"
}

// State is the state of the account at its registrar. A helper has that of its master.
func (a *Account) State() (s RegState) {
	a.e.do("a state", func() { s = a.own().reg.state })
	return s
}

// User is the user of the identity.
func (a *Account) User() (user string) {
	a.e.do("a user", func() { user = a.own().user })
	return user
}

// Busy reports whether there is a call.
func (a *Account) Busy() (busy bool) {
	a.e.do("a state", func() { busy = a.call != nil })
	return busy
}

// ready reports whether the account can send: it is registered, or need not be.
func (a *Account) ready() bool {
	s := a.own().reg.state
	return !a.closed && (s == RegRegistered || s == RegDisabled)
}

// outside is the route of a request outside dialogs.
func (a *Account) outside(target string) route {
	own := a.own()
	if own.cfg.OutboundProxy != "" {
		return own.via(target, own.cfg.OutboundProxy)
	}
	if len(own.reg.service) > 0 { // RFC 3608
		r := routed(target, own.reg.service, own.cfg.Transport)
		r.home = true
		return r
	}
	u, err := parseURI(target)
	if err == nil && hostPort(u.Host, u.Port) == own.host {
		if own.cfg.Proxy != "" {
			return own.via(target, own.cfg.Proxy)
		}
		return route{uri: target, next: target, proto: own.cfg.Transport, home: true}
	}
	if err == nil && own.cfg.Proxy != "" {
		if p, err := parseURI(own.cfg.Proxy); err == nil && hostPort(u.Host, u.Port) == hostPort(p.Host, p.Port) {
			return own.via(target, own.cfg.Proxy)
		}
	}
	return route{uri: target, next: target, proto: own.cfg.Transport}
}

// via is a route by a configured proxy, which gets a Route field if it says lr.
func (a *Account) via(target, proxy string) route {
	r := route{uri: target, next: proxy, proto: a.cfg.Transport, home: true}
	if u, err := parseURI(proxy); err == nil {
		if _, loose := uriParam(u, "lr"); loose {
			r.routes = []string{"<" + proxy + ">"}
		}
	}
	return r
}

// request makes a request of this account.
func (a *Account) request(method, uri, from, to, callID string, seq uint32) *message {
	m := &message{method: method, uri: uri, callID: callID, seq: seq}
	m.add("Max-Forwards", "70")
	m.add("From", from)
	m.add("To", to)
	m.add("Call-ID", callID)
	m.add("CSeq", itoa(int(seq))+" "+method)
	a.identify(m)
	return m
}

const allowed = "INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, MESSAGE, INFO, NOTIFY"

// identify adds our name and capabilities.
func (a *Account) identify(m *message) {
	if agent := a.agent(); agent != "" {
		m.add("User-Agent", agent)
	}
	m.add("Allow", allowed)
	m.add("Supported", "replaces")
}

func (a *Account) agent() string {
	agent := a.own().cfg.UserAgent
	if agent == "" {
		agent = a.e.cfg.UserAgent
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, agent)
}

// from is our From with a tag.
func (a *Account) from(tag string) string {
	return nameAddr(a.own().cfg.DisplayName, a.own().cfg.Identity) + ";tag=" + tag
}
