package ice

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParseCandidate(t *testing.T) {
	for _, tc := range []struct{ in, out string }{
		{"candidate:1 1 udp 2015363327 10.0.0.2 20000 typ host", ""},
		{"a=candidate:1 1 UDP 2015363327 10.0.0.2 20000 typ host", "1 1 udp 2015363327 10.0.0.2 20000 typ host"},
		{"1 1 udp 2015363327 10.0.0.2 20000 typ host", ""},
		{" candidate:1 1 udp 1 10.0.0.2 2 typ host\r\n", "1 1 udp 1 10.0.0.2 2 typ host"},
		{"candidate:842163049 1 udp 1677729535 198.51.100.7 46154 typ srflx raddr 192.168.1.2 rport 46154 generation 0 ufrag EEtu network-id 3 network-cost 10",
			"842163049 1 udp 1677729535 198.51.100.7 46154 typ srflx raddr 192.168.1.2 rport 46154"},
		{"candidate:1 1 tcp 1518280447 192.168.1.2 9 typ host tcptype active generation 0 ufrag x network-id 1",
			"1 1 tcp 1518280447 192.168.1.2 9 typ host tcptype active"},
		{"candidate:0 1 UDP 2122252543 c2f2b4d1-6d22-4ec7-94f4-b1ee6a1e1c25.local 55555 typ host",
			"0 1 udp 2122252543 c2f2b4d1-6d22-4ec7-94f4-b1ee6a1e1c25.local 55555 typ host"},
		{"candidate:1 2 udp 1 2001:db8::1 65535 typ prflx raddr :: rport 9", "1 2 udp 1 2001:db8::1 65535 typ prflx raddr :: rport 9"},
		{"candidate:1 1 udp 4294967295 ::ffff:10.0.0.1 0 typ relay", "1 1 udp 4294967295 10.0.0.1 0 typ relay"},
		{"candidate:a+/9 256 udp 0 10.0.0.1 1 typ HOST odd", "a+/9 256 udp 0 10.0.0.1 1 typ host"},
		{"candidate:1 1 udp 1 10.0.0.1 1 typ srflx raddr nonsense.local rport 5", "1 1 udp 1 10.0.0.1 1 typ srflx"},
		{"candidate:1 1 tls 1 10.0.0.1 1 typ relay", "1 1 tls 1 10.0.0.1 1 typ relay"},
	} {
		c, err := ParseCandidate(tc.in)
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		want := tc.out
		if want == "" {
			want = strings.TrimPrefix(tc.in, "candidate:")
		}
		if got := c.String(); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.in, got, want)
		}
		again, err := ParseCandidate("candidate:" + c.String())
		if err != nil || again != c {
			t.Errorf("%s: again %+v, %v", tc.in, again, err)
		}
	}
	for _, s := range []string{
		"", "candidate:", "end-of-candidates", "candidate:1 1 udp 1 10.0.0.1 1 typ",
		"candidate:1 1 udp 1 10.0.0.1 1 type host", "candidate:1 1 udp 1 10.0.0.1 1 typ hosts",
		"candidate:1 0 udp 1 10.0.0.1 1 typ host", "candidate:1 257 udp 1 10.0.0.1 1 typ host",
		"candidate:1 1 udp -1 10.0.0.1 1 typ host", "candidate:1 1 udp 4294967296 10.0.0.1 1 typ host",
		"candidate:1 1 udp 1 10.0.0 1 typ host", "candidate:1 1 udp 1 10.0.0.1 65536 typ host",
		"candidate:1 1 udp 1 example.com 1 typ host", "candidate:1 1 udp 1 .local 1 typ host",
		"candidate:1 1 udp 1 x\x00.local 1 typ host", "candidate:1 1 u\"p 1 10.0.0.1 1 typ host",
		"candidate:\x01 1 udp 1 10.0.0.1 1 typ host", "candidate:" + strings.Repeat("1", 33) + " 1 udp 1 10.0.0.1 1 typ host",
		"candidate:1 1 udp 1 10.0.0.1 1 typ host" + strings.Repeat(" x y", 300),
	} {
		if c, err := ParseCandidate(s); err != ErrCandidate {
			t.Errorf("%q: %+v, %v", s, c, err)
		}
	}
}

func TestCandidateName(t *testing.T) {
	c, err := ParseCandidate("candidate:0 1 udp 1 ABC-1.local 5555 typ host")
	if err != nil || c.Name != "abc-1.local" || c.Port != 5555 || c.Addr.IsValid() {
		t.Errorf("%+v, %v", c, err)
	}
}

func FuzzParseCandidate(f *testing.F) {
	f.Add("candidate:842163049 1 udp 1677729535 198.51.100.7 46154 typ srflx raddr 192.168.1.2 rport 46154 generation 0")
	f.Add("a=candidate:0 1 TCP 1 x.local 9 typ host tcptype so")
	f.Add("1 1 udp 1 fe80::1%eth0 9 typ host")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCandidate(s)
		if err != nil {
			return
		}
		again, err := ParseCandidate(c.String())
		if err != nil {
			t.Fatalf("%q: %v", c.String(), err)
		}
		c.Addr = netip.AddrPortFrom(c.Addr.Addr().WithZone(""), c.Addr.Port())
		c.Related = netip.AddrPortFrom(c.Related.Addr().WithZone(""), c.Related.Port())
		if again != c {
			t.Fatalf("%+v becomes %+v", c, again)
		}
	})
}

func TestNewCredentials(t *testing.T) {
	seen := map[Credentials]bool{}
	var n byte
	for range 100 {
		c := NewCredentials(func(b []byte) {
			for i := range b {
				n += 37
				b[i] = n
			}
			b[0] = byte(len(seen))
		})
		if len(c.Ufrag) < 4 || len(c.Pwd) < 22 || strings.Trim(c.Ufrag+c.Pwd, iceChars) != "" {
			t.Errorf("%+v", c)
		}
		seen[c] = true
	}
	if len(seen) < 64 {
		t.Errorf("%d different of 100", len(seen))
	}
}

func TestHostPolicy(t *testing.T) {
	addr := func(name, ip string) HostAddr {
		return HostAddr{Interface: name, Addr: netip.MustParseAddr(ip)}
	}
	lo := HostAddr{Interface: "lo", Addr: netip.MustParseAddr("127.0.0.1"), Loopback: true}
	all := []HostAddr{lo, addr("eth0", "10.0.0.2"), addr("eth0", "2001:db8::2"), addr("eth0", "fe80::2"),
		addr("eth1", "192.168.0.2"), addr("vmnet1", "172.16.0.1")}
	ips := func(s ...string) (out []netip.Addr) {
		for _, x := range s {
			out = append(out, netip.MustParseAddr(x))
		}
		return out
	}
	for _, tc := range []struct {
		name  string
		p     HostPolicy
		addrs []HostAddr
		want  string // printed<base
	}{
		{"plain", HostPolicy{}, all, "10.0.0.2<10.0.0.2 192.168.0.2<192.168.0.2 172.16.0.1<172.16.0.1"},
		{"ipv6", HostPolicy{IPv6: true, Ignore: []string{"eth1", "vmnet"}}, all, "10.0.0.2<10.0.0.2 2001:db8::2<2001:db8::2"},
		{"link-local", HostPolicy{IPv6: true, LinkLocal: true, Ignore: []string{"eth1", "vmnet"}}, all,
			"10.0.0.2<10.0.0.2 2001:db8::2<2001:db8::2 fe80::2<fe80::2"},
		{"link-local needs ipv6", HostPolicy{LinkLocal: true, Ignore: []string{"e", "vmnet"}}, all[:4], "127.0.0.1<127.0.0.1"},
		{"ignore by address", HostPolicy{Ignore: []string{"192.168.", " 172"}}, all, "10.0.0.2<10.0.0.2"},
		{"enforce interface", HostPolicy{Enforce: []string{"eth1"}}, all, "192.168.0.2<192.168.0.2"},
		{"enforce address", HostPolicy{Enforce: []string{"10."}}, all, "10.0.0.2<10.0.0.2"},
		{"enforce beats ignored name", HostPolicy{Enforce: []string{"eth"}, Ignore: []string{"eth1"}}, all,
			"10.0.0.2<10.0.0.2 192.168.0.2<192.168.0.2"},
		{"enforce and ignored address", HostPolicy{Enforce: []string{"eth"}, Ignore: []string{"192."}}, all, "10.0.0.2<10.0.0.2"},
		{"enforce a whole address", HostPolicy{Enforce: []string{"10.0.0.2"}}, append(all[:2:2], addr("eth0", "10.0.0.20")), "10.0.0.2<10.0.0.2"},
		{"ignore a whole address", HostPolicy{Ignore: []string{"10.0.0.2"}}, append(all[:2:2], addr("eth0", "10.0.0.20")), "10.0.0.20<10.0.0.20"},
		{"enforce in other words", HostPolicy{IPv6: true, Enforce: []string{"2001:DB8:0::2"}}, all, "2001:db8::2<2001:db8::2"},
		{"enforce IPv6", HostPolicy{IPv6: true, Enforce: []string{"2001:db8::"}}, all, "2001:db8::2<2001:db8::2"},
		{"enforce loopback", HostPolicy{Enforce: []string{"lo"}}, all, "127.0.0.1<127.0.0.1"},
		{"enforce nothing there", HostPolicy{Enforce: []string{"wlan"}}, all, ""},
		{"only loopback", HostPolicy{}, all[:1], "127.0.0.1<127.0.0.1"},
		{"loopback ignored", HostPolicy{Ignore: []string{"lo"}}, all[:1], ""},
		{"empty entries", HostPolicy{Enforce: []string{""}, Ignore: []string{"", " "}}, all[:2], "10.0.0.2<10.0.0.2"},
		{"nat", HostPolicy{PublicIPs: ips("198.51.100.1")}, all[:2], "198.51.100.1<10.0.0.2"},
		{"nat kept", HostPolicy{PublicIPs: ips("198.51.100.1"), KeepPrivate: true}, all[:2],
			"198.51.100.1<10.0.0.2 10.0.0.2<10.0.0.2"},
		{"nat, two public", HostPolicy{PublicIPs: ips("198.51.100.1", "198.51.100.2")}, all[:2],
			"198.51.100.1<10.0.0.2 198.51.100.2<10.0.0.2"},
		{"nat of the other family", HostPolicy{IPv6: true, PublicIPs: ips("198.51.100.1")}, all[:3],
			"198.51.100.1<10.0.0.2 2001:db8::2<2001:db8::2"},
		{"nat, two hosts", HostPolicy{PublicIPs: ips("198.51.100.1"), KeepPrivate: true}, all[:5],
			"198.51.100.1<10.0.0.2 10.0.0.2<10.0.0.2 192.168.0.2<192.168.0.2"},
		{"doubles", HostPolicy{}, []HostAddr{all[1], all[1], addr("eth9", "::ffff:10.0.0.2")}, "10.0.0.2<10.0.0.2"},
		{"none", HostPolicy{}, nil, ""},
	} {
		cs := tc.p.Candidates(tc.addrs, 5000)
		var got []string
		foundations := map[string]netip.Addr{}
		prio := uint32(1<<32 - 1)
		for _, c := range cs {
			got = append(got, c.Addr.Addr().String()+"<"+c.Base.String())
			if b, ok := foundations[c.Foundation]; ok && b != c.Base {
				t.Errorf("%s: two bases have foundation %s", tc.name, c.Foundation)
			}
			foundations[c.Foundation] = c.Base
			if c.Priority >= prio || c.Priority>>24 != 126 || c.Priority&0xFF != 255 || c.Type != Host ||
				c.Addr.Port() != 5000 || c.Component != 1 || c.Transport != "udp" {
				t.Errorf("%s: %+v", tc.name, c)
			}
			prio = c.Priority
		}
		if s := strings.Join(got, " "); s != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.name, s, tc.want)
		}
	}
}

func TestCandidateUfrag(t *testing.T) {
	for text, want := range map[string]string{
		"candidate:1 1 udp 1 192.0.2.1 5 typ host generation 0 ufrag EEtu network-id 3": "EEtu",
		"1 1 udp 1 192.0.2.1 5 typ srflx raddr 10.0.0.1 rport 1 UFRAG a/+b":             "a/+b",
		"1 1 udp 1 192.0.2.1 5 typ host generation ufrag x y":                           "",
		"1 1 udp 1 192.0.2.1 5 typ host ufrag":                                          "",
		"":                                                                              "",
	} {
		if got := CandidateUfrag(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
