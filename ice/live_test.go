package ice

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"bifrons/rtp/mono"
)

// connected returns a connected pair, the client controlling.
func connected(t *testing.T, server, client Config) (v *vnet, s, c *node) {
	t.Helper()
	v = newNet(t)
	client.Controlling = true
	s, c = pairOf(v, server, client)
	signal(v, s, c)
	signal(v, c, s)
	bothUp(v, s, c)
	v.run(time.Second, nil)
	s.events, c.events = nil, nil
	return v, s, c
}

// TestIdle: a remote that only answers and keeps alive is not lost.
func TestIdle(t *testing.T) {
	for bits := range 8 {
		cfg := Config{Lite: bits&1 != 0, ConsentFreshness: bits&2 != 0, KeepaliveConncheck: bits&4 != 0}
		t.Run(fmt.Sprintf("%03b", bits), func(t *testing.T) {
			v, s, c := connected(t, cfg, Config{})
			v.run(5*time.Minute, nil)
			if len(s.events) != 0 || len(c.events) != 0 {
				t.Errorf("events %v %v", s.events, c.events)
			}
			if !cfg.Lite && s.agent.RTT() != 2*v.delay {
				t.Errorf("RTT %v", s.agent.RTT())
			}
		})
	}
}

// TestSilence: a dead network means Disconnected, then Failed; it recovers
// from both.
func TestSilence(t *testing.T) {
	for bits := range 4 {
		cfg := Config{Lite: bits&1 != 0, ConsentFreshness: bits&2 != 0}
		for _, dead := range []time.Duration{12 * time.Second, 50 * time.Second} {
			t.Run(fmt.Sprintf("%02b/%v", bits, dead), func(t *testing.T) {
				v, s, c := connected(t, cfg, Config{})
				s.everySec, c.everySec = v.now+1, v.now+1
				v.run(5*time.Second, nil)
				v.loss = 1
				began := v.now
				if !v.run(20*time.Second, func() bool { return s.agent.State() == Disconnected }) {
					t.Fatalf("state %v", s.agent.State())
				}
				if d := v.now.Sub(began); d < 3*time.Second || d > 10*time.Second {
					t.Errorf("disconnected after %v", d)
				}
				v.run(began.Add(dead).Sub(v.now), nil)
				want := []State{Disconnected}
				if dead > 40*time.Second {
					want = append(want, Failed)
					// Silence ends consent as well.
					if c := s.agent.Snapshot().Cause; c != Silence && (c != ConsentExpired || !cfg.ConsentFreshness || cfg.Lite) {
						t.Errorf("failed by %v", c)
					}
					if _, ok := s.agent.Selected(); ok {
						t.Error("a failed agent has a path")
					}
				}
				if !slices.Equal(s.states(), want) {
					t.Fatalf("states %v, want %v", s.states(), want)
				}
				v.loss = 0
				if dead > 40*time.Second {
					// Both gave up; the client begins again.
					c.agent.trigger(v.now, c.agent.pairs[0])
					for _, q := range c.agent.pairs {
						c.agent.trigger(v.now, q)
					}
				}
				bothUp(v, s, c)
				v.run(time.Minute, nil)
				if !up(s) || !up(c) || s.media == 0 {
					t.Errorf("states %v %v", s.states(), c.states())
				}
			})
		}
	}
}

// TestConsent: media arrives, but no answers: consent is lost after 30 s, and
// nothing is sent any more. Without consent freshness the media keeps it alive.
func TestConsent(t *testing.T) {
	for _, consent := range []bool{false, true} {
		v, s, c := connected(t, Config{ConsentFreshness: consent}, Config{})
		s.everySec, c.everySec = v.now+1, v.now+1
		last := v.now
		sent := 0
		v.tap = func(from, to netip.AddrPort, b []byte) bool {
			if from == s.addrs[0] || from == s.addrs[1] {
				last = v.now
				if IsSTUN(b) {
					sent++
				}
			}
			return !IsSTUN(b)
		}
		began := v.now
		v.run(2*time.Minute, nil)
		switch {
		case !consent && !up(s):
			t.Errorf("state %v", s.agent.State())
		case consent && s.agent.State() != Failed:
			t.Errorf("state %v without consent", s.agent.State())
		case consent:
			if c := s.agent.Snapshot().Cause; c != ConsentExpired {
				t.Errorf("failed by %v", c)
			}
			if d := last.Sub(began); d < 20*time.Second || d > 31*time.Second {
				t.Errorf("sent until %v", d)
			}
			if sent < 5 || sent > 12 {
				t.Errorf("%d checks in 30 s", sent)
			}
		}
	}
}

// TestConsentRegained: a check of the remote on the old path, and our own,
// bring it back.
func TestConsentRegained(t *testing.T) {
	s := newScript(t, Config{ConsentFreshness: true})
	s.begin()
	s.advance(40 * time.Second)
	if s.a.State() != Failed || s.a.Valid(testPath) {
		t.Fatal(s.a.State())
	}
	s.a.Received(s.now, testPath)
	s.check(0, testPath, false)
	if s.a.State() != Failed {
		t.Error("recovered without consent")
	}
	s.advance(time.Second, testPath)
	s.want(testPath, "regained")
	if c := s.a.Snapshot().Cause; c != NoCause {
		t.Errorf("recovered, and failed by %v", c)
	}
}

func TestConsentInterval(t *testing.T) {
	for _, fill := range []byte{0, 255} {
		a := NewAgent(Config{Rand: func(b []byte) {
			for i := range b {
				b[i] = fill
			}
		}})
		d := a.consentInterval()
		if fill == 0 && d != 4*time.Second || fill == 255 && (d < 5999*time.Millisecond || d > 6*time.Second) {
			t.Errorf("%d: %v", fill, d)
		}
	}
}

// TestKeepalive: indications every 15 s when nothing is sent; none when media
// is; requests if so wanted.
func TestKeepalive(t *testing.T) {
	for _, tc := range []struct {
		name                  string
		cfg                   Config
		media                 bool
		indications, requests [2]int // least and most in two minutes
	}{
		{"idle", Config{}, false, [2]int{7, 8}, [2]int{0, 0}},
		{"idle lite", Config{Lite: true}, false, [2]int{7, 8}, [2]int{0, 0}},
		{"media", Config{}, true, [2]int{0, 0}, [2]int{0, 0}},
		{"conncheck", Config{KeepaliveConncheck: true}, false, [2]int{0, 0}, [2]int{20, 30}},
		{"consent", Config{ConsentFreshness: true}, true, [2]int{0, 0}, [2]int{20, 30}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, s, c := connected(t, tc.cfg, Config{})
			if tc.media {
				s.everySec = v.now + 1
			}
			// The client's traffic, as by RTCP.
			p, _ := s.agent.Selected()
			var indications, requests int
			v.tap = func(from, to netip.AddrPort, b []byte) bool {
				if from != s.addrs[0] && from != s.addrs[1] {
					return b[0] == 1 // its answers only
				}
				switch b[0]<<4 | b[1]>>4 {
				case 0:
					requests++
				case 1:
					indications++
				}
				return true
			}
			for range 120 {
				v.run(time.Second, nil)
				s.agent.Received(v.now, p)
			}
			if indications < tc.indications[0] || indications > tc.indications[1] ||
				requests < tc.requests[0] || requests > tc.requests[1] {
				t.Errorf("%d indications, %d requests", indications, requests)
			}
			_ = c
		})
	}
}

// TestCheckingFails: without an answer, and without anything to check.
func TestCheckingFails(t *testing.T) {
	for _, tc := range []struct {
		name        string
		candidates  int
		end         bool
		least, most time.Duration
		cause       Cause
	}{
		{"unreachable, all known", 3, true, 5 * time.Second, 15 * time.Second, NoPair},
		{"unreachable, more may come", 3, false, 29 * time.Second, 31 * time.Second, CheckingLimit},
		{"none", 0, true, 29 * time.Second, 31 * time.Second, CheckingLimit},
	} {
		for _, lite := range []bool{false, true} {
			if lite && tc.end && tc.candidates > 0 {
				continue // nothing that could fail early
			}
			t.Run(fmt.Sprint(tc.name, lite), func(t *testing.T) {
				v := newNet(t)
				s := v.add("server", Config{Lite: lite}, "10.0.0.1:5000")
				began := v.now
				s.agent.SetRemote(v.now, Credentials{"abcd", "0123456789012345678901"}, false)
				for i := range tc.candidates {
					s.agent.AddRemote(v.now, host(fmt.Sprintf("10.0.1.%d:1000", i+1)))
				}
				if tc.end {
					s.agent.EndOfRemote(v.now)
				}
				v.run(time.Minute, func() bool { return s.agent.State() == Failed })
				if d := v.now.Sub(began); d < tc.least || d > tc.most {
					t.Errorf("failed after %v", d)
				}
				if c := s.agent.Snapshot().Cause; c != tc.cause {
					t.Errorf("failed by %v", c)
				}
				if d := s.agent.Deadline(); d != mono.Never && tc.end {
					t.Errorf("deadline %v", d)
				}
			})
		}
	}
}

// TestLateRecovery: the remote's checks arrive after we gave up.
func TestLateRecovery(t *testing.T) {
	for _, lite := range []bool{false, true} {
		for _, trickled := range []bool{false, true} {
			v := newNet(t)
			s := v.add("server", Config{Lite: lite}, "10.0.0.1:5000")
			c := v.add("client", Config{Controlling: true}, "10.0.0.2:6000")
			s.agent.SetRemote(v.now, c.agent.gen.local, false)
			v.run(time.Minute, nil)
			if s.agent.State() != Failed {
				t.Fatal(s.agent.State())
			}
			if trickled {
				trickle(v, c, s)
				if s.agent.State() != Checking {
					t.Errorf("state %v after a candidate", s.agent.State())
				}
			}
			signal(v, s, c)
			bothUp(v, s, c)
		}
	}
}

// TestSparePath: the selected path dies, another one works.
func TestSparePath(t *testing.T) {
	for bits := range 4 {
		t.Run(fmt.Sprintf("%02b", bits), func(t *testing.T) {
			v := newNet(t)
			s := v.add("server", Config{Controlling: bits&1 == 0, RegularNomination: bits&2 != 0}, "10.0.0.1:5000")
			c := v.add("client", Config{Controlling: bits&1 != 0, RegularNomination: bits&2 != 0}, "10.0.0.2:6000", "10.1.0.2:6000")
			signal(v, s, c)
			signal(v, c, s)
			bothUp(v, s, c)
			v.run(5*time.Second, nil)
			if n := len(s.agent.pairs); n != 2 {
				t.Fatalf("%d pairs", n)
			}
			for _, n := range v.nodes {
				for _, q := range n.agent.pairs {
					if !q.valid { // as if it had been checked before the other
						n.agent.trigger(v.now, q)
					}
				}
			}
			v.run(3*time.Second, nil)
			p, _ := s.agent.Selected()
			v.tap = func(from, to netip.AddrPort, b []byte) bool { return from != p.Remote && to != p.Remote }
			if !v.run(25*time.Second, func() bool {
				q, ok := s.agent.Selected()
				return ok && q != p && agreed(v, s, c)
			}) {
				t.Fatalf("not moved: %v %v", s.agent.State(), c.agent.State())
			}
		})
	}
}
