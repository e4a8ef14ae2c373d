package ice

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand"
	"net/netip"
	"strings"
	"testing"

	"bifrons/rtp/mono"

	"github.com/pion/stun/v3"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// The sample messages of RFC 5769, 2.1 to 2.3.
var (
	rfc5769Password = "VOkJxbRl1RmTxUk/WvJxBt"
	rfc5769Request  = unhex(`00010058 2112a442 b7e7a701 bc34d686 fa87dfae
		80220010 5354554e 20746573 7420636c 69656e74 00240004 6e0001ff
		80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020
		00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2 80280004 e57a3bcf`)
	rfc5769Response4 = unhex(`0101003c 2112a442 b7e7a701 bc34d686 fa87dfae
		8022000b 74657374 20766563 746f7220 00200008 0001a147 e112a643
		00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 80280004 c07d4c96`)
	rfc5769Response6 = unhex(`01010048 2112a442 b7e7a701 bc34d686 fa87dfae
		8022000b 74657374 20766563 746f7220 00200014 0002a147 0113a9fa a5d3f179
		bc25f4b5 bed2b9d9 00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41
		80280004 c8fb0b4c`)
)

func TestRFC5769(t *testing.T) {
	key := newMACKey(rfc5769Password)
	for i, b := range [][]byte{rfc5769Request, rfc5769Response4, rfc5769Response6} {
		var m message
		if !IsSTUN(b) || !m.parse(b) || !m.fingerprint || !key.verify(&m) || newMACKey("x").verify(&m) {
			t.Fatalf("sample %d", i)
		}
		switch i {
		case 0:
			if string(m.username) != "evtj:h6vY" || m.priority != 0x6e0001ff || !m.controlled ||
				m.tieBreaker != 0x932ff9b151263b36 {
				t.Errorf("%+v", m)
			}
			l, r, ok := STUNUsername(b)
			if !ok || string(l) != "evtj" || string(r) != "h6vY" {
				t.Errorf("%q %q %v", l, r, ok)
			}
		case 1:
			if m.mapped.String() != "192.0.2.1:32853" {
				t.Error(m.mapped)
			}
		case 2:
			if m.mapped.String() != "[2001:db8:1234:5678:11:2233:4455:6677]:32853" {
				t.Error(m.mapped)
			}
		}
	}
	if _, _, ok := STUNUsername(rfc5769Response4); ok {
		t.Error("a response has a username")
	}
}

// TestAgainstPion builds here and parses there, and the other way round.
func TestAgainstPion(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for n := range 200 {
		var id transactionID
		rng.Read(id[:])
		user := strings.Repeat("u", 1+rng.Intn(40)) + ":" + strings.Repeat("v", rng.Intn(9))
		pwd := strings.Repeat("p", 1+rng.Intn(90))
		ip := make([]byte, 4+12*(n%2))
		rng.Read(ip)
		addr, _ := netip.AddrFromSlice(ip)
		mapped := netip.AddrPortFrom(addr, uint16(1+rng.Intn(65535)))
		tie, prio := rng.Uint64(), rng.Uint32()

		b := builder(nil).begin(bindingRequest, &id).
			bytes(attrUsername, []byte(user)).
			uint32(attrPriority, prio).
			uint64(attrControlling, tie).
			attr(attrUseCandidate, 0).
			xorAddress(mapped).
			errorCode(487).
			integrity(newMACKey(pwd)).
			fingerprint()
		theirs := &stun.Message{Raw: bytes.Clone(b)}
		if err := theirs.Decode(); err != nil {
			t.Fatal(err)
		}
		var x stun.XORMappedAddress
		var u stun.Username
		var e stun.ErrorCodeAttribute
		if err := theirs.Parse(&x, &u, &e); err != nil {
			t.Fatal(err)
		}
		if err := theirs.Check(stun.NewShortTermIntegrity(pwd), stun.Fingerprint); err != nil {
			t.Fatal(err)
		}
		if x.Port != int(mapped.Port()) || !bytes.Equal(x.IP, ip) || u.String() != user || e.Code != 487 ||
			theirs.Type != stun.BindingRequest || theirs.TransactionID != id ||
			!theirs.Contains(stun.AttrUseCandidate) {
			t.Fatalf("pion reads %v %v %v", theirs, x, u)
		}

		made, err := stun.Build(stun.NewTransactionIDSetter(id), stun.BindingSuccess,
			stun.NewUsername(user), &stun.XORMappedAddress{IP: ip, Port: int(mapped.Port())},
			stun.NewSoftware("software"), stun.CodeRoleConflict,
			stun.NewShortTermIntegrity(pwd), stun.Fingerprint)
		if err != nil {
			t.Fatal(err)
		}
		var m message
		if !m.parse(made.Raw) || !newMACKey(pwd).verify(&m) || newMACKey(pwd+"x").verify(&m) {
			t.Fatalf("cannot read %x", made.Raw)
		}
		if m.typ != bindingSuccess || m.id != id || string(m.username) != user || m.mapped != mapped ||
			m.errorCode != 487 || !m.fingerprint || m.unknown != 0 {
			t.Fatalf("read %+v", m)
		}
	}
}

// TestMappedAddress: servers of RFC 3489 know no other.
func TestMappedAddress(t *testing.T) {
	made, err := stun.Build(stun.TransactionID, stun.BindingSuccess,
		&stun.MappedAddress{IP: []byte{1, 2, 3, 4}, Port: 5})
	if err != nil {
		t.Fatal(err)
	}
	var m message
	if !m.parse(made.Raw) || m.mapped.String() != "1.2.3.4:5" {
		t.Errorf("%+v", m)
	}
}

// TestUnprotected: what stands behind MESSAGE-INTEGRITY has no effect.
func TestUnprotected(t *testing.T) {
	key := newMACKey("p")
	b := builder(nil).begin(bindingRequest, &transactionID{}).bytes(attrUsername, []byte("a:b")).
		integrity(key).attr(attrUseCandidate, 0).bytes(0x7777, []byte("x")).fingerprint()
	var m message
	if !m.parse(b) || !key.verify(&m) || m.useCandidate || m.unknown != 0 {
		t.Errorf("%+v", m)
	}
}

func TestIsSTUN(t *testing.T) {
	for _, b := range [][]byte{nil, {0, 1}, bytes.Repeat([]byte{0}, 20), append([]byte{0x80}, rfc5769Request[1:]...),
		append([]byte{22, 254, 253}, rfc5769Request[3:]...)} {
		if IsSTUN(b) {
			t.Errorf("%x", b)
		}
		if _, _, ok := STUNUsername(b); ok {
			t.Errorf("%x has a username", b)
		}
	}
}

func TestTransactionKey(t *testing.T) {
	a, out := agentUnderTest(Config{Key: 0xCAFE0001})
	id := checkOf(t, a, out)
	b := success(id, testRemote.Pwd, testPath.Remote)
	if key, ok := TransactionKey(b); !ok || key != 0xCAFE0001 {
		t.Errorf("%x %v", key, ok)
	}
	for _, b := range [][]byte{nil, b[:19], goodRequest(1).bytes(), rfc5769Request} {
		if _, ok := TransactionKey(b); ok {
			t.Errorf("%x has a key", b)
		}
	}
}

func FuzzSTUN(f *testing.F) {
	f.Add(rfc5769Request)
	f.Add(rfc5769Response4)
	f.Add(rfc5769Response6)
	f.Add(goodRequest(1).bytes())
	f.Add([]byte{})
	key := newMACKey(rfc5769Password)
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		var m message
		parsed := m.parse(b)
		if parsed {
			key.verify(&m)
		}
		l, _, ok := STUNUsername(b)
		if ok && (!IsSTUN(b) || len(l) > len(b)) {
			t.Error("username of what is not STUN")
		}
		if parsed && m.typ == bindingRequest && bytes.ContainsRune(m.username, ':') && !ok {
			t.Error("parsed a username that STUNUsername does not see")
		}
		TransactionKey(b)
		if !bytes.Equal(b, before) {
			t.Error("input was changed")
		}
		if parsed && m.fingerprint {
			theirs := &stun.Message{Raw: before}
			if err := theirs.Decode(); err != nil {
				t.Errorf("pion does not read it: %v", err)
			} else if err := theirs.Check(stun.Fingerprint); err != nil {
				t.Errorf("pion: %v", err)
			}
		}
	})
}

// FuzzAgent drives an agent by a script: signed and unsigned datagrams, time,
// candidates, restarts.
func FuzzAgent(f *testing.F) {
	f.Add([]byte("\x00\x11abcdefgh\x01\x20ijklmnop\x02\x00qrstuvwx\x03\x44yz012345"))
	f.Add(bytes.Repeat([]byte{1, 0xff, 9, 3, 0x55, 1, 2, 3, 4, 5}, 30))
	f.Add(bytes.Repeat([]byte{5, 1, 0, 6, 2, 0, 1, 0x35, 0, 4}, 30))
	rng := rand.New(rand.NewSource(1))
	for range 64 {
		b := make([]byte, 2000)
		rng.Read(b)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 4096 || len(script) < 2 {
			return
		}
		var longest int
		cfg := Config{Lite: script[0]&1 != 0, Controlling: script[0]&2 != 0,
			RegularNomination: script[0]&4 != 0, ConsentFreshness: script[0]&8 != 0}
		a, _ := agentUnderTest(cfg)
		var last []byte
		a.cfg.Send = func(p Path, b []byte) {
			last = append(last[:0], b...)
			if b[0] == 1 && len(b) > longest {
				t.Errorf("answer of %d bytes to %d", len(b), longest)
			}
		}
		now := start
		restarts := 0
		for s := script[1:]; len(s) >= 10; s = s[10:] {
			now += mono2(s[8])
			p := Path{Local: testPath.Local, Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, s[7] & 7}), uint16(s[6]&3))}
			if s[5]&15 == 0 {
				p.Local = netip.Addr{}
			}
			switch s[0] % 10 {
			case 0:
				longest = len(s)
				a.Handle(now, p, s)
			case 1, 2:
				r := request{typ: bindingRequest, id: s[1], username: a.gen.local.Ufrag + ":x", pwd: a.gen.local.Pwd,
					use: s[2]&1 != 0, noFinger: s[2]&2 != 0, tie: uint64(s[3])}
				r.role = [...]uint16{0, attrControlled, attrControlling}[s[4]%3]
				if s[2]&4 != 0 {
					r.extra = []uint16{uint16(s[4])<<8 | uint16(s[5])}
				}
				b := r.bytes()
				longest = len(b)
				a.Handle(now, p, b)
			case 3, 4: // answer the last check
				if len(last) < stunHeader {
					break
				}
				b := builder(nil).begin(bindingSuccess, (*transactionID)(last[8:20])).xorAddress(p.Remote)
				if s[1]&7 == 0 {
					b = builder(nil).begin(bindingError, (*transactionID)(last[8:20])).errorCode([...]int{400, 487}[s[2]&1])
				}
				if s[1]&8 != 0 {
					p = testPath
				}
				a.Handle(now, p, b.integrity(newMACKey(testRemote.Pwd)).fingerprint())
			case 5:
				a.SetRemote(now, testRemote, s[1]&1 != 0)
			case 6:
				c := host(fmt.Sprintf("10.0.0.%d:%d", s[1]&7, s[2]&3))
				a.AddRemote(now, c)
			case 7:
				a.Received(now, p)
				a.EndOfRemote(now)
			case 8:
				if restarts++; restarts < 4 {
					a.Restart(now, Credentials{fmt.Sprint("serv", restarts), testLocal.Pwd})
				}
			}
			for range 20 {
				if a.Deadline() > now {
					break
				}
				a.Advance(now)
				if a.Deadline() <= now {
					t.Fatal("the deadline does not move")
				}
			}
			for {
				if _, ok := a.PollEvent(); !ok {
					break
				}
			}
			checkAgent(t, a)
		}
	})
}

// checkAgent checks what holds between any two calls.
func checkAgent(t *testing.T, a *Agent) {
	if len(a.pairs) > maxPairs || len(a.remotes) > 2*maxCands || len(a.gen.early) > maxEarly {
		t.Fatal("out of bounds")
	}
	p, ok := a.Selected()
	if ok && !a.Valid(p) {
		t.Fatal("the selected path is not valid")
	}
	if (a.State() == Connected || a.State() == Completed || a.State() == Disconnected) != ok {
		t.Fatalf("state %v, selected %v", a.State(), ok)
	}
	if a.selected != nil && !containsPair(a.pairs, a.selected) || a.rival != nil && !containsPair(a.pairs, a.rival) {
		t.Fatal("a pair was lost")
	}
	for _, q := range a.triggered {
		if !q.queued || !containsPair(a.pairs, q) {
			t.Fatal("queue of triggered checks is wrong")
		}
	}
}

func containsPair(s []*pair, q *pair) bool {
	for _, o := range s {
		if o == q {
			return true
		}
	}
	return false
}

func mono2(b byte) mono.Time { return mono.Time(b) * mono.Time(b) * 1e6 }
