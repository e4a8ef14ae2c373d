package ua

import (
	"net/netip"
	"time"
)

// sources counts the activity of each source.
type sources struct {
	limits Limits
	m      map[netip.Addr]*source
	rest   source // those for which there is no room
	swept  time.Time
	held   int // bytes of all transactions
}

// maxSources is how many sources are told apart.
const maxSources = 4096

type source struct {
	tokens  float64
	last    time.Time
	servers int // transactions
	held    int // bytes of these
}

func (s *sources) init(l Limits) {
	s.limits, s.m = l, map[netip.Addr]*source{}
	s.rest.tokens = float64(l.Burst)
}

// sourceOf is the source that an address counts as: an address of IPv4, a network of IPv6.
func sourceOf(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a
	}
	p, _ := a.Prefix(64)
	return p.Addr()
}

// of is the account of a source.
func (s *sources) of(a netip.Addr, now time.Time) *source {
	key := sourceOf(a)
	if x := s.m[key]; x != nil {
		return x
	}
	if len(s.m) >= maxSources {
		s.sweep(now)
	}
	if len(s.m) >= maxSources {
		return &s.rest
	}
	x := &source{tokens: float64(s.limits.Burst), last: now}
	s.m[key] = x
	return x
}

// sweep forgets sources that are as if they had never sent anything, once a second at most.
func (s *sources) sweep(now time.Time) {
	if now.Sub(s.swept) < time.Second {
		return
	}
	s.swept = now
	for key, x := range s.m {
		s.refill(x, now)
		if x.servers == 0 && x.tokens >= float64(s.limits.Burst) {
			delete(s.m, key)
		}
	}
}

func (s *sources) refill(x *source, now time.Time) {
	x.tokens = min(float64(s.limits.Burst), x.tokens+now.Sub(x.last).Seconds()*float64(s.limits.Rate))
	x.last = now
}

// take reports whether a source may send one more request.
func (s *sources) take(a netip.Addr, now time.Time) bool {
	x := s.of(a, now)
	s.refill(x, now)
	if x.tokens < 1 {
		return false
	}
	x.tokens--
	return true
}
