package whip

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"bifrons/api/transport"
)

func TestRates(t *testing.T) {
	r := newRates(1)
	at := time.Unix(1000, 0)
	a, b := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	for i, want := range []bool{true, true, false} {
		if r.allow(a, at) != want {
			t.Errorf("request %d", i)
		}
	}
	if !r.allow(b, at) || !r.allow(a, at.Add(time.Second)) || r.allow(a, at.Add(time.Second)) {
		t.Error("a second later, or somebody else")
	}
	for i := range maxLimiters + 10 {
		r.allow(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32), at)
	}
	if n := len(r.limiters); n > maxLimiters {
		t.Errorf("%d networks", n)
	}
}

// TestAddress: proxies that are trusted tell of the client, who can write anything before.
func TestAddress(t *testing.T) {
	s := &Server{cfg: Config{Trusted: []string{"198.51.100.1"}}}
	s.trusted = transport.NewACL(s.cfg.Trusted, false)
	for _, tt := range []struct {
		remote string
		said   []string
		want   string
	}{
		{"192.0.2.1:1", nil, "192.0.2.1/32"},
		{"192.0.2.1:1", []string{"192.0.2.9"}, "192.0.2.1/32"},
		{"127.0.0.1:1", nil, "invalid Prefix"},
		{"127.0.0.1:1", []string{"192.0.2.9, 192.0.2.8"}, "192.0.2.8/32"},
		{"127.0.0.1:1", []string{"192.0.2.9", "192.0.2.8"}, "192.0.2.8/32"},
		{"[::1]:1", []string{"192.0.2.9, 192.0.2.8, 198.51.100.1"}, "192.0.2.8/32"},
		{"198.51.100.1:1", []string{"192.0.2.8:4711"}, "192.0.2.8/32"},
		{"198.51.100.1:1", []string{"[2001:db8:1:2:3::4]:4711"}, "2001:db8:1:2::/64"},
		{"127.0.0.1:1", []string{"192.0.2.9, anything"}, "invalid Prefix"},
		{"127.0.0.1:1", []string{"192.0.2.9,"}, "192.0.2.9/32"},
		{"[2001:db8:1:2:3::4]:1", nil, "2001:db8:1:2::/64"},
		{"[::ffff:192.0.2.1]:1", nil, "192.0.2.1/32"},
		{"@", []string{"192.0.2.1"}, "192.0.2.1/32"},
	} {
		r := &http.Request{RemoteAddr: tt.remote, Header: http.Header{"X-Forwarded-For": tt.said}}
		if got := network(s.address(r)).String(); got != tt.want {
			t.Errorf("%s %q: %s, want %s", tt.remote, tt.said, got, tt.want)
		}
	}
}
