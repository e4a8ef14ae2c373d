package sfu

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"bifrons/dtls"
	"bifrons/ice"
	"bifrons/rtp/waittest"
	"bifrons/sfu/peer"
)

const patience = waittest.Patience

func newEngine(t *testing.T, change func(*Config)) *Engine {
	t.Helper()
	peers := DefaultPeerOptions()
	cfg := Config{Shards: 1, Enforce: []string{"127.0.0.1"}, Peers: &peers}
	if change != nil {
		change(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { waittest.Close(t, e) })
	return e
}

// events is a Handler that queues.
type events struct {
	t    *testing.T
	list chan Event
	data chan string
}

func newEvents(t *testing.T) *events {
	return &events{t: t, list: make(chan Event, 256), data: make(chan string, 16)}
}

func (e *events) PeerEvent(ev Event) { e.list <- ev }
func (e *events) PeerData(label, protocol string, binary bool, payload []byte) {
	e.data <- fmt.Sprintf("%s/%s/%v/%s", label, protocol, binary, payload)
}

func (e *events) await(k EventKind) Event {
	e.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case ev := <-e.list:
			if ev.Kind == k {
				return ev
			}
		case <-limit:
			e.t.Fatalf("event %d did not come", k)
		}
	}
}

func fingerprint(t *testing.T, e *Engine) dtls.Fingerprints {
	t.Helper()
	f, err := e.Certificate().Fingerprint("sha-256")
	if err != nil {
		t.Fatal(err)
	}
	return dtls.Fingerprints{f}
}

// connect lets two peers find each other; a made the offer.
func connect(t *testing.T, a, b *Peer) {
	t.Helper()
	a.SetRemote(Remote{ICE: b.ICE(), Fingerprints: fingerprint(t, b.engine), Role: dtls.Server, Trickle: true})
	b.SetRemote(Remote{ICE: a.ICE(), Fingerprints: fingerprint(t, a.engine), Role: dtls.Client, Trickle: true})
	for _, c := range a.Candidates() {
		b.AddCandidate(c)
	}
	for _, c := range b.Candidates() {
		a.AddCandidate(c)
	}
	a.EndOfCandidates()
	b.EndOfCandidates()
}

func TestTwoPeers(t *testing.T) {
	for _, lite := range []bool{false, true} {
		t.Run(fmt.Sprintf("lite=%v", lite), func(t *testing.T) {
			waittest.NoLeaks(t)
			ea := newEngine(t, nil)
			eb := newEngine(t, func(c *Config) { c.Peers.Lite = lite })
			ha, hb := newEvents(t), newEvents(t)
			a, err := ea.NewPeer(PeerConfig{Controlling: true}, ha)
			if err != nil {
				t.Fatal(err)
			}
			b, err := eb.NewPeer(PeerConfig{}, hb)
			if err != nil {
				t.Fatal(err)
			}
			a.SetDataChannels(true)
			b.SetDataChannels(true)
			connect(t, a, b)
			ha.await(EventUp)
			hb.await(EventUp)
			ha.await(EventDataReady)
			hb.await(EventDataReady)
			for _, x := range []struct {
				from *Peer
				to   *events
			}{{a, hb}, {b, ha}} {
				if err := x.from.SendData("chat", "p", false, []byte("hello")); err != nil {
					t.Fatal(err)
				}
				select {
				case got := <-x.to.data:
					if got != "chat/p/false/hello" {
						t.Errorf("got %q", got)
					}
				case <-time.After(patience):
					t.Fatal("no data came")
				}
			}
			for _, p := range []*Peer{a, b} {
				s := p.Snapshot()
				d := s.DTLS
				if !s.Up || s.ICE.Gathered == 0 || d.State != peer.DTLSConnected || !d.Data || !d.Profile.Valid() ||
					d.DataIn != (peer.Traffic{Packets: 1, Bytes: 5}) || d.DataOut != d.DataIn {
					t.Errorf("snapshot %+v", s)
				}
				if c := s.Counters; c.DTLSIn.Packets < 4 || c.DTLSOut.Packets < 4 || c.DTLSIn.Bytes < 500 {
					t.Errorf("DTLS traffic %+v, %+v", c.DTLSIn, c.DTLSOut)
				}
			}
			if v := ea.Vitals([]*Peer{nil, a}); len(v) != 2 || v[0] != (Vitals{}) || v[1].Stage != StageUp || v[1].Closed || v[1].Age <= 0 {
				t.Errorf("vitals %+v", v)
			}
			if b := ea.Stats()[a.Shard()-1].Shard.Busy; b <= 0 {
				t.Errorf("the shard was busy for %v", b)
			}
			a.Close("done")
			if ev := ha.await(EventClosed); ev.Reason != "done" || ev.Cause != CauseClosed {
				t.Errorf("closed by reason %q, cause %v", ev.Reason, ev.Cause)
			}
			if ev := hb.await(EventClosed); ev.Reason != ReasonDTLSAlert || ev.Cause != CauseAlert {
				t.Errorf("the other side closed by reason %q, cause %v", ev.Reason, ev.Cause)
			}
			waittest.Until(t, "the peer is off its shard", func() bool { return eb.Stats()[0].Shard.Peers == 0 })
		})
	}
}

// TestDataLost: what is sent to a remote that does not read is lost at some point, and
// counted; others are not held up.
func TestDataLost(t *testing.T) {
	waittest.NoLeaks(t)
	ea, eb := newEngine(t, nil), newEngine(t, nil)
	ha, hb := newEvents(t), newEvents(t)
	hb.data = make(chan string) // nobody reads it
	a, err := ea.NewPeer(PeerConfig{Controlling: true}, ha)
	if err != nil {
		t.Fatal(err)
	}
	b, err := eb.NewPeer(PeerConfig{}, hb)
	if err != nil {
		t.Fatal(err)
	}
	if a.SendShared("x", "", false, []byte("y")) != ErrNoDataChannels {
		t.Error("sent without data channels")
	}
	a.SetDataChannels(true)
	b.SetDataChannels(true)
	connect(t, a, b)
	ha.await(EventDataReady)
	payload := make([]byte, 60000)
	lost := uint64(0)
	for taken := 0; lost < 3; {
		switch err := a.SendShared("x", "", true, payload); {
		case err == nil:
			if taken++; taken > 1<<16 {
				t.Fatal("no end")
			}
		default:
			lost++
		}
	}
	if s := a.Snapshot(); s.DTLS.DataLost != lost || s.DTLS.DataOut.Packets == 0 {
		t.Errorf("%+v", s.DTLS)
	}
	go func() {
		for range hb.data {
		}
	}()
	a.Close("done")
	hb.await(EventClosed)
	ea.Close()
	eb.Close()
	close(hb.data)
}

func TestWrongFingerprint(t *testing.T) {
	waittest.NoLeaks(t)
	ea, eb := newEngine(t, nil), newEngine(t, nil)
	ha, hb := newEvents(t), newEvents(t)
	a, _ := ea.NewPeer(PeerConfig{Controlling: true}, ha)
	b, _ := eb.NewPeer(PeerConfig{}, hb)
	wrong := fingerprint(t, ea)
	wrong[0].Value = "00" + wrong[0].Value[2:]
	a.SetRemote(Remote{ICE: b.ICE(), Fingerprints: fingerprint(t, eb), Role: dtls.Server})
	b.SetRemote(Remote{ICE: a.ICE(), Fingerprints: wrong, Role: dtls.Client})
	for _, c := range b.Candidates() {
		a.AddCandidate(c)
	}
	if ev := hb.await(EventClosed); ev.Reason != ReasonDTLSAlert || ev.Cause != CauseFingerprint {
		t.Errorf("closed by reason %q, cause %v", ev.Reason, ev.Cause)
	}
	ha.await(EventClosed)
}

func TestUnreachableRemote(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	h := newEvents(t)
	p, _ := e.NewPeer(PeerConfig{Controlling: true}, h)
	p.SetRemote(Remote{ICE: ice.Credentials{Ufrag: "abcd", Pwd: "0123456789012345678901"}})
	p.Close("Janus API")
	if r := h.await(EventClosed).Reason; r != "Janus API" {
		t.Errorf("reason %q", r)
	}
	p.Close("again")
	p.SetSections(nil) // does nothing
	select {
	case ev := <-h.list:
		t.Errorf("event %+v after the last one", ev)
	default:
	}
}

// stunServer answers binding requests with the sender's address, or with
// another one.
func stunServer(t *testing.T, as netip.AddrPort) string {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			req := &stun.Message{Raw: append([]byte(nil), buf[:n]...)}
			if req.Decode() != nil {
				continue
			}
			addr := &stun.XORMappedAddress{IP: as.Addr().AsSlice(), Port: int(as.Port())}
			res := stun.MustBuild(stun.NewTransactionIDSetter(req.TransactionID), stun.BindingSuccess, addr, stun.Fingerprint)
			_, _ = c.WriteToUDPAddrPort(res.Raw, from)
		}
	}()
	t.Cleanup(func() { _ = c.Close(); <-done })
	return c.LocalAddr().String()
}

func TestReflexiveCandidate(t *testing.T) {
	waittest.NoLeaks(t)
	public := netip.MustParseAddrPort("203.0.113.7:4242")
	e := newEngine(t, func(c *Config) { c.STUNServer = stunServer(t, public) })
	h := newEvents(t)
	p, err := e.NewPeer(PeerConfig{}, h)
	if err != nil {
		t.Fatal(err)
	}
	h.await(EventCandidatesDone)
	list := p.Candidates()
	if len(list) != 2 || list[1].Type != ice.ServerReflexive || list[1].Addr != public {
		t.Fatalf("candidates %v", list)
	}
	if list[1].Related != list[0].Addr || list[1].Priority >= list[0].Priority {
		t.Errorf("reflexive candidate %v beside %v", list[1], list[0])
	}
	if got := e.PublicIPs(); len(got) != 1 || got[0] != public.Addr() {
		t.Errorf("public addresses %v", got)
	}
}

func TestDeadSTUNServer(t *testing.T) {
	t.Parallel()
	dead, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	cfg := Config{Shards: 1, Enforce: []string{"127.0.0.1"}, STUNServer: dead.LocalAddr().String()}
	if e, err := New(cfg); err == nil {
		e.Close()
		t.Error("started with a dead STUN server")
	}
	cfg.IgnoreUnreachableServers = true
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
}

func TestPublicAddressMapping(t *testing.T) {
	public := netip.MustParseAddr("203.0.113.9")
	for _, keep := range []bool{false, true} {
		e := newEngine(t, func(c *Config) { c.PublicIPs, c.KeepPrivate = []netip.Addr{public}, keep })
		p, err := e.NewPeer(PeerConfig{}, newEvents(t))
		if err != nil {
			t.Fatal(err)
		}
		list := p.Candidates()
		want := 1
		if keep {
			want = 2
		}
		if len(list) != want || list[0].Addr.Addr() != public || list[0].Addr.Port() != e.Stats()[0].Port {
			t.Errorf("keep %v: candidates %v", keep, list)
		}
	}
}

func TestPortRange(t *testing.T) {
	e := newEngine(t, func(c *Config) { c.Shards, c.PortMin, c.PortMax = 2, 42000, 42100 })
	for _, s := range e.Stats() {
		if s.Port < 42000 || s.Port > 42100 {
			t.Errorf("port %d", s.Port)
		}
	}
	taken := e.Stats()[0].Port
	if e, err := New(Config{Shards: 1, PortMin: taken, PortMax: taken}); err == nil {
		e.Close()
		t.Error("two engines on one port")
	}
}

func TestICERestartCredentials(t *testing.T) {
	e := newEngine(t, nil)
	p, _ := e.NewPeer(PeerConfig{}, newEvents(t))
	old := p.ICE()
	fresh := p.RestartICE()
	if fresh == old || p.ICE() != fresh {
		t.Errorf("credentials %v, then %v, now %v", old, fresh, p.ICE())
	}
}

func TestClosedEngineRefuses(t *testing.T) {
	e := newEngine(t, nil)
	e.Close()
	if _, err := e.NewPeer(PeerConfig{}, newEvents(t)); err == nil {
		t.Error("a closed engine made a peer")
	}
}

// Peers that come all at once are spread evenly, and so are those after them.
func TestPeersAreSpread(t *testing.T) {
	e := newEngine(t, func(c *Config) { c.Shards = 4 })
	const each = 8
	var wait sync.WaitGroup
	peers := make([]*Peer, each*4)
	for i := range peers {
		wait.Go(func() {
			var err error
			if peers[i], err = e.NewPeer(PeerConfig{}, newEvents(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	check := func() {
		t.Helper()
		waittest.Until(t, "each shard to have as many peers", func() bool {
			return !slices.ContainsFunc(e.Stats(), func(st Stats) bool { return st.Shard.Peers != each })
		})
	}
	check()
	for _, p := range peers[:each] {
		h := p.handler.(*events)
		p.Close("done")
		h.await(EventClosed)
	}
	for i := range each {
		var err error
		if peers[i], err = e.NewPeer(PeerConfig{}, newEvents(t)); err != nil {
			t.Fatal(err)
		}
	}
	check()
}

// Where nobody asks for a number of loops the first few peers share one, and from
// then on the fewest decide.
func TestFewPeersStayTogether(t *testing.T) {
	if runtime.GOMAXPROCS(0) == 1 {
		t.Skip("there is one loop only")
	}
	e := newEngine(t, func(c *Config) { c.Shards = 0 })
	add := func(n int, cfg PeerConfig) {
		t.Helper()
		for range n {
			if _, err := e.NewPeer(cfg, newEvents(t)); err != nil {
				t.Fatal(err)
			}
		}
	}
	expect := func(first, second uint64) {
		t.Helper()
		list := e.Stats()
		if list[0].Shard.Peers != first || list[1].Shard.Peers != second {
			t.Errorf("%d and %d peers, want %d and %d", list[0].Shard.Peers, list[1].Shard.Peers, first, second)
		}
	}
	add(together-1, PeerConfig{})
	expect(together-1, 0)
	add(1, PeerConfig{Shard: 2})
	expect(together-1, 1)
	add(3, PeerConfig{})
	expect(together, 3)
}
