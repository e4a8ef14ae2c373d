package whip

import (
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"bifrons/api/transport"
)

// rates bounds the requests of each network: so many a second, and twice as many at once.
type rates struct {
	each float64

	mu       sync.Mutex
	limiters map[netip.Prefix]*rate.Limiter
}

// maxLimiters is how many networks are remembered; idle ones are forgotten first.
const maxLimiters = 20_000

func newRates(each float64) *rates {
	return &rates{each: each, limiters: make(map[netip.Prefix]*rate.Limiter)}
}

// allow takes one request of a network, if it has any left.
func (r *rates) allow(from netip.Prefix, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.limiters[from]
	if l == nil {
		r.makeRoom(now)
		l = rate.NewLimiter(rate.Limit(r.each), max(1, int(2*r.each)))
		r.limiters[from] = l
	}
	return l.AllowN(now, 1)
}

// makeRoom forgets the networks that have all they may have, or else everybody.
func (r *rates) makeRoom(now time.Time) {
	if len(r.limiters) < maxLimiters {
		return
	}
	maps.DeleteFunc(r.limiters, func(_ netip.Prefix, l *rate.Limiter) bool { return l.TokensAt(now) >= float64(l.Burst()) })
	if len(r.limiters) > maxLimiters/2 { // so that this is seldom
		clear(r.limiters)
	}
}

// address is where a client is. Behind proxies that are trusted, as one on the same machine
// is, that is what they say; it is not valid where they say nothing.
func (s *Server) address(r *http.Request) netip.Addr {
	ip, _ := transport.RemoteIP(r)
	said := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for {
		a, err := netip.ParseAddr(ip)
		if a = a.WithZone("").Unmap(); err == nil && !s.proxy(a) {
			return a
		}
		if len(said) == 0 || err != nil && ip != "" {
			return netip.Addr{}
		}
		ip, said = strings.TrimSpace(said[len(said)-1]), said[:len(said)-1]
		if x, err := netip.ParseAddrPort(ip); err == nil { // some proxies add it
			ip = x.Addr().String()
		}
	}
}

// proxy reports whether an address is that of a proxy.
func (s *Server) proxy(a netip.Addr) bool {
	return a.IsLoopback() || len(s.cfg.Trusted) > 0 && s.trusted.Allows(a.String())
}

// network is the unit of limits: an address, or 64 bits of IPv6, which one client has. It is
// not valid where the address is not, and nobody has to keep to limits.
func network(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}
