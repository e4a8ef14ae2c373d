package ice

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestValidEarly(t *testing.T) {
	a, _ := agentUnderTest(Config{})
	a.Handle(start, testPath, goodRequest(1).bytes())
	other := Path{Local: testPath.Local, Remote: netip.MustParseAddrPort("10.0.0.2:6001")}
	if !a.Valid(testPath) || a.Valid(other) || a.State() != New {
		t.Error("early check")
	}
	mapped := Path{Local: netip.MustParseAddr("::ffff:10.0.0.1"), Remote: netip.MustParseAddrPort("[::ffff:10.0.0.2]:6000")}
	if !a.Valid(mapped) {
		t.Error("mapped addresses are not unmapped")
	}
	a.SetRemote(start, testRemote, false)
	answerChecks(a, start)
	if p, ok := a.Selected(); !ok || p != testPath {
		t.Errorf("selected %v", p)
	}
}

// TestLocalAddressUnknown: the socket does not tell what address datagrams came
// to, or it is one that was not announced.
func TestLocalAddressUnknown(t *testing.T) {
	for _, tc := range []struct{ local, want string }{
		{"", "10.0.0.1"},
		{"10.0.0.77", "10.0.0.77"},
	} {
		for _, lite := range []bool{false, true} {
			a, _ := agentUnderTest(Config{Lite: lite})
			a.SetRemote(start, testRemote, false)
			p := testPath
			p.Local = netip.Addr{}
			if tc.local != "" {
				p.Local = netip.MustParseAddr(tc.local)
			}
			a.Handle(start, p, goodRequest(1).bytes())
			if !lite {
				answerChecks(a, start)
			}
			got, ok := a.Selected()
			if !ok || got.Local.String() != tc.want || !a.Valid(p) {
				t.Errorf("%q, lite %v: selected %v", tc.local, lite, got)
			}
		}
	}
	// No local candidates at all.
	a := NewAgent(Config{Lite: true, Local: testLocal})
	a.SetRemote(start, testRemote, false)
	a.Handle(start, testPath, goodRequest(1).bytes())
	if got, ok := a.Selected(); !ok || got != testPath {
		t.Errorf("selected %v", got)
	}
}

func TestLinkLocal(t *testing.T) {
	a, out := agentUnderTest(Config{})
	a.AddLocal(host("[fe80::1%eth0]:5000"))
	a.AddLocal(host("[2001:db8::1]:5000"))
	a.SetRemote(start, testRemote, false)
	a.AddRemote(start, host("[fe80::2]:6000"))
	for range 5 {
		a.Advance(a.Deadline())
	}
	if len(a.pairs) != 1 || len(*out) == 0 || (*out)[0].path.Remote.String() != "[fe80::2%eth0]:6000" ||
		(*out)[0].path.Local.String() != "fe80::1%eth0" {
		t.Errorf("%d pairs, sent %v", len(a.pairs), *out)
	}
}

// TestBestCandidatesStay: beyond the limit, better pairs replace worse ones.
func TestBestCandidatesStay(t *testing.T) {
	a, _ := agentUnderTest(Config{})
	for i := range 5 {
		a.AddLocal(host(fmt.Sprintf("10.9.0.%d:5000", i+1)))
	}
	a.SetRemote(start, testRemote, false)
	for i := range 50 {
		c := host(fmt.Sprintf("10.0.1.%d:1", i+1))
		c.Priority = uint32(1000 + (i*7)%50)
		a.AddRemote(start, c)
	}
	if len(a.pairs) != maxPairs {
		t.Fatalf("%d pairs", len(a.pairs))
	}
	for _, q := range a.pairs {
		if q.remote.Priority < 1030 {
			t.Errorf("a pair of priority %d stayed", q.remote.Priority)
		}
	}
}

// TestSharedMapping: two pairs of one base that the remote sees at one address
// share the learned candidate.
func TestSharedMapping(t *testing.T) {
	v := newNet(t)
	s := v.add("server", Config{}, "192.0.2.1:5000", "192.0.2.2:5000")
	c := v.add("client", Config{Controlling: true, RegularNomination: true}, "10.0.0.2:6000")
	c.nat = v.addNAT("198.51.100.1")
	signal(v, c, s)
	signal(v, s, c)
	bothUp(v, s, c)
	v.run(5*time.Second, nil)
	if len(c.agent.locals) != 2 {
		t.Errorf("locals %v", c.agent.locals)
	}
	for _, q := range c.agent.pairs {
		if q.valid && q.local.Type != PeerReflexive {
			t.Errorf("pair with %v", q.local)
		}
	}
}

// TestLateLocal: a candidate of ours that is gathered late is checked.
func TestLateLocal(t *testing.T) {
	for bits := range 4 {
		v := newNet(t)
		s := v.add("server", Config{Lite: bits&1 != 0}, "10.0.0.1:5000")
		c := v.add("client", Config{Lite: bits&2 != 0, Controlling: true}, "10.0.0.2:6000")
		late := s.agent.locals
		s.agent.locals = nil
		signal(v, s, c)
		signal(v, c, s)
		v.run(time.Second, nil)
		s.agent.AddLocal(*late[0])
		trickle(v, s, c)
		bothUp(v, s, c)
	}
}

// TestConsentLostInRestart: the old path dies while new credentials are on
// their way, which then connect.
func TestConsentLostInRestart(t *testing.T) {
	v, s, c := connected(t, Config{ConsentFreshness: true}, Config{ConsentFreshness: true})
	s.agent.Restart(v.now, NewCredentials(s.agent.cfg.Rand))
	v.loss = 1
	v.run(time.Minute, nil)
	if _, ok := s.agent.Selected(); ok || s.agent.State() != Failed || len(s.agent.pairs) != 0 {
		t.Errorf("state %v", s.agent.State())
	}
	v.loss = 0
	c.agent.Restart(v.now, NewCredentials(c.agent.cfg.Rand))
	signal(v, s, c)
	signal(v, c, s)
	bothUp(v, s, c)
}

// TestBecomeControlling: who becomes controlling after pairs are valid
// nominates one of them.
func TestBecomeControlling(t *testing.T) {
	for _, regular := range []bool{false, true} {
		a, out := agentUnderTest(Config{RegularNomination: regular})
		checkOf(t, a, out)
		answerChecks(a, start)
		if _, ok := a.Selected(); ok {
			t.Fatal("selected without nomination")
		}
		r := goodRequest(1)
		r.role, r.tie, r.use = attrControlled, 1, false
		a.Handle(start+1, testPath, r.bytes())
		now := start
		for range 6 {
			now += 1e8
			answerChecks(a, now)
		}
		if p, ok := a.Selected(); !ok || p != testPath || !a.Controlling() {
			t.Errorf("regular %v: selected %v", regular, p)
		}
		var m message
		if !m.parse((*out)[len(*out)-1].b) || !m.controlling || !m.useCandidate {
			t.Errorf("last check %+v", m)
		}
	}
}

// TestNominationLost: regular nomination takes the next pair when the best does
// not answer its second check.
func TestNominationLost(t *testing.T) {
	v := newNet(t)
	s := v.add("server", Config{Controlling: true, RegularNomination: true}, "10.0.0.1:5000")
	c := v.add("client", Config{}, "10.0.0.2:6000", "10.1.0.2:6000")
	signal(v, s, c)
	signal(v, c, s)
	v.tap = func(from, to netip.AddrPort, b []byte) bool {
		var m message
		return !(m.parse(b) && m.useCandidate && to == c.addrs[0])
	}
	v.run(20*time.Second, func() bool { return up(s) })
	p, ok := s.agent.Selected()
	if !ok || p.Remote != c.addrs[1] {
		t.Errorf("selected %v", p)
	}
}

func TestNames(t *testing.T) {
	if New.String() != "new" || Disconnected.String() != "disconnected" || Closed.String() != "closed" || State(99).String() == "" {
		t.Error("state")
	}
	if Host.String() != "host" || ServerReflexive.String() != "srflx" || PeerReflexive.String() != "prflx" || Relayed.String() != "relay" {
		t.Error("type")
	}
}

// TestPriorities: RFC 8445, 5.1.2.1 and 6.1.2.3.
func TestPriorities(t *testing.T) {
	for _, tc := range []struct {
		typ   CandidateType
		local uint16
		want  uint32
	}{
		{Host, 65535, 2130706431},
		{PeerReflexive, 65535, 1862270975},
		{ServerReflexive, 65535, 1694498815},
		{Relayed, 65535, 16777215},
		{Host, 0, 126<<24 + 255},
	} {
		if got := Priority(tc.typ, tc.local); got != tc.want {
			t.Errorf("%v %d: %d", tc.typ, tc.local, got)
		}
	}
	if p := pairPriority(2, 1); p != 1<<32+2*2+1 {
		t.Error(p)
	}
	if p := pairPriority(1, 2); p != 1<<32+2*2 {
		t.Error(p)
	}
}
