package ua

import (
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// registration keeps an account registered (RFC 3261, 10.2).
type registration struct {
	state   RegState
	callID  string
	tag     string
	seq     uint32
	round   int       // of register and unregister; answers of earlier ones do not count
	expires time.Time // when the registrar forgets us
	ttl     time.Duration
	known   bool     // has been accepted since Register
	service []string // values of Service-Route
	refresh *timer
	alive   *timer
	retry   time.Duration

	seen   netip.AddrPort // address of ours that the registrar saw
	seenBy string         // by that protocol
	flow   flow           // by which we registered
	told   netip.AddrPort // the address in our latest Contact
	moves  int            // registrations in a row that showed another address
}

// begin registers a new account.
func (r *registration) begin(a *Account) {
	if !a.cfg.Register {
		r.state = RegDisabled
		return
	}
	r.callID, r.tag = random(24), random(16)
	r.register(a)
}

// Register registers with new settings, or again with those of before. Without Register in the settings the account
// can be used at once.
func (a *Account) Register(cfg AccountConfig) error {
	return a.e.try("a registration", func() error {
		switch {
		case a.closed:
			return ErrClosed
		case a.master != nil:
			return ErrState
		case a.pending >= maxPending:
			return ErrTooMany
		}
		old := a.cfg
		user := a.user
		if err := a.configure(cfg); err != nil {
			return err
		}
		if a.user != user {
			a.user, user = user, a.user
			a.dropUser()
			a.user = user
			a.setUser()
		}
		r := &a.reg
		r.stop()
		if old.Identity != cfg.Identity || old.Proxy != cfg.Proxy {
			r.callID, r.service = "", nil
		}
		if r.callID == "" {
			r.callID, r.tag = random(24), random(16)
		}
		r.known = false
		if !cfg.Register {
			r.state = RegDisabled
			return nil
		}
		r.state = RegRegistering
		r.register(a)
		return nil
	})
}

// Unregister takes the registration back; Handler.Unregistered follows.
func (a *Account) Unregister() error {
	return a.e.try("a registration", func() error {
		r := &a.reg
		if a.closed || a.master != nil || r.state != RegRegistered && r.state != RegRegistering {
			return ErrState
		}
		r.stop()
		r.state = RegUnregistering
		r.send(a, 0, func(m *message) {
			r.state = RegUnregistered
			f := failure(m)
			a.emit(func(h Handler) { h.Unregistered(f) })
		})
		return nil
	})
}

// failure is the content of a failure response.
func failure(m *message) Failure { return Failure{m.code, m.reason, m.headers} }

func (r *registration) stop() {
	r.refresh.stop()
	r.alive.stop()
	r.round++
}

// leave says goodbye to the registrar; nobody waits for its answer.
func (r *registration) leave(a *Account, goodbye bool) {
	registered := r.state == RegRegistered || r.state == RegRegistering
	r.stop()
	if registered && goodbye {
		r.send(a, 0, func(*message) {})
	}
	r.state = RegUnregistered
}

// later registers again in a while, and not when that was to be before. Two requests may be under way, whose answers
// both come here.
func (r *registration) later(a *Account, wait time.Duration) {
	r.refresh.stop()
	r.refresh = a.e.after(wait, func() { r.register(a) })
}

// register sends REGISTER.
func (r *registration) register(a *Account) {
	if r.state != RegRegistered {
		r.state = RegRegistering
	}
	r.ttl = a.cfg.TTL
	r.send(a, r.ttl, func(m *message) { r.registered(a, m) })
}

func (r *registration) send(a *Account, ttl time.Duration, got func(*message)) {
	registrar := a.cfg.Proxy
	if registrar == "" {
		u, _ := parseURI(a.cfg.Identity)
		u.User, u.Password = "", ""
		registrar = u.String()
	}
	r.seq++
	seconds := int(ttl / time.Second)
	m := a.request("REGISTER", registrar, a.from(r.tag), nameAddr(a.cfg.DisplayName, a.cfg.Identity), r.callID, r.seq)
	m.headers = append(m.headers, a.cfg.Headers...)
	m.add("Expires", itoa(seconds))
	m.contact = func(proto string, self netip.AddrPort) string {
		if r.told = self; a.e.cfg.BehindNAT && r.seenBy == proto && r.seen.IsValid() {
			r.told = r.seen
		}
		return a.contact(proto, self) + ";expires=" + itoa(seconds)
	}
	way := route{uri: registrar, next: registrar, proto: a.cfg.Transport, home: true}
	if a.cfg.OutboundProxy != "" {
		way = a.via(registrar, a.cfg.OutboundProxy)
	}
	round := r.round
	var k *asking
	k = a.ask(m, way, func() uint32 { r.seq++; return r.seq }, func(m *message) {
		if m.code >= 200 && r.round == round {
			r.look(a, m, k)
			got(m)
		}
	})
}

// look reads our address as the registrar sees it (RFC 3581).
func (r *registration) look(a *Account, m *message, k *asking) {
	if m.local || k.tx == nil {
		return
	}
	r.flow = k.tx.flow
	_, rest, _ := strings.Cut(m.via.text, ";")
	p := parseParams(rest)
	self := k.tx.flow.self(k.tx.hop.addr)
	ip, err := netip.ParseAddr(strings.Trim(p.get("received"), "[]"))
	if err != nil {
		ip = self.Addr()
	}
	port, err := strconv.ParseUint(p.get("rport"), 10, 16)
	if err != nil || port == 0 {
		port = uint64(self.Port())
	}
	if k.tx.hop.proto != "UDP" { // the port is that of the connection
		port = uint64(self.Port())
	}
	r.seen, r.seenBy = netip.AddrPortFrom(ip.Unmap(), uint16(port)), k.tx.hop.proto
}

// registered takes the answer to a REGISTER that was to register us.
func (r *registration) registered(a *Account, m *message) {
	switch {
	case m.code < 300:
		r.accepted(a, m)
	case m.code == 423:
		least, err := strconv.Atoi(strings.TrimSpace(m.headers.Get("Min-Expires")))
		if d := time.Duration(least) * time.Second; err == nil && d > r.ttl && least < 1<<31 {
			r.ttl = d
			r.send(a, d, func(m *message) { r.registered(a, m) })
			return
		}
		r.failed(a, m)
	case r.known && (m.code == 408 || m.code >= 500 && m.code < 600) && time.Now().Before(r.expires):
		// The registrar may be back before it forgets us.
		r.retry = min(max(2*r.retry, 2*time.Second), time.Minute)
		r.later(a, min(r.retry, max(time.Until(r.expires), 0)))
	default:
		r.failed(a, m)
	}
}

func (r *registration) accepted(a *Account, m *message) {
	seconds := r.granted(a, m)
	r.expires = time.Now().Add(seconds)
	r.retry = 0
	r.service = keep(m.list("Service-Route"), 8)
	again := r.known
	if a.e.cfg.BehindNAT && r.seen != r.told && r.moves < 3 {
		// The registrar has an address that nobody reaches.
		r.moves++
		r.later(a, 0)
	} else {
		// Before it runs out, and not all accounts at once.
		r.moves = 0
		r.later(a, time.Duration(float64(seconds)*(0.75+0.15*rand.Float64())))
	}
	r.state, r.known = RegRegistered, true
	if r.alive == nil || r.alive.dead {
		r.keepAlive(a)
	}
	ev := Registered{Expires: seconds, Refresh: again, Headers: m.headers}
	a.emit(func(h Handler) { h.Registered(ev) })
}

// granted is for how long the registrar keeps our Contact.
func (r *registration) granted(a *Account, m *message) time.Duration {
	seconds := int(r.ttl / time.Second)
	if n, err := strconv.Atoi(strings.TrimSpace(m.headers.Get("Expires"))); err == nil && n > 0 {
		seconds = n
	}
	for _, v := range m.list("Contact") {
		c, ok := parseAddress(v)
		if !ok {
			continue
		}
		if u, err := parseURI(c.uri); err != nil || u.User != a.token {
			continue
		}
		if n, err := strconv.Atoi(c.params.get("expires")); err == nil && n > 0 {
			seconds = n
		}
	}
	return time.Duration(min(max(seconds, 1), 1<<30)) * time.Second
}

// broken registers again, as the connection is gone by which the registrar may want to reach us (RFC 5626, 4.4.1).
func (r *registration) broken(a *Account) {
	if r.state != RegRegistered {
		return
	}
	r.flow = nil
	r.later(a, time.Second+time.Duration(rand.IntN(4000))*time.Millisecond)
}

func (r *registration) failed(a *Account, m *message) {
	r.stop()
	r.state = RegFailed
	f := failure(m)
	a.emit(func(h Handler) { h.RegistrationFailed(f) })
}

// keepAlive sends OPTIONS to the registrar again and again, which keeps the way through a NAT open.
func (r *registration) keepAlive(a *Account) {
	if a.e.cfg.Keepalive <= 0 {
		return
	}
	r.alive = a.e.after(a.e.cfg.Keepalive, func() {
		u, _ := parseURI(a.cfg.Identity)
		u.User, u.Password = "", ""
		seq := uint32(1)
		m := a.request("OPTIONS", u.String(), a.from(random(16)), "<"+a.cfg.Identity+">", random(24), seq)
		m.contact = a.contact
		a.ask(m, a.outside(u.String()), func() uint32 { seq++; return seq }, func(*message) {})
		r.keepAlive(a)
	})
}
