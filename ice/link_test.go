package ice

import (
	"net/netip"
	"testing"
	"time"
)

var (
	relayedAddr = netip.MustParseAddrPort("203.0.113.5:49152")
	relayPath   = Path{Local: relayedAddr.Addr(), Remote: testPath.Remote, Link: 3}
	tcpPath     = Path{Local: testPath.Local, Remote: netip.MustParseAddrPort("10.0.0.2:50123"), Link: 5}
)

func relayCandidate() Candidate {
	return Candidate{Foundation: "r", Component: 1, Transport: "udp", Priority: priority(Relayed, 0),
		Addr: relayedAddr, Type: Relayed, Link: relayPath.Link}
}

// linked is a script whose agent has a host, a passive and a relayed candidate.
func linked(t *testing.T, cfg Config) *script {
	s := newScript(t, cfg)
	for _, c := range PassiveCandidates([]Candidate{host("10.0.0.1:5000")}, 5001) {
		s.a.AddLocal(c)
	}
	if !cfg.Lite {
		s.a.AddLocal(relayCandidate())
	}
	return s
}

func TestPassiveCandidates(t *testing.T) {
	hosts := HostPolicy{PublicIPs: []netip.Addr{netip.MustParseAddr("198.51.100.1")}, KeepPrivate: true}.
		Candidates([]HostAddr{{Interface: "eth0", Addr: netip.MustParseAddr("10.0.0.1")}}, 5000)
	list := PassiveCandidates(hosts, 5001)
	want := []string{
		"t1 1 tcp 1520435199 198.51.100.1 5001 typ host tcptype passive",
		"t1 1 tcp 1520434943 10.0.0.1 5001 typ host tcptype passive",
	}
	if len(list) != len(want) {
		t.Fatalf("candidates %v", list)
	}
	for i, c := range list {
		if c.String() != want[i] {
			t.Errorf("candidate %q, want %q", c, want[i])
		}
		back, err := ParseCandidate(c.String())
		if err != nil || back.TCPType != "passive" || back.Addr != c.Addr {
			t.Errorf("%v comes back as %v, %v", c, back, err)
		}
		if c.Priority >= hosts[0].Priority || c.Priority <= priority(Relayed, 65535) || c.Base != hosts[i].Base {
			t.Errorf("%v beside %v", c, hosts[i])
		}
	}
}

// TestTCPPath: a passive candidate waits for the remote's connection.
func TestTCPPath(t *testing.T) {
	for _, lite := range []bool{false, true} {
		s := linked(t, Config{Lite: lite})
		active := Candidate{Foundation: "1", Component: 1, Transport: "tcp", Priority: 1,
			Addr: netip.MustParseAddrPort("10.0.0.2:9"), TCPType: "active"}
		s.a.AddRemote(s.now, active)
		s.advance(time.Second)
		for _, o := range *s.out {
			t.Errorf("lite %v: a check to %v", lite, o.path)
		}
		s.check(0, tcpPath, true)
		s.advance(time.Second, tcpPath)
		s.want(tcpPath, "connected")
		local, remote, _ := s.a.SelectedPair()
		if local.Transport != "tcp" || local.TCPType != "passive" || local.Addr.Port() != 5001 ||
			remote.Transport != "tcp" || remote.TCPType != "active" || remote.Type != PeerReflexive {
			t.Errorf("lite %v: selected %v, %v", lite, local, remote)
		}
		if n := len(s.a.Snapshot().Remote); n != 2 {
			t.Errorf("%d remote candidates", n)
		}
		udp := tcpPath
		udp.Link = 0
		if s.a.Valid(udp) {
			t.Error("the same addresses are valid over UDP")
		}
	}
}

// TestUDPBeforeTCP: of two nominated paths that of UDP carries the media.
func TestUDPBeforeTCP(t *testing.T) {
	s := linked(t, Config{})
	s.a.AddRemote(s.now, host(testPath.Remote.String()))
	s.check(0, tcpPath, true)
	s.advance(100*time.Millisecond, tcpPath)
	s.want(tcpPath, "first")
	s.check(0, testPath, true)
	s.advance(100*time.Millisecond, tcpPath, testPath)
	s.want(testPath, "better")
}

func TestRelayedPath(t *testing.T) {
	s := linked(t, Config{Controlling: true})
	s.a.AddRemote(s.now, host(testPath.Remote.String()))
	s.advance(time.Second, relayPath)
	s.want(relayPath, "only the relay gets through")
	local, _, _ := s.a.SelectedPair()
	if local.Type != Relayed || local.Addr != relayedAddr {
		t.Errorf("selected %v", local)
	}
	s.check(0, testPath, false)
	s.advance(time.Second, relayPath, testPath)
	s.want(testPath, "the direct path works")
}

// TestLateRelay: a relay that is found when all checks have failed is tried.
func TestLateRelay(t *testing.T) {
	s := newScript(t, Config{Controlling: true})
	s.a.AddRemote(s.now, host(testPath.Remote.String()))
	s.a.EndOfRemote(s.now)
	s.advance(20 * time.Second)
	if s.a.State() != Failed {
		t.Fatal(s.a.State())
	}
	*s.out = nil
	s.a.AddLocal(relayCandidate())
	s.advance(time.Second, relayPath)
	s.want(relayPath, "found late")
}

func TestTLSRelayOfRemote(t *testing.T) {
	s := newScript(t, Config{Controlling: true})
	c, err := ParseCandidate("1 1 TLS 41819902 10.0.0.2 6000 typ relay raddr 192.0.2.1 rport 5000")
	if err != nil {
		t.Fatal(err)
	}
	s.a.AddRemote(s.now, c)
	s.advance(time.Second, testPath)
	s.want(testPath, "over UDP")
	c.Type, c.Addr = Host, netip.MustParseAddrPort("10.0.0.2:6001")
	s.a.AddRemote(s.now, c)
	if n := len(s.a.Snapshot().Remote); n != 1 {
		t.Errorf("%d remote candidates", n)
	}
}

func TestRelayOnly(t *testing.T) {
	for _, late := range []bool{false, true} {
		s := newScript(t, Config{RelayOnly: !late})
		s.a.AddLocal(relayCandidate())
		if late {
			s.check(0, testPath, true)
			s.advance(100*time.Millisecond, testPath)
			s.want(testPath, "before")
			s.a.ForceRelay(s.now)
		}
		if n := len(s.a.Snapshot().Local); n != 1 {
			t.Errorf("late %v: %d local candidates", late, n)
		}
		*s.out = nil
		s.a.AddRemote(s.now, host("10.0.0.2:6001"))
		for _, p := range []Path{testPath, tcpPath} {
			if v := s.a.Handle(s.now, p, goodRequest(9).bytes()); v != NotRelayed {
				t.Errorf("late %v: a check by %v is %v", late, p, v)
			}
			if s.a.Valid(p) {
				t.Errorf("late %v: %v is valid", late, p)
			}
		}
		s.advance(100 * time.Millisecond)
		for _, o := range *s.out {
			if o.path.Link != relayPath.Link {
				t.Errorf("late %v: sent by %v", late, o.path)
			}
		}
		s.check(0, relayPath, true)
		s.advance(time.Second, relayPath)
		s.want(relayPath, "relayed")
	}
}

// TestLinkDown: what ran over a link goes on by another path.
func TestLinkDown(t *testing.T) {
	again := tcpPath
	again.Remote, again.Link = netip.MustParseAddrPort("10.0.0.2:50124"), 6
	for _, lite := range []bool{false, true} {
		s := linked(t, Config{Lite: lite})
		s.check(0, tcpPath, true)
		s.advance(time.Second, tcpPath)
		s.want(tcpPath, "connected")
		s.a.LinkDown(s.now, tcpPath.Link)
		if p, ok := s.a.Selected(); ok || s.a.State() != Checking || s.a.Valid(tcpPath) {
			t.Errorf("lite %v: %v after the end, path %v", lite, s.a.State(), p)
		}
		s.check(time.Second, again, true)
		s.advance(time.Second, again)
		s.want(again, "connected again")

		// A spare path is taken at once.
		s.check(0, testPath, true)
		s.advance(time.Second, again, testPath)
		s.want(testPath, "better")
		s.check(0, again, true)
		s.advance(0, again)
		s.a.LinkDown(s.now, again.Link)
		s.want(testPath, "the spare one is gone")

		s.a.LinkDown(s.now, 99)
		s.advance(time.Minute)
		if s.a.State() != Failed {
			t.Errorf("lite %v: %v after a minute of silence", lite, s.a.State())
		}
	}
}

func TestLinkDownTakesSpare(t *testing.T) {
	s := linked(t, Config{Controlling: true})
	s.a.AddRemote(s.now, host(testPath.Remote.String()))
	s.advance(time.Second, relayPath)
	s.want(relayPath, "nothing else")
	s.check(0, tcpPath, false)
	s.advance(time.Second, tcpPath, relayPath)
	s.want(tcpPath, "better than a relay")
	s.a.LinkDown(s.now, tcpPath.Link)
	s.want(relayPath, "the relay is left")
	s.a.LinkDown(s.now, relayPath.Link)
	s.advance(10*time.Second, testPath)
	s.want(testPath, "tried again")
}

// TestLastRelayDown: without candidates there is nothing to wait for.
func TestLastRelayDown(t *testing.T) {
	s := newScript(t, Config{RelayOnly: true})
	s.a.AddLocal(relayCandidate())
	s.check(0, relayPath, true)
	s.advance(time.Second, relayPath)
	s.want(relayPath, "relayed")
	s.a.LinkDown(s.now, relayPath.Link)
	if s.a.State() != Failed || s.a.Snapshot().Cause != NoLocal {
		t.Error(s.a.State(), s.a.Snapshot().Cause)
	}
	s.a.AddLocal(relayCandidate())
	s.check(0, relayPath, true)
	s.advance(time.Second, relayPath)
	s.want(relayPath, "a relay again")
}
