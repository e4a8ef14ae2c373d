package sfu

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"bifrons/dtls"
	"bifrons/ice"
	"bifrons/ice/turn"
	"bifrons/ice/turn/turntest"
	"bifrons/rtp/waittest"
	"bifrons/sfu/media"
)

func turnServer(s *turntest.Server, by turn.Transport) turn.Server {
	p := map[turn.Transport]uint16{turn.UDP: s.UDP, turn.TCP: s.TCP, turn.TLS: s.TLS}[by]
	return turn.Server{Transport: by, Host: "127.0.0.1", Port: p, Username: turntest.User, Password: turntest.Password}
}

// deadServer is one that nobody listens at.
var deadServer = turn.Server{Transport: turn.UDP, Host: "127.0.0.1", Port: 1}

func (e *events) gathered(p *Peer) {
	e.t.Helper()
	select {
	case <-p.Gathered():
	case <-time.After(patience):
		e.t.Fatal("gathering does not end")
	}
}

// expectData sends a message both ways.
func expectData(t *testing.T, a, b *Peer, ha, hb *events) {
	t.Helper()
	for _, x := range []struct {
		from *Peer
		to   *events
	}{{a, hb}, {b, ha}} {
		if err := x.from.SendData("chat", "p", false, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		select {
		case <-x.to.data:
		case <-time.After(patience):
			t.Fatal("no data came")
		}
	}
}

// relayedPair connects a peer that has to relay with one that need not.
func relayedPair(t *testing.T, change func(*Config), cfg PeerConfig) (a, b *Peer, ha, hb *events) {
	t.Helper()
	ea, eb := newEngine(t, change), newEngine(t, nil)
	ha, hb = newEvents(t), newEvents(t)
	cfg.Controlling = true
	a, err := ea.NewPeer(cfg, ha)
	if err != nil {
		t.Fatal(err)
	}
	b, err = eb.NewPeer(PeerConfig{}, hb)
	if err != nil {
		t.Fatal(err)
	}
	a.SetDataChannels(true)
	b.SetDataChannels(true)
	ha.gathered(a)
	connect(t, a, b)
	return a, b, ha, hb
}

func TestForcedRelay(t *testing.T) {
	for _, by := range []turn.Transport{turn.UDP, turn.TCP, turn.TLS} {
		for _, late := range []bool{false, true} {
			t.Run(string(by), func(t *testing.T) {
				waittest.NoLeaks(t)
				s := turntest.Start(t, turntest.Options{})
				ea, eb := newEngine(t, func(c *Config) { c.TURNServer, c.TURNRoots = turnServer(s, by), s.Roots }), newEngine(t, nil)
				ha, hb := newEvents(t), newEvents(t)
				a, err := ea.NewPeer(PeerConfig{Controlling: true, RelayOnly: !late}, ha)
				if err != nil {
					t.Fatal(err)
				}
				b, _ := eb.NewPeer(PeerConfig{}, hb)
				a.SetDataChannels(true)
				b.SetDataChannels(true)
				c := ha.await(EventCandidate).Candidate
				ha.await(EventCandidatesDone)
				ha.gathered(a)
				if late {
					if n := len(a.Candidates()); n != 2 {
						t.Errorf("candidates %v", a.Candidates())
					}
					a.ForceRelay()
				}
				list := a.Candidates()
				if len(list) != 1 || list[0] != c || c.Type != ice.Relayed || !c.Related.IsValid() || c.Related.Addr().IsUnspecified() == late {
					t.Fatalf("candidates %v, event %v", list, c)
				}
				connect(t, a, b)
				ha.await(EventDataReady)
				hb.await(EventDataReady)
				expectData(t, a, b, ha, hb)
				if got := b.Snapshot().ICE; got.SelectedRemote.Addr != c.Addr {
					t.Errorf("the other side sends to %v, not to the relay %v", got.SelectedRemote, c)
				}
				if got := a.Snapshot().ICE; got.SelectedLocal.Type != ice.Relayed || len(got.Local) != 1 {
					t.Errorf("selected %v of %v", got.SelectedLocal, got.Local)
				}
				if n := s.Allocations(); n < 1 {
					t.Errorf("%d allocations", n)
				}
				a.Close("done")
				if r := hb.await(EventClosed).Reason; r != ReasonDTLSAlert {
					t.Errorf("the other side closed by reason %q: the alert did not get through", r)
				}
				waittest.Until(t, "the allocation is released", func() bool { return s.Allocations() == 0 })
			})
		}
	}
}

// TestRelayBeside: a relay that is not forced is only there in case of need.
func TestRelayBeside(t *testing.T) {
	waittest.NoLeaks(t)
	s := turntest.Start(t, turntest.Options{})
	a, b, ha, hb := relayedPair(t, func(c *Config) { c.TURNServer = turnServer(s, turn.UDP) }, PeerConfig{})
	ha.await(EventDataReady)
	hb.await(EventDataReady)
	expectData(t, a, b, ha, hb)
	if got := a.Snapshot().ICE.SelectedLocal; got.Type == ice.Relayed {
		t.Errorf("selected %v", got)
	}
	if s := b.Snapshot().ICE.SelectedLocal; s.Type == ice.Relayed {
		t.Errorf("selected %v", s)
	}
}

// TestDyingRelay: a call ends when its only way does, and says so.
func TestDyingRelay(t *testing.T) {
	for _, by := range []turn.Transport{turn.UDP, turn.TCP} {
		t.Run(string(by), func(t *testing.T) {
			waittest.NoLeaks(t)
			s := turntest.Start(t, turntest.Options{})
			a, _, ha, hb := relayedPair(t, func(c *Config) { c.TURNServer, c.Peers.HangupOnFailed = turnServer(s, by), true }, PeerConfig{RelayOnly: true})
			ha.await(EventDataReady)
			hb.await(EventDataReady)
			s.Close()
			_ = a.SendData("chat", "p", false, []byte("hello"))
			ha.await(EventICEFailed)
			if ev := ha.await(EventClosed); ev.Reason != ReasonICEFailed || ev.Cause != CauseNoLocal {
				t.Errorf("closed by reason %q, cause %v", ev.Reason, ev.Cause)
			}
		})
	}
}

// TestRelayAfterRestart: an ICE restart finds another relay for one that died.
func TestRelayAfterRestart(t *testing.T) {
	waittest.NoLeaks(t)
	first, second := turntest.Start(t, turntest.Options{}), turntest.Start(t, turntest.Options{})
	ask := func(_ context.Context, user string) ([]turn.Server, error) {
		if user != "somebody" {
			t.Errorf("asked for user %q", user)
		}
		return []turn.Server{turnServer(first, turn.TCP), turnServer(second, turn.TCP)}, nil
	}
	a, b, ha, hb := relayedPair(t, func(c *Config) { c.TURNServers = ask }, PeerConfig{RelayOnly: true, RelayUser: "somebody"})
	ha.await(EventDataReady)
	hb.await(EventDataReady)
	// The second one is asked as well if the first one is slow.
	waittest.Until(t, "one allocation", func() bool { return first.Allocations()+second.Allocations() == 1 })
	if second.Allocations() == 1 {
		first, second = second, first
	}
	first.Close()
	ha.await(EventICEFailed)
	a.RestartICE()
	ha.await(EventCandidate)
	ha.gathered(a)
	b.RestartICE()
	connect(t, a, b)
	waittest.Until(t, "a path by the other relay", func() bool { return a.Snapshot().ICE.Selected })
	expectData(t, a, b, ha, hb)
	if n := second.Allocations(); n != 1 {
		t.Errorf("%d allocations", n)
	}
}

// TestAskedServers: what a peer is told of replaces the static server, which is
// for when there is nothing to be told.
func TestAskedServers(t *testing.T) {
	s := turntest.Start(t, turntest.Options{})
	good, dead := turnServer(s, turn.UDP), deadServer
	wrong := good
	wrong.Password = "wrong"
	for _, tc := range []struct {
		name   string
		static turn.Server
		asked  []turn.Server
		err    error
		relays int
	}{
		{"asked", dead, []turn.Server{good}, nil, 1},
		{"second of those asked", dead, []turn.Server{dead, good}, nil, 1},
		{"third", dead, []turn.Server{wrong, dead, good}, nil, 1},
		{"failure", good, nil, errors.New("no REST"), 1},
		{"none", good, nil, nil, 1},
		{"none and none", turn.Server{}, nil, nil, 0},
		{"none works", good, []turn.Server{dead, wrong}, nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			waittest.NoLeaks(t)
			e := newEngine(t, func(c *Config) {
				c.TURNServer, c.IgnoreUnreachableServers = tc.static, true
				c.TURNServers = func(context.Context, string) ([]turn.Server, error) { return tc.asked, tc.err }
			})
			h := newEvents(t)
			p, err := e.NewPeer(PeerConfig{RelayOnly: true}, h)
			if err != nil {
				t.Fatal(err)
			}
			h.gathered(p)
			if n := len(p.Candidates()); n != tc.relays {
				t.Errorf("%d relays", n)
			}
			h.await(EventCandidatesDone)
			p.Close("done")
			h.await(EventClosed)
		})
	}
	waittest.Until(t, "all is released", func() bool { return s.Allocations() == 0 })
}

// TestCloseWhileAsking: the end of a peer does not wait for the search.
func TestCloseWhileAsking(t *testing.T) {
	waittest.NoLeaks(t)
	asked := make(chan struct{})
	e := newEngine(t, func(c *Config) {
		c.TURNServers = func(ctx context.Context, _ string) ([]turn.Server, error) {
			close(asked)
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	h := newEvents(t)
	p, _ := e.NewPeer(PeerConfig{}, h)
	<-asked
	p.Close("done")
	h.await(EventClosed)
}

func TestDeadTURNServer(t *testing.T) {
	waittest.NoLeaks(t)
	s := turntest.Start(t, turntest.Options{})
	wrong := turnServer(s, turn.UDP)
	wrong.Password = "wrong"
	for _, server := range []turn.Server{deadServer, wrong} {
		cfg := Config{Shards: 1, Enforce: []string{"127.0.0.1"}, TURNServer: server}
		if e, err := New(cfg); err == nil {
			e.Close()
			t.Error("started")
		} else if !strings.Contains(err.Error(), server.String()) {
			t.Errorf("error %q", err)
		}
		for _, change := range []func(*Config){
			func(c *Config) { c.IgnoreUnreachableServers = true },
			func(c *Config) { c.Peers = &PeerOptions{Lite: true} }, // which has no relays
		} {
			c := cfg
			change(&c)
			e, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			e.Close()
		}
	}
}

// TestRelayOnlyTakesNothingElse: the shard's own address does not answer.
func TestRelayOnlyTakesNothingElse(t *testing.T) {
	waittest.NoLeaks(t)
	s := turntest.Start(t, turntest.Options{})
	ea, eb := newEngine(t, func(c *Config) { c.TURNServer = turnServer(s, turn.UDP) }), newEngine(t, nil)
	a, _ := ea.NewPeer(PeerConfig{RelayOnly: true}, newEvents(t))
	b, _ := eb.NewPeer(PeerConfig{Controlling: true}, newEvents(t))
	a.SetRemote(Remote{ICE: b.ICE(), Fingerprints: fingerprint(t, eb), Role: dtls.Server, Trickle: true})
	b.SetRemote(Remote{ICE: a.ICE(), Fingerprints: fingerprint(t, ea), Role: dtls.Client, Trickle: true})
	for _, c := range ea.candidates(a.site) {
		b.AddCandidate(c)
	}
	waittest.Until(t, "checks are refused", func() bool { return ea.Drops()[media.DropPathInvalid] > 2 })
	if got := b.Snapshot().ICE; got.Selected {
		t.Errorf("connected to %v", got.SelectedRemote)
	}
}
