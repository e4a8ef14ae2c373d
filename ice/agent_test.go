package ice

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// pairOf returns a server with two addresses and a client with two.
func pairOf(v *vnet, server, client Config) (s, c *node) {
	s = v.add("server", server, "10.0.0.1:5000", "[2001:db8::1]:5000")
	c = v.add("client", client, "10.0.0.2:6000", "[2001:db8::2]:6000")
	return s, c
}

// TestConnect runs all combinations of role, lite, nomination, order of
// signalling, and network.
func TestConnect(t *testing.T) {
	orders := map[string]func(v *vnet, s, c *node){
		"together": func(v *vnet, s, c *node) {
			signal(v, s, c)
			signal(v, c, s)
		},
		"server late": func(v *vnet, s, c *node) {
			signal(v, s, c)
			v.run(300*time.Millisecond, nil)
			signal(v, c, s)
		},
		"client late": func(v *vnet, s, c *node) {
			signal(v, c, s)
			v.run(300*time.Millisecond, nil)
			signal(v, s, c)
		},
		"candidates first": func(v *vnet, s, c *node) {
			trickle(v, s, c)
			trickle(v, c, s)
			v.run(100*time.Millisecond, nil)
			signal(v, s, c)
			signal(v, c, s)
		},
		"candidates last": func(v *vnet, s, c *node) {
			s.agent.SetRemote(v.now, c.agent.gen.local, c.agent.cfg.Lite)
			c.agent.SetRemote(v.now, s.agent.gen.local, s.agent.cfg.Lite)
			v.run(500*time.Millisecond, nil)
			trickle(v, s, c)
			v.run(500*time.Millisecond, nil)
			trickle(v, c, s)
			s.agent.EndOfRemote(v.now)
			c.agent.EndOfRemote(v.now)
		},
		"only the server's candidates": func(v *vnet, s, c *node) {
			s.agent.SetRemote(v.now, c.agent.gen.local, c.agent.cfg.Lite)
			signal(v, s, c)
		},
	}
	nets := map[string]func(v *vnet){
		"good":   func(v *vnet) {},
		"lossy":  func(v *vnet) { v.loss, v.jitter = 0.2, 60*time.Millisecond },
		"remote": func(v *vnet) { v.delay = 400 * time.Millisecond },
	}
	for bits := range 32 {
		server := Config{Lite: bits&1 != 0, Controlling: bits&4 != 0, RegularNomination: bits&8 != 0}
		client := Config{Lite: bits&2 != 0, Controlling: bits&4 == 0, RegularNomination: bits&16 != 0}
		for order, exchange := range orders {
			if client.Lite && order == "only the server's candidates" {
				continue // nobody would know where to send
			}
			for kind, shape := range nets {
				t.Run(fmt.Sprintf("%05b/%s/%s", bits, order, kind), func(t *testing.T) {
					v := newNet(t)
					shape(v)
					s, c := pairOf(v, server, client)
					exchange(v, s, c)
					bothUp(v, s, c)
					if !server.Lite && !client.Lite && s.agent.Controlling() == c.agent.Controlling() {
						t.Error("both have the same role")
					}
					v.loss = 0
					bothLite := server.Lite && client.Lite
					if bothLite { // nobody checks, so media has to tell
						s.everySec, c.everySec = v.now+1, v.now+1
					}
					v.run(30*time.Second, nil)
					if !agreed(v, s, c) {
						t.Error("paths differ in the end")
					}
					p, _ := s.agent.Selected()
					if !s.agent.Valid(p) || s.agent.Valid(Path{Local: p.Local, Remote: netip.MustParseAddrPort("10.9.9.9:9")}) {
						t.Error("Valid is wrong")
					}
					wantStates(t, s)
					wantStates(t, c)
					if s.agent.State() != Completed || c.agent.State() != Completed {
						t.Errorf("states %v, %v", s.agent.State(), c.agent.State())
					}
					if !server.Lite && s.agent.RTT() < 2*v.delay && s.agent.RTT() != 0 {
						t.Errorf("RTT %v", s.agent.RTT())
					}
				})
			}
		}
	}
}

// wantStates checks that a connection came up in order.
func wantStates(t *testing.T, n *node) {
	t.Helper()
	s := n.states()
	if len(s) < 2 || s[0] != Checking || s[1] != Connected {
		t.Errorf("%s: states %v", n.name, s)
	}
}

func TestBestPairIsSelected(t *testing.T) {
	for _, regular := range []bool{false, true} {
		v := newNet(t)
		s := v.add("server", Config{Controlling: true, RegularNomination: regular}, "10.0.0.1:5000")
		c := v.add("client", Config{}, "10.0.0.2:6000", "10.1.0.2:6000", "10.2.0.2:6000")
		// The best path is the slowest to come up.
		v.tap = func(from, to netip.AddrPort, b []byte) bool {
			return to.Addr() != c.addrs[0].Addr() || v.now.Sub(3600e9) > 40*time.Millisecond
		}
		signal(v, s, c)
		signal(v, c, s)
		v.run(5*time.Second, nil)
		if !agreed(v, s, c) {
			t.Fatal("not connected")
		}
		p, _ := s.agent.Selected()
		if !regular && p.Remote != c.addrs[0] {
			t.Errorf("aggressive: selected %v", p)
		}
		l, r, ok := s.agent.SelectedPair()
		if !ok || l.Type != Host || r.Type != Host || r.Addr != p.Remote {
			t.Errorf("pair %v %v", l, r)
		}
		if n := countEvents(s, SelectedPath); regular && n != 1 {
			t.Errorf("regular nomination selected %d times", n)
		}
	}
}

func countEvents(n *node, k EventKind) (count int) {
	for _, e := range n.events {
		if e.Kind == k {
			count++
		}
	}
	return count
}

func TestRoleConflict(t *testing.T) {
	for _, controlling := range []bool{false, true} {
		for _, ties := range [][2]uint64{{1, 2}, {2, 1}} {
			for _, regular := range []bool{false, true} {
				t.Run(fmt.Sprint(controlling, ties, regular), func(t *testing.T) {
					v := newNet(t)
					s, c := pairOf(v,
						Config{Controlling: controlling, TieBreaker: ties[0], RegularNomination: regular},
						Config{Controlling: controlling, TieBreaker: ties[1], RegularNomination: regular})
					signal(v, s, c)
					signal(v, c, s)
					bothUp(v, s, c)
					v.run(time.Second, nil)
					if s.agent.Controlling() != (ties[0] > ties[1]) || c.agent.Controlling() == s.agent.Controlling() {
						t.Errorf("roles %v %v", s.agent.Controlling(), c.agent.Controlling())
					}
					if !agreed(v, s, c) {
						t.Error("paths differ")
					}
				})
			}
		}
	}
}

// TestLiteRoleConflict: a full agent that believes to be controlled is told
// otherwise.
func TestLiteRoleConflict(t *testing.T) {
	v := newNet(t)
	s, c := pairOf(v, Config{Lite: true, TieBreaker: 2}, Config{TieBreaker: 1})
	c.agent.SetRemote(v.now, s.agent.gen.local, false) // a=ice-lite was overlooked
	trickle(v, s, c)
	signal(v, c, s)
	bothUp(v, s, c)
	if !c.agent.Controlling() {
		t.Error("the full agent is not controlling")
	}
}

// TestEndlessConflict: a remote that never agrees costs a bounded number of
// checks.
func TestEndlessConflict(t *testing.T) {
	v := newNet(t)
	s := v.add("server", Config{Controlling: true}, "10.0.0.1:5000")
	remote := Credentials{"evil", "passwordpasswordpassword"}
	key := newMACKey(remote.Pwd)
	sent := 0
	v.tap = func(from, to netip.AddrPort, b []byte) bool {
		sent++
		var m message
		m.parse(b)
		v.inject(to, from, builder(nil).begin(bindingError, &m.id).
			errorCode(errorRoleConflict).integrity(key).fingerprint())
		return false
	}
	s.agent.SetRemote(v.now, remote, false)
	s.agent.AddRemote(v.now, host("10.0.0.2:6000"))
	s.agent.EndOfRemote(v.now)
	v.run(10*time.Second, nil)
	if sent == 0 || sent > 2*maxConflicts {
		t.Errorf("%d checks", sent)
	}
	if s.agent.State() != Failed {
		t.Errorf("state %v", s.agent.State())
	}
}

func host(addr string) Candidate {
	return Candidate{Foundation: "1", Component: 1, Transport: "udp", Priority: priority(Host, 65535),
		Addr: netip.MustParseAddrPort(addr)}
}

// TestNAT: the client's candidates are of no use; it is learned from its checks.
func TestNAT(t *testing.T) {
	for bits := range 4 {
		v := newNet(t)
		s := v.add("server", Config{Lite: bits&1 != 0, Controlling: bits&2 != 0}, "192.0.2.1:5000")
		c := v.add("client", Config{Controlling: bits&2 == 0}, "10.0.0.2:6000")
		c.nat = v.addNAT("198.51.100.1")
		signal(v, c, s)
		v.run(700*time.Millisecond, nil)
		signal(v, s, c)
		bothUp(v, s, c)
		_, r, _ := s.agent.SelectedPair()
		if r.Type != PeerReflexive {
			t.Errorf("server selected %v", r)
		}
		l, _, _ := c.agent.SelectedPair()
		if l.Type != PeerReflexive || l.Addr != c.public(c.addrs[0].Addr()) {
			t.Errorf("client selected %v", l)
		}
		// Signalled later, the learned candidate gets its right properties.
		srflx := Candidate{Foundation: "7", Component: 1, Transport: "udp", Priority: 77, Addr: r.Addr, Type: ServerReflexive}
		s.agent.AddRemote(v.now, srflx)
		if _, r, _ := s.agent.SelectedPair(); r.Type != ServerReflexive || r.Foundation != "7" {
			t.Errorf("after signalling: %v", r)
		}
	}
}

// TestRebind: in mid-call the client's NAT gets another port.
func TestRebind(t *testing.T) {
	for bits := range 16 {
		server := Config{Lite: bits&1 != 0, Controlling: bits&2 != 0, RegularNomination: bits&4 != 0}
		client := Config{Controlling: bits&2 == 0, RegularNomination: bits&4 != 0, KeepaliveConncheck: bits&8 != 0}
		t.Run(fmt.Sprintf("%04b", bits), func(t *testing.T) {
			v := newNet(t)
			s := v.add("server", server, "192.0.2.1:5000")
			c := v.add("client", client, "10.0.0.2:6000")
			c.nat = v.addNAT("198.51.100.1")
			signal(v, c, s)
			signal(v, s, c)
			bothUp(v, s, c)
			v.run(3*time.Second, nil)
			s.everySec, c.everySec = v.now+1, v.now+1
			v.run(20*time.Second, nil)
			old, _ := s.agent.Selected()
			c.nat.rebind()
			if !v.run(15*time.Second, func() bool {
				p, ok := s.agent.Selected()
				return ok && p.Remote != old.Remote && agreed(v, s, c)
			}) {
				t.Fatal("the server did not follow")
			}
			v.run(2*time.Second, nil)
			c.media, s.media = 0, 0
			v.run(10*time.Second, nil)
			if c.media < 9 || s.media < 9 || !up(s) || !up(c) {
				t.Errorf("media %d %d, states %v %v", c.media, s.media, s.agent.State(), c.agent.State())
			}
		})
	}
}

func TestRestart(t *testing.T) {
	for bits := range 8 {
		t.Run(fmt.Sprintf("%03b", bits), func(t *testing.T) {
			v := newNet(t)
			regular := bits&4 != 0
			s, c := pairOf(v, Config{Lite: bits&1 != 0, RegularNomination: regular, ConsentFreshness: true},
				Config{Controlling: true, RegularNomination: regular, ConsentFreshness: true})
			signal(v, s, c)
			signal(v, c, s)
			bothUp(v, s, c)
			v.run(3*time.Second, nil)
			s.everySec, c.everySec = v.now+1, v.now+1

			first, second := s, c
			if bits&2 != 0 {
				first, second = c, s
			}
			fresh := func(n *node) { n.agent.Restart(v.now, NewCredentials(n.agent.cfg.Rand)) }
			s.events, c.events = nil, nil
			fresh(first)
			// Long signalling: the old path carries on, with consent.
			v.run(50*time.Second, nil)
			if _, ok := first.agent.Selected(); !ok || !up(first) || !up(second) {
				t.Fatalf("old path lost: %v %v", first.agent.State(), second.agent.State())
			}
			fresh(second)
			signal(v, first, second)
			v.run(time.Second, nil)
			signal(v, second, first)
			if !v.run(10*time.Second, func() bool {
				return s.agent.hasSelected() && c.agent.hasSelected()
			}) {
				t.Fatalf("no new path: %v %v", s.agent.State(), c.agent.State())
			}
			v.run(40*time.Second, nil)
			if !agreed(v, s, c) || !up(s) || !up(c) {
				t.Errorf("states %v %v", s.agent.State(), c.agent.State())
			}
			for _, n := range []*node{s, c} {
				for _, q := range n.agent.pairs {
					if q.gen != n.agent.gen {
						t.Errorf("%s: a pair of the old credentials stayed", n.name)
					}
				}
				if countEvents(n, SelectedPath) == 0 || slices.Contains(n.states(), Failed) {
					t.Errorf("%s: events %v", n.name, n.events)
				}
			}
		})
	}
}

// TestRestartMoves: after a restart the better of the old paths is gone.
func TestRestartMoves(t *testing.T) {
	v := newNet(t)
	s := v.add("server", Config{}, "10.0.0.1:5000")
	c := v.add("client", Config{Controlling: true}, "10.0.0.2:6000")
	signal(v, s, c)
	signal(v, c, s)
	bothUp(v, s, c)
	moved := netip.MustParseAddrPort("10.7.0.2:6001")
	c.addrs = []netip.AddrPort{moved}
	c.agent.locals = nil
	c.agent.AddLocal(host(moved.String()))
	c.agent.Restart(v.now, NewCredentials(c.agent.cfg.Rand))
	c.agent.selected, c.agent.pairs = nil, nil // its interface is gone
	s.agent.Restart(v.now, NewCredentials(s.agent.cfg.Rand))
	signal(v, c, s)
	signal(v, s, c)
	if !v.run(time.Second, func() bool { return agreed(v, s, c) }) {
		t.Fatal("not moved")
	}
	if p, _ := s.agent.Selected(); p.Remote != moved {
		t.Errorf("selected %v", p)
	}
}

// TestNewCredentialsWithoutRestart: other remote credentials begin anew.
func TestNewCredentialsWithoutRestart(t *testing.T) {
	v := newNet(t)
	s, c := pairOf(v, Config{}, Config{Controlling: true})
	signal(v, s, c)
	signal(v, c, s)
	bothUp(v, s, c)
	c.agent.Restart(v.now, NewCredentials(c.agent.cfg.Rand))
	signal(v, s, c)
	signal(v, c, s)
	if !v.run(5*time.Second, func() bool { return s.agent.hasSelected() && c.agent.hasSelected() }) {
		t.Fatal("not connected again")
	}
	n := len(s.agent.pairs)
	s.agent.SetRemote(v.now, c.agent.gen.local, false)
	if len(s.agent.pairs) != n || !s.agent.hasSelected() {
		t.Error("the same credentials changed something")
	}
}

func TestClose(t *testing.T) {
	v := newNet(t)
	s, c := pairOf(v, Config{}, Config{Controlling: true})
	signal(v, s, c)
	signal(v, c, s)
	bothUp(v, s, c)
	s.agent.Close()
	v.run(time.Minute, nil)
	if _, ok := s.agent.Selected(); ok || s.agent.State() != Closed || s.agent.Deadline() <= v.now {
		t.Error("not closed")
	}
	if c.agent.State() != Failed {
		t.Errorf("remote: %v", c.agent.State())
	}
}
