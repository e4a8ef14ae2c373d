package ua

import (
	"net/netip"
	"slices"
	"strings"
)

// asking is a request with as many transactions as challenges need.
type asking struct {
	a     *Account
	req   *message // without Route and answers to challenges
	r     route
	seq   func() uint32 // the next number
	got   func(*message)
	tx    *clientTx
	tries int
	tried []challenge // that were answered

	canceled bool // nothing more is sent
	done     bool // it is not pending any more
}

// An account has so many requests without a final response when it is asked for another one, and looks up so many
// names for these.
const (
	maxPending        = 64
	maxAccountLookups = 8
)

// authentication is an account's state with servers that ask for digests.
type authentication struct {
	realms []string     // that may be answered
	homes  []netip.Addr // of the registrar and proxy
	known  []nonce      // latest challenges, to be answered in advance
	other  *Credentials // that a call brought along
	at     []netip.Addr // whom those are for
}

type nonce struct {
	challenge
	count uint32
}

func (n *authentication) reset(a *Account) {
	*n = authentication{realms: []string{strings.ToLower(strings.Trim(hostOf(a.cfg.Identity), "[]"))}}
	for _, uri := range []string{a.cfg.Proxy, a.cfg.OutboundProxy} {
		if uri != "" {
			n.realms = append(n.realms, strings.ToLower(strings.Trim(hostOf(uri), "[]")))
		}
	}
}

func hostOf(uri string) string {
	u, _ := parseURI(uri)
	return u.Host
}

// ask sends a request and answers challenges to it. got gets all responses but for these; never before ask has
// returned. seq gives the numbers of further requests.
func (a *Account) ask(req *message, r route, seq func() uint32, got func(*message)) *asking {
	k := &asking{a: a, req: req, r: r, seq: seq}
	a.pending++
	k.got = func(m *message) {
		if m.code >= 200 {
			k.finish()
		}
		got(m)
	}
	if r.hops != nil {
		k.attempt()
		return k
	}
	own := a.own()
	unknown := func() {
		m := (&clientTx{req: req}).made(503)
		a.e.after(0, func() { k.got(m) })
	}
	if own.lookups >= maxAccountLookups {
		unknown()
		return k
	}
	own.lookups++
	a.e.resolve(r.next, r.proto, func(hops []hop) {
		own.lookups--
		k.r.hops = hops
		if k.canceled {
			k.finish()
			return
		}
		if len(hops) == 0 {
			unknown()
			return
		}
		n := &a.own().auth
		if ip := hops[0].addr.Addr(); k.r.home {
			if !slices.Contains(n.homes, ip) {
				n.homes = keep(append(n.homes, ip), 8)
			}
		} else {
			k.r.home = slices.Contains(n.homes, ip)
		}
		if k.req.method == "INVITE" && a.auth.other != nil && len(a.auth.at) == 0 {
			a.auth.at = []netip.Addr{hops[0].addr.Addr()}
		}
		k.attempt()
	})
	return k
}

// finish counts the request as answered.
func (k *asking) finish() {
	if !k.done {
		k.done = true
		k.a.pending--
	}
}

// keep is the end of a list.
func keep[T any](list []T, n int) []T { return list[max(0, len(list)-n):] }

// attempt sends the request as it is now.
func (k *asking) attempt() {
	m := *k.req
	m.headers = slices.Clone(k.req.headers)
	for _, r := range k.r.routes {
		m.add("Route", r)
	}
	for _, n := range k.answers() {
		n.count++
		m.add(n.header(), n.answer(k.credentials(), m.method, m.uri, m.body, n.count, random(16)))
	}
	k.tx = k.a.e.start(&m, slices.Clone(k.r.hops), k.a, k.response)
}

// answers are the challenges that are to be answered, one for each realm. A proxy takes the
// answer to its own out of the request (RFC 3261, 22.3). One for the registrar would go on to
// whoever is called, who could guess the secret by it: others than REGISTER have it only when
// they were asked.
func (k *asking) answers() (list []*nonce) {
	n := k.store()
	for i := range n.known {
		c := n.known[i].challenge
		if (c.proxy || k.req.method == "REGISTER" || slices.Contains(k.tried, c)) && k.may(c) {
			list = append(list, &n.known[i])
		}
	}
	return list
}

// store is where nonces are kept: with the credentials that they belong to.
func (k *asking) store() *authentication {
	if k.other() {
		return &k.a.auth
	}
	return &k.a.own().auth
}

// other reports whether the credentials are those that a call brought along.
func (k *asking) other() bool {
	n := &k.a.auth
	return n.other != nil && len(k.r.hops) > 0 && (k.r.home || slices.Contains(n.at, k.r.hops[0].addr.Addr()))
}

func (k *asking) credentials() Credentials {
	if k.other() {
		return *k.a.auth.other
	}
	return k.a.own().cfg.Credentials
}

// may reports whether a challenge is one that we answer.
func (k *asking) may(c challenge) bool {
	cred := k.credentials()
	switch {
	case cred.empty() || !c.usable(cred):
		return false
	case k.other():
		return true
	case !k.r.home:
		return false
	}
	realms := k.a.own().auth.realms
	return k.req.method == "REGISTER" || slices.Contains(realms, strings.ToLower(c.realm)) || k.first()
}

// first reports whether no realm is known as nothing was ever registered.
func (k *asking) first() bool {
	own := k.a.own()
	return !own.cfg.Register && len(own.auth.known) == 0
}

// response takes a response, and answers a challenge.
func (k *asking) response(m *message) {
	if m.code != 401 && m.code != 407 || m.local || k.canceled || k.tries >= 3 || !k.learn(m) {
		k.got(m)
		return
	}
	k.tries++
	k.req.seq = k.seq()
	k.req.set("CSeq", itoa(int(k.req.seq))+" "+k.req.method)
	k.r.hops = []hop{k.tx.hop}
	k.attempt()
}

// learn keeps challenges that can be answered; false if there is none.
func (k *asking) learn(m *message) bool {
	found := false
	for _, c := range parseChallenges(m) {
		if !k.may(c) || slices.ContainsFunc(k.tried, func(t challenge) bool {
			return t.realm == c.realm && t.proxy == c.proxy && (!c.stale || t.nonce == c.nonce)
		}) {
			continue
		}
		n := k.store()
		if realm := strings.ToLower(c.realm); !slices.Contains(n.realms, realm) {
			n.realms = keep(append(n.realms, realm), 8)
		}
		n.known = slices.DeleteFunc(n.known, func(x nonce) bool { return x.realm == c.realm && x.proxy == c.proxy })
		n.known = keep(append(n.known, nonce{challenge: c}), 4)
		k.tried = append(k.tried, c)
		found = true
		break // the strongest
	}
	return found
}
