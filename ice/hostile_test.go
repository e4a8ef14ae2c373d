package ice

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"bifrons/rtp/mono"
)

var (
	testLocal  = Credentials{"serv", "serverpasswordserverpassword"}
	testRemote = Credentials{"clnt", "clientpasswordclientpassword"}
	testPath   = Path{Local: netip.MustParseAddr("10.0.0.1"), Remote: netip.MustParseAddrPort("10.0.0.2:6000")}
	start      = mono.Time(time.Hour)
)

type request struct {
	typ      uint16
	id       byte
	username string
	pwd      string
	use      bool
	role     uint16
	tie      uint64
	extra    []uint16
	noFinger bool
}

func goodRequest(id byte) request {
	return request{typ: bindingRequest, id: id, username: "serv:clnt", pwd: testLocal.Pwd, use: true,
		role: attrControlling, tie: 1}
}

func (r request) bytes() []byte {
	b := builder(nil).begin(r.typ, &transactionID{r.id})
	if r.username != "" {
		b = b.bytes(attrUsername, []byte(r.username))
	}
	b = b.uint32(attrPriority, priority(PeerReflexive, 1))
	if r.role != 0 {
		b = b.uint64(r.role, r.tie)
	}
	if r.use {
		b = b.attr(attrUseCandidate, 0)
	}
	for _, e := range r.extra {
		b = b.bytes(e, []byte("x"))
	}
	if r.pwd != "" {
		b = b.integrity(newMACKey(r.pwd))
	}
	if !r.noFinger {
		b = b.fingerprint()
	}
	return b
}

// sent is what an agent under test has sent.
type sent struct {
	path Path
	b    []byte
}

func agentUnderTest(cfg Config) (*Agent, *[]sent) {
	out := &[]sent{}
	var n byte
	cfg.Local = testLocal
	cfg.TieBreaker = 7
	cfg.Rand = func(b []byte) {
		n++
		b[0] = n
	}
	cfg.Send = func(p Path, b []byte) { *out = append(*out, sent{p, bytes.Clone(b)}) }
	a := NewAgent(cfg)
	a.AddLocal(host("10.0.0.1:5000"))
	return a, out
}

func TestVerdicts(t *testing.T) {
	with := func(f func(*request)) []byte {
		r := goodRequest(1)
		f(&r)
		return r.bytes()
	}
	good := goodRequest(1).bytes()
	broken := func(i int) []byte {
		b := bytes.Clone(good)
		b[i] ^= 1
		return b
	}
	for _, tc := range []struct {
		name    string
		b       []byte
		want    Verdict
		answers int // 0 or the code of the answer, 1 for success
	}{
		{"good", good, OK, 1},
		{"no role", with(func(r *request) { r.role = 0 }), OK, 1},
		{"no fingerprint", with(func(r *request) { r.noFinger = true }), OK, 1},
		{"wrong password", with(func(r *request) { r.pwd = testRemote.Pwd }), BadIntegrity, 0},
		{"no integrity", with(func(r *request) { r.pwd = "" }), BadIntegrity, 0},
		{"no username", with(func(r *request) { r.username = "" }), BadUsername, 0},
		{"other username", with(func(r *request) { r.username = "other:clnt" }), BadUsername, 0},
		{"longer username", with(func(r *request) { r.username = "servx:clnt" }), BadUsername, 0},
		{"no colon", with(func(r *request) { r.username = "serv" }), BadUsername, 0},
		{"unknown attribute", with(func(r *request) { r.extra = []uint16{0x7777} }), OK, 420},
		{"optional attributes", with(func(r *request) { r.extra = []uint16{0xC001, 0x8022} }), OK, 1},
		{"role conflict", with(func(r *request) { r.role = attrControlled }), OK, 1}, // we win and switch
		{"role conflict lost", with(func(r *request) { r.role, r.tie = attrControlled, 9 }), OK, 487},
		{"wrong fingerprint", broken(len(good) - 1), Malformed, 0},
		{"changed body", broken(len(good) - 40), Malformed, 0},
		{"changed id", broken(15), Malformed, 0},
		{"truncated", good[:len(good)-4], Malformed, 0},
		{"short", good[:19], Malformed, 0},
		{"empty", nil, Malformed, 0},
		{"no cookie", broken(4), Malformed, 0},
		{"other method", with(func(r *request) { r.typ = 0x0003 }), Malformed, 0},
		{"indication", with(func(r *request) { r.typ = bindingIndication }), OK, 0},
		{"unknown response", with(func(r *request) { r.typ = bindingSuccess }), UnknownTransaction, 0},
		{"unknown error", with(func(r *request) { r.typ = bindingError }), UnknownTransaction, 0},
	} {
		for _, early := range []bool{false, true} {
			a, out := agentUnderTest(Config{})
			if !early {
				a.SetRemote(start, testRemote, false)
			}
			if v := a.Handle(start, testPath, tc.b); v != tc.want {
				t.Errorf("%s: verdict %v, want %v", tc.name, v, tc.want)
			}
			if tc.answers == 0 {
				if len(*out) != 0 || len(a.pairs) != 0 || len(a.gen.early) != 0 || a.lastRecv != 0 || a.Valid(testPath) {
					t.Errorf("%s: left traces", tc.name)
				}
				continue
			}
			var m message
			if len(*out) != 1 || (*out)[0].path != testPath || !m.parse((*out)[0].b) {
				t.Fatalf("%s: answers %v", tc.name, *out)
			}
			if len((*out)[0].b) > len(tc.b) {
				t.Errorf("%s: answer is longer than the request", tc.name)
			}
			if !newMACKey(testLocal.Pwd).verify(&m) || m.id != (transactionID{1}) {
				t.Errorf("%s: bad answer", tc.name)
			}
			if tc.answers == 1 && (m.typ != bindingSuccess || m.mapped != testPath.Remote) {
				t.Errorf("%s: no success: %+v", tc.name, m)
			}
			if tc.answers > 1 && (m.typ != bindingError || m.errorCode != tc.answers || a.Valid(testPath)) {
				t.Errorf("%s: no error: %+v", tc.name, m)
			}
		}
	}
}

// checkOf lets a send its first check to testPath.
func checkOf(t *testing.T, a *Agent, out *[]sent) transactionID {
	t.Helper()
	a.SetRemote(start, testRemote, false)
	a.AddRemote(start, host(testPath.Remote.String()))
	a.Advance(start)
	var m message
	if len(*out) != 1 || !m.parse((*out)[0].b) || m.typ != bindingRequest {
		t.Fatalf("sent %v", *out)
	}
	if !newMACKey(testRemote.Pwd).verify(&m) || string(m.username) != "clnt:serv" ||
		m.priority != 110<<24|priority(Host, 65535)&0xFFFFFF || !m.fingerprint {
		t.Errorf("check %+v", m)
	}
	return m.id
}

func success(id transactionID, pwd string, mapped netip.AddrPort) []byte {
	return builder(nil).begin(bindingSuccess, &id).xorAddress(mapped).integrity(newMACKey(pwd)).fingerprint()
}

func TestSpoofedResponses(t *testing.T) {
	a, out := agentUnderTest(Config{Controlling: true})
	id := checkOf(t, a, out)
	mapped := netip.MustParseAddrPort("10.0.0.1:5000")
	good := success(id, testRemote.Pwd, mapped)
	elsewhere := Path{Local: testPath.Local, Remote: netip.MustParseAddrPort("10.0.0.66:6000")}
	otherPort := Path{Local: testPath.Local, Remote: netip.MustParseAddrPort("10.0.0.2:6001")}
	otherLocal := Path{Local: netip.MustParseAddr("10.0.0.9"), Remote: testPath.Remote}
	for _, tc := range []struct {
		name string
		p    Path
		b    []byte
		want Verdict
	}{
		{"wrong password", testPath, success(id, "wrongwrongwrongwrongwrong", mapped), BadIntegrity},
		{"own password", testPath, success(id, testLocal.Pwd, mapped), BadIntegrity},
		{"no integrity", testPath, builder(nil).begin(bindingSuccess, &id).xorAddress(mapped).fingerprint(), BadIntegrity},
		{"error without integrity", testPath, builder(nil).begin(bindingError, &id).errorCode(487).fingerprint(), BadIntegrity},
		{"wrong id", testPath, success(transactionID{99}, testRemote.Pwd, mapped), UnknownTransaction},
		{"other address", elsewhere, good, UnknownTransaction},
		{"other port", otherPort, good, UnknownTransaction},
		{"other local", otherLocal, good, UnknownTransaction},
	} {
		if v := a.Handle(start+1, tc.p, tc.b); v != tc.want {
			t.Errorf("%s: %v", tc.name, v)
		}
		if a.State() != Checking || a.Valid(tc.p) || a.lastRecv != 0 || !a.Controlling() {
			t.Errorf("%s: left traces", tc.name)
		}
	}
	if v := a.Handle(start+2, testPath, good); v != OK || a.State() != Connected {
		t.Fatalf("good response: %v, %v", v, a.State())
	}
	for {
		if _, ok := a.PollEvent(); !ok {
			break
		}
	}
	last := a.lastRecv
	if v := a.Handle(start+3, testPath, good); v != UnknownTransaction || a.lastRecv != last {
		t.Errorf("replayed: %v", v)
	}
}

// TestErrorResponse: a refused check fails its pair.
func TestErrorResponse(t *testing.T) {
	a, out := agentUnderTest(Config{Controlling: true})
	id := checkOf(t, a, out)
	a.EndOfRemote(start)
	b := builder(nil).begin(bindingError, &id).errorCode(400).integrity(newMACKey(testRemote.Pwd)).fingerprint()
	if v := a.Handle(start+1, testPath, b); v != OK {
		t.Fatal(v)
	}
	a.Advance(start + 2)
	if a.State() != Failed {
		t.Error(a.State())
	}
}

// TestBounds: a remote with good credentials and endless addresses.
func TestBounds(t *testing.T) {
	for _, lite := range []bool{false, true} {
		for _, early := range []bool{false, true} {
			a, out := agentUnderTest(Config{Lite: lite})
			if !early {
				a.SetRemote(start, testRemote, false)
			}
			now := start
			from := func(i int) Path {
				return Path{Local: testPath.Local, Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 99)}
			}
			b := goodRequest(1).bytes()
			for i := range 3000 {
				now += 1e6
				a.Handle(now, from(i), b)
				c := host("10.0.0.2:6000")
				c.Addr = from(i + 5000).Remote
				a.AddRemote(now, c)
				*out = nil
				if a.Deadline() <= now {
					a.Advance(now)
				}
			}
			if early {
				if len(a.gen.early) != maxEarly || len(a.pairs) != 0 {
					t.Errorf("%d early, %d pairs", len(a.gen.early), len(a.pairs))
				}
				a.SetRemote(now, testRemote, false)
			}
			if len(a.pairs) > maxPairs || len(a.remotes) > 2*maxCands || len(a.triggered) > maxPairs ||
				len(a.locals) > maxCands || len(a.events) > maxEvents {
				t.Errorf("%d pairs, %d remotes, %d triggered, %d locals, %d events",
					len(a.pairs), len(a.remotes), len(a.triggered), len(a.locals), len(a.events))
			}
			if !early && a.find(from(2999)) == nil {
				t.Error("the newest path is not known")
			}
		}
	}
}

// TestStrangersChangeNothing: a flood of bad datagrams leaves the deadline and
// the state alone, and is not answered.
func TestStrangersChangeNothing(t *testing.T) {
	v, s, c := connected(t, Config{}, Config{})
	before := s.agent.Deadline()
	var answers int
	v.tap = func(from, to netip.AddrPort, b []byte) bool { answers++; return true }
	r := goodRequest(1)
	r.username = s.agent.gen.local.Ufrag + ":" + c.agent.gen.local.Ufrag
	for i := range 1000 {
		r.id = byte(i)
		p := Path{Local: s.addrs[0].Addr(), Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, 9, byte(i >> 8), byte(i)}), 9)}
		if got := s.agent.Handle(v.now, p, r.bytes()); got != BadIntegrity {
			t.Fatal(got)
		}
		s.agent.Handle(v.now, p, success(transactionID{byte(i)}, "x", p.Remote))
	}
	if answers != 0 || s.agent.Deadline() != before || len(s.agent.pairs) > 4 {
		t.Errorf("%d answers, deadline %v, was %v", answers, s.agent.Deadline(), before)
	}
}

// TestUseCandidateElsewhere: a new address of lower priority is selected when
// the old one has been silent, and only then.
func TestUseCandidateElsewhere(t *testing.T) {
	for _, lite := range []bool{false, true} {
		for _, silence := range []time.Duration{500 * time.Millisecond, 3 * time.Second} {
			t.Run(fmt.Sprint(lite, silence), func(t *testing.T) {
				v, s, c := connected(t, Config{Lite: lite}, Config{})
				p, _ := s.agent.Selected()
				s.agent.Received(v.now, p)
				v.tap = func(from, to netip.AddrPort, b []byte) bool { return false }
				v.run(silence, nil)
				r := goodRequest(9)
				r.username = s.agent.gen.local.Ufrag + ":" + c.agent.gen.local.Ufrag
				r.pwd = s.agent.gen.local.Pwd
				moved := Path{Local: s.addrs[0].Addr(), Remote: netip.MustParseAddrPort("10.0.0.2:7777")}
				v.tap = func(from, to netip.AddrPort, b []byte) bool {
					if to == moved.Remote && binary.BigEndian.Uint16(b) == bindingRequest {
						var id transactionID
						copy(id[:], b[8:])
						v.inject(to, from, success(id, c.agent.gen.local.Pwd, from))
					}
					return false
				}
				v.inject(moved.Remote, s.addrs[0], r.bytes())
				v.run(time.Second, nil)
				q, ok := s.agent.Selected()
				if !ok || (q == moved) != (silence > 2*time.Second) {
					t.Errorf("selected %v", q)
				}
			})
		}
	}
}

// TestOldCredentialsElsewhere: after a restart the old credentials count on the selected
// path alone. Chromium tries its new sockets with them until it has the answer, and stays
// with what succeeds.
func TestOldCredentialsElsewhere(t *testing.T) {
	v, s, c := connected(t, Config{}, Config{})
	p, _ := s.agent.Selected()
	r := goodRequest(9)
	r.username = s.agent.gen.local.Ufrag + ":" + c.agent.gen.local.Ufrag
	r.pwd = s.agent.gen.local.Pwd
	s.agent.Restart(v.now, NewCredentials(s.agent.cfg.Rand))
	elsewhere := Path{Local: p.Local, Remote: netip.AddrPortFrom(p.Remote.Addr(), 7777)}
	answers := 0
	v.tap = func(_, to netip.AddrPort, b []byte) bool {
		if to == elsewhere.Remote {
			answers++
		}
		return false
	}
	if got := s.agent.Handle(v.now, elsewhere, r.bytes()); got != BadUsername {
		t.Errorf("by another path: verdict %v", got)
	}
	if got := s.agent.Handle(v.now, p, r.bytes()); got != OK {
		t.Errorf("by the selected path: verdict %v", got)
	}
	v.run(time.Second, nil)
	if answers != 0 || s.agent.Valid(elsewhere) {
		t.Errorf("%d answers to the other path, valid %v", answers, s.agent.Valid(elsewhere))
	}
}

func TestAddRemoteIgnores(t *testing.T) {
	a, _ := agentUnderTest(Config{})
	a.SetRemote(start, testRemote, false)
	for _, s := range []string{
		"1 2 udp 1 10.0.0.2 6000 typ host",
		"1 1 tcp 1 10.0.0.2 9 typ host tcptype active",
		"1 1 udp 1 0.0.0.0 6000 typ host",
		"1 1 udp 1 224.0.0.1 6000 typ host",
		"1 1 udp 1 255.255.255.255 6000 typ host",
		"1 1 udp 1 10.0.0.2 0 typ host",
		"1 1 udp 1 x.local 6000 typ host",
		"1 1 udp 1 2001:db8::1 6000 typ host", // no IPv6 here: no pair
		"1 1 udp 1 127.0.0.1 6000 typ host",   // own services are not probed
	} {
		c, err := ParseCandidate(s)
		if err != nil {
			t.Fatal(err)
		}
		a.AddRemote(start, c)
	}
	if len(a.pairs) != 0 {
		t.Errorf("%d pairs", len(a.pairs))
	}
	for range 3 {
		a.AddRemote(start, host("10.0.0.2:6000"))
	}
	mapped := host("10.0.0.2:6000")
	mapped.Addr = netip.MustParseAddrPort("[::ffff:10.0.0.2]:6000")
	a.AddRemote(start, mapped)
	if len(a.pairs) != 1 {
		t.Errorf("%d pairs", len(a.pairs))
	}
}

func TestPacing(t *testing.T) {
	a, out := agentUnderTest(Config{})
	a.SetRemote(start, testRemote, false)
	for i := range 20 {
		a.AddRemote(start, host(fmt.Sprintf("10.0.1.%d:1", i+1)))
	}
	now := start
	for n := 1; n <= 9; n++ {
		now = max(now, a.Deadline())
		a.Advance(now)
		if len(*out) != n {
			t.Fatalf("%d checks after %d turns", len(*out), n)
		}
	}
	if d := now.Sub(start); d != 8*paceMany {
		t.Errorf("9 checks in %v", d)
	}
	a, out = agentUnderTest(Config{})
	a.SetRemote(start, testRemote, false)
	for i := range 9 {
		a.AddRemote(start, host(fmt.Sprintf("10.0.1.%d:1", i+1)))
	}
	for now = start; ; now = a.Deadline() {
		if a.Advance(now); len(*out) == 9 {
			break
		}
	}
	if d := now.Sub(start); d > 9*paceFew {
		t.Errorf("9 checks of few in %v", d)
	}
}

func TestAllocations(t *testing.T) {
	for _, lite := range []bool{false, true} {
		cfg := Config{Lite: lite, ConsentFreshness: true}
		a, _ := agentUnderTest(cfg)
		a.cfg.Send = func(Path, []byte) {}
		a.SetRemote(start, testRemote, false)
		a.AddRemote(start, host(testPath.Remote.String()))
		now := start
		good := goodRequest(1).bytes()
		bad := goodRequest(1)
		bad.pwd = "wrong"
		wrong := bad.bytes()
		bad.username = "wrong:x"
		stranger := bad.bytes()
		conflict := goodRequest(1)
		conflict.role, conflict.tie = attrControlled, 9
		lost := conflict.bytes()
		unknown := goodRequest(1)
		unknown.extra = []uint16{0x7777}
		odd := unknown.bytes()
		response := success(transactionID{1}, testRemote.Pwd, testPath.Remote)
		a.Handle(now, testPath, good)
		if !lite {
			answerChecks(a, now)
		}
		if !up(&node{agent: a}) {
			t.Fatal(a.State())
		}
		measure := func(name string, f func()) {
			if n := testing.AllocsPerRun(100, f); n != 0 {
				t.Errorf("lite %v, %s: %v allocations", lite, name, n)
			}
		}
		handle := func(b []byte) func() {
			return func() {
				now += 1e6
				a.Handle(now, testPath, b)
				a.Deadline()
			}
		}
		measure("request", handle(good))
		measure("wrong password", handle(wrong))
		measure("stranger", handle(stranger))
		measure("role conflict", handle(lost))
		measure("unknown attribute", handle(odd))
		measure("unknown response", handle(response))
		measure("malformed", handle(good[:40]))
		measure("username", func() { STUNUsername(good) })
		measure("media", func() { now++; a.Received(now, testPath); a.Sent(now); a.Valid(testPath); a.Selected() })
		measure("keepalive", func() { now += 15e9; a.lastRecv = now; a.lastConsent = now; a.Advance(now) })
		if !lite {
			measure("consent", func() { now += 6e9; a.lastRecv = now; a.Advance(now); answerChecks(a, now) })
		}
		if !up(&node{agent: a}) {
			t.Error(a.State())
		}
	}
}

var answerBuf builder

var answerKey = newMACKey(testRemote.Pwd)

// answerChecks answers what is outstanding.
func answerChecks(a *Agent, now mono.Time) {
	a.Advance(now)
	for _, q := range a.pairs {
		if t := q.tx[q.txAt]; t.sends > 0 {
			id := t.id
			answerBuf = answerBuf.begin(bindingSuccess, &id).
				xorAddress(testPath.Remote).integrity(answerKey).fingerprint()
			if v := a.Handle(now, q.path, answerBuf); v != OK {
				panic(v)
			}
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	a, _ := agentUnderTest(Config{})
	a.cfg.Send = func(Path, []byte) {}
	a.SetRemote(start, testRemote, false)
	good := goodRequest(1).bytes()
	a.Handle(start, testPath, good)
	answerChecks(a, start)
	b.ReportAllocs()
	for b.Loop() {
		a.Handle(start, testPath, good)
	}
}
