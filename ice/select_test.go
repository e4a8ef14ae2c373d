package ice

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"bifrons/rtp/mono"
)

// script plays the remote of one agent step by step.
type script struct {
	t   *testing.T
	a   *Agent
	out *[]sent
	now mono.Time
}

func newScript(t *testing.T, cfg Config) *script {
	s := &script{t: t, now: start}
	s.a, s.out = agentUnderTest(cfg)
	s.a.SetRemote(start, testRemote, false)
	return s
}

// check is a check of the remote by p, after d.
func (s *script) check(d time.Duration, p Path, use bool) {
	s.now = s.now.Add(d)
	r := goodRequest(1)
	r.use = use
	if s.a.cfg.Controlling {
		r.role = attrControlled
	}
	if v := s.a.Handle(s.now, p, r.bytes()); v != OK {
		s.t.Fatal(v)
	}
}

// advance runs the agent for d and answers its checks on the given paths, those
// that were left unanswered before as well.
func (s *script) advance(d time.Duration, answered ...Path) {
	for end := s.now.Add(d); ; {
		var left []sent
		for len(*s.out) > 0 {
			o := (*s.out)[0]
			*s.out = (*s.out)[1:]
			var m message
			if m.parse(o.b); m.typ != bindingRequest {
				continue
			}
			if !slices.Contains(answered, o.path) {
				left = append(left, o)
				continue
			}
			s.a.Handle(s.now, o.path, success(m.id, testRemote.Pwd, mappedOn(o.path)))
		}
		*s.out = left
		if s.a.Deadline() > end {
			s.now = end
			return
		}
		s.now = max(s.now, s.a.Deadline())
		s.a.Advance(s.now)
	}
}

// mappedOn is the address that the remote sees the agent at.
func mappedOn(p Path) netip.AddrPort {
	switch p.Link {
	case 0:
		return netip.MustParseAddrPort("10.0.0.1:5000")
	case relayPath.Link:
		return relayedAddr
	}
	return netip.MustParseAddrPort("10.0.0.1:5001")
}

func (s *script) want(p Path, what string) {
	s.t.Helper()
	if got, ok := s.a.Selected(); !ok || got != p {
		s.t.Fatalf("%s: selected %v, want %v", what, got, p)
	}
}

var worsePath = Path{Local: testPath.Local, Remote: netip.MustParseAddrPort("10.0.0.3:6000")}

// begin selects testPath.
func (s *script) begin() {
	s.a.AddRemote(s.now, host(testPath.Remote.String()))
	s.check(0, testPath, true)
	s.advance(100*time.Millisecond, testPath)
	s.want(testPath, "at first")
}

// TestChallenge: a silent path is asked before a worse one takes its place.
func TestChallenge(t *testing.T) {
	for _, alive := range []bool{false, true} {
		s := newScript(t, Config{})
		s.begin()
		s.advance(2200 * time.Millisecond)
		s.check(0, worsePath, true)
		if alive {
			s.advance(2*time.Second, worsePath, testPath)
			s.want(testPath, "idle")
		} else {
			s.advance(100*time.Millisecond, worsePath)
			s.want(testPath, "challenged")
			s.advance(500*time.Millisecond, worsePath)
			s.want(worsePath, "dead")
		}
	}
}

// TestMoveWithoutNomination: checks alone move the path only when it is taken
// for dead.
func TestMoveWithoutNomination(t *testing.T) {
	for _, lite := range []bool{false, true} {
		s := newScript(t, Config{Lite: lite})
		s.begin()
		s.check(3*time.Second, worsePath, false)
		s.advance(time.Second, worsePath)
		s.want(testPath, "silent")
		s.check(6*time.Second, worsePath, false)
		s.advance(time.Second, worsePath)
		s.want(worsePath, "dead")
	}
}

// TestLeave: a path that the remote has given up makes way for a worse one at once, if
// that is nominated, before or after.
func TestLeave(t *testing.T) {
	for _, lite := range []bool{false, true} {
		for _, nominated := range []string{"before", "after", "never"} {
			s := newScript(t, Config{Lite: lite})
			s.begin()
			s.check(100*time.Millisecond, worsePath, nominated == "before")
			s.advance(100*time.Millisecond, worsePath)
			s.want(testPath, "in use")
			s.a.Leave()
			s.check(0, worsePath, nominated == "after")
			s.advance(100*time.Millisecond, worsePath)
			if nominated == "never" {
				s.want(testPath, "not nominated")
			} else {
				s.want(worsePath, "left, nominated "+nominated)
			}
		}
	}
}

// TestNoReturn: what was left needs to be nominated again.
func TestNoReturn(t *testing.T) {
	for _, lite := range []bool{false, true} {
		s := newScript(t, Config{Lite: lite})
		s.begin()
		s.check(4*time.Second, worsePath, true)
		s.advance(time.Second, worsePath)
		s.want(worsePath, "moved")
		s.check(2*time.Second, testPath, false)
		s.advance(time.Second, testPath)
		s.want(worsePath, "checked")
		s.check(0, testPath, true)
		s.advance(time.Second, testPath)
		s.want(testPath, "nominated")
	}
}

// TestDeserted: the remote nominates another pair, and only checks the old one.
// While it nominates or sends media there, the old one stays.
func TestDeserted(t *testing.T) {
	noLocal := Path{Remote: testPath.Remote}
	for _, lite := range []bool{false, true} {
		for kind, still := range map[string]func(s *script){
			"":           func(s *script) { s.check(0, testPath, false) },
			"nominating": func(s *script) { s.check(0, testPath, true) },
			"media":      func(s *script) { s.a.Received(s.now, testPath) },
			"media, no local address": func(s *script) {
				s.a.Received(s.now, noLocal)
			},
		} {
			t.Run(fmt.Sprint(lite, kind), func(t *testing.T) {
				s := newScript(t, Config{Lite: lite})
				s.begin()
				for range 3 {
					s.want(testPath, "not deserted yet")
					still(s)
					s.check(0, worsePath, true)
					s.advance(900*time.Millisecond, testPath, worsePath)
				}
				for range 3 {
					still(s)
					s.check(0, worsePath, true)
					s.advance(900*time.Millisecond, testPath, worsePath)
				}
				if kind == "" {
					s.want(worsePath, "deserted")
				} else {
					s.want(testPath, "in use")
				}
			})
		}
	}
}

// TestHasten: a check of the remote brings our next one forward, in the same
// transaction, but does not let it flood.
func TestHasten(t *testing.T) {
	s := newScript(t, Config{})
	id := checkOf(t, s.a, s.out)
	s.check(100*time.Millisecond, testPath, false)
	*s.out = nil // the answer
	s.a.Advance(s.now)
	var m message
	if len(*s.out) != 1 || !m.parse((*s.out)[0].b) || m.id != id {
		t.Fatalf("sent %v", *s.out)
	}
	n := 0
	for range 100 {
		s.check(2*time.Millisecond, testPath, false)
		*s.out = nil
		if s.a.Deadline() <= s.now {
			s.a.Advance(s.now)
			n += len(*s.out)
		}
	}
	if n < 3 || n > 4 {
		t.Errorf("%d checks in 200 ms", n)
	}
	// The answer to a check sent more than once tells no round-trip time.
	s.a.Handle(s.now, testPath, success(id, testRemote.Pwd, netip.MustParseAddrPort("10.0.0.1:5000")))
	if !s.a.Valid(testPath) || s.a.pairs[0].rtt != 0 {
		t.Errorf("RTT %v", s.a.pairs[0].rtt)
	}
}

// TestSuperseded: once something better is selected, the rest is left alone.
func TestSuperseded(t *testing.T) {
	s := newScript(t, Config{Controlling: true})
	worse := host(worsePath.Remote.String())
	worse.Priority--
	s.a.AddRemote(start, worse)
	s.a.AddRemote(start, host(testPath.Remote.String()))
	worst := host("10.0.0.4:6000")
	worst.Priority -= 2
	s.a.AddRemote(start, worst)
	s.a.Advance(s.now)
	if len(*s.out) != 1 || (*s.out)[0].path != testPath {
		t.Fatalf("the first check is %v", *s.out)
	}
	s.a.Advance(s.a.Deadline())
	if len(*s.out) != 2 || (*s.out)[1].path != worsePath {
		t.Fatalf("the second check is %v", *s.out)
	}
	s.advance(10*time.Millisecond, testPath)
	s.want(testPath, "answered")
	count := 0
	s.a.cfg.Send = func(p Path, b []byte) {
		if p == worsePath {
			count++
		}
	}
	s.advance(10 * time.Second)
	if count != 0 {
		t.Errorf("%d checks of the worse pair", count)
	}
	if s.a.State() != Disconnected && s.a.State() != Completed {
		t.Error(s.a.State())
	}
}

// TestRegularWaits: the nomination waits for a better pair's answer, but not
// for long.
func TestRegularWaits(t *testing.T) {
	for _, late := range []time.Duration{300 * time.Millisecond, time.Second} {
		s := newScript(t, Config{Controlling: true, RegularNomination: true})
		s.a.AddRemote(start, host(testPath.Remote.String()))
		s.check(0, worsePath, false)
		s.advance(late, worsePath)
		s.advance(600*time.Millisecond, worsePath, testPath)
		if late < nominateWait {
			s.want(testPath, "soon")
		} else {
			s.want(worsePath, "late")
		}
	}
}

// TestSmallRequest: an answer that would be longer than its request stays out.
func TestSmallRequest(t *testing.T) {
	b := builder(nil).begin(bindingRequest, &transactionID{1}).bytes(attrUsername, []byte("serv:clnt")).
		integrity(newMACKey(testLocal.Pwd))
	for remote, answers := range map[string]int{"10.0.0.2:6000": 1, "[2001:db8::2]:6000": 0} {
		a, out := agentUnderTest(Config{})
		p := Path{Remote: netip.MustParseAddrPort(remote)}
		if v := a.Handle(start, p, b); v != OK || len(*out) != answers {
			t.Errorf("%s: %v, %d answers", remote, v, len(*out))
		}
	}
}

// TestDisconnectedRate: checks of a dead path become rarer.
func TestDisconnectedRate(t *testing.T) {
	s := newScript(t, Config{})
	s.begin()
	count := 0
	s.a.cfg.Send = func(Path, []byte) { count++ }
	s.advance(40 * time.Second)
	if s.a.State() != Failed || count < 10 || count > 18 {
		t.Errorf("%v after %d checks", s.a.State(), count)
	}
}
