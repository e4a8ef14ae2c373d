package peer

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"bifrons/api/config"
	"bifrons/bench/internal/inside"
	"bifrons/rtp/waittest"
)

const patience = waittest.Patience

// startServer returns a session with a server on loopback, and a hub.
func startServer(t *testing.T, ctx context.Context) (*inside.Server, *Janus, *Hub) {
	t.Helper()
	cfg := config.Default()
	cfg.WebSockets.General.Port = 0
	cfg.Server.NAT.EnforceList = []string{"127.0.0.1"}
	s, err := inside.Start(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { waittest.Close(t, s) })
	port, err := s.Port()
	if err != nil {
		t.Fatal(err)
	}
	hub, err := NewHub(netip.MustParseAddr("127.78.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	j, err := NewJanus(ctx, fmt.Sprintf("ws://127.0.0.1:%d/", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	return s, j, hub
}

// await waits until the totals are as wanted.
func await(t *testing.T, ctx context.Context, h *Hub, what string, ok func(Totals) bool) Totals {
	t.Helper()
	for {
		totals := h.Totals()
		if totals.Strange > 0 {
			t.Fatalf("%d packets that were not sent like that", totals.Strange)
		}
		if ok(totals) {
			return totals
		}
		select {
		case <-ctx.Done():
			totals.Trips = nil
			t.Fatalf("%s: %+v", what, totals)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestPeersGetTheirMediaBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		full bool
		o    Options
		want string
	}{
		{"light GCM", false, Options{Profiles: []string{GCM128}}, GCM128},
		{"light GCM-256 as DTLS client", false, Options{Profiles: []string{GCM256}, Client: true}, GCM256},
		{"light CM", false, Options{Profiles: []string{CM80}}, CM80},
		{"full GCM", true, Options{Profiles: []string{GCM128}}, GCM128},
		{"full CM as DTLS client", true, Options{Profiles: []string{CM80}, Client: true}, CM80},
	} {
		t.Run(tt.name, func(t *testing.T) {
			waittest.NoLeaks(t)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			s, j, hub := startServer(t, ctx)
			tt.o.Media = DefaultMedia(500_000)
			l := NewLoad(hub, tt.o.Media)
			defer l.Close()
			for i := range 2 {
				tt.o.ID = uint32(i) + 1
				n, err := j.Echo(ctx)
				if err != nil {
					t.Fatal(err)
				}
				var p Peer
				if tt.full {
					p, err = NewFull(ctx, hub, n, tt.o, "127.0.0.1")
				} else {
					p, err = NewLight(ctx, hub, n, tt.o)
				}
				if err != nil {
					t.Fatal(err)
				}
				l.Add(p, true, true)
			}
			if got := l.Profile(); got != tt.want {
				t.Errorf("SRTP profile %s, want %s", got, tt.want)
			}
			hub.Open() // before anything is sent, so that what comes was counted
			l.Start(ctx)
			totals := await(t, ctx, hub, "no echo", func(n Totals) bool { return n.Received > 200 && l.AllGot() == nil })
			if totals.Received > totals.Sent || len(totals.Trips) != int(totals.Received) || totals.Trips[0] <= 0 {
				t.Errorf("%d of %d packets came back, %d of them looked into", totals.Received, totals.Sent, len(totals.Trips))
			}
			l.Close()
			j.Close()
			if !s.AwaitEmpty(patience) {
				t.Error("a peer connection is left")
			}
		})
	}
}

// TestTelephone: who calls the exchange gets its audio back, and may call again.
func TestTelephone(t *testing.T) {
	waittest.NoLeaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, j, hub := startServer(t, ctx)
	x, err := NewExchange("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	phone, err := j.Register(ctx, x, 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		n := phone.Call()
		p, err := NewLight(ctx, hub, n, Options{ID: 1, Media: AudioOnly(), Profiles: []string{GCM128}})
		if err != nil {
			t.Fatal(err)
		}
		l := NewLoad(hub, AudioOnly())
		l.Add(p, true, true)
		l.Start(ctx)
		select {
		case <-p.Arrived():
		case <-ctx.Done():
			t.Fatal("no audio came back")
		}
		if err := n.Leave(ctx); err != nil {
			t.Error(err)
		}
		l.Close()
	}
	if calls, ended := x.Calls.Load(), x.Ended.Load(); calls != 2 || ended != 2 {
		t.Errorf("%d calls, %d ended", calls, ended)
	}
	j.Close()
	if !s.AwaitEmpty(patience) {
		t.Error("a peer connection is left")
	}
}

// TestCall: both sides of a call get what the other one sends.
func TestCall(t *testing.T) {
	for _, tt := range []struct {
		name              string
		full              bool
		telephone, secure bool
	}{
		{name: "light"}, {name: "full", full: true}, {name: "telephone", telephone: true},
		{name: "telephone with SRTP", telephone: true, secure: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			waittest.NoLeaks(t)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			s, j, hub := startServer(t, ctx)
			l := NewLoad(hub, DefaultMedia(500_000))
			defer l.Close()
			var caller, callee *Negotiation
			var err error
			if tt.telephone {
				caller, callee, err = j.Telephone(ctx, tt.secure)
			} else {
				caller, callee, err = j.Call(ctx, 1, 2)
			}
			if err != nil {
				t.Fatal(err)
			}
			var both sync.WaitGroup
			for i, n := range []*Negotiation{caller, callee} {
				both.Go(func() {
					o := Options{ID: uint32(i) + 1, Media: DefaultMedia(500_000), Profiles: []string{GCM128}}
					var p Peer
					var err error
					if tt.full {
						p, err = NewFull(ctx, hub, n, o, "127.0.0.1")
					} else {
						p, err = NewLight(ctx, hub, n, o)
					}
					if err != nil {
						t.Error(err)
						cancel()
						return
					}
					l.Add(p, true, true)
				})
			}
			both.Wait()
			hub.Open()
			l.Start(ctx)
			await(t, ctx, hub, "no media", func(n Totals) bool { return n.Received > 200 && l.AllGot() == nil })
			l.Close()
			j.Close()
			if !s.AwaitEmpty(patience) {
				t.Error("a peer connection is left")
			}
		})
	}
}

// TestCallFails: nobody waits for an answer to a call that fails.
func TestCallFails(t *testing.T) {
	waittest.NoLeaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, j, _ := startServer(t, ctx)
	caller, callee, err := j.Call(ctx, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := callee.Leave(ctx); err != nil {
		t.Fatal(err)
	}
	l := local{candidates: []string{"1 1 udp 1 127.0.0.1 1 typ host"}, media: AudioOnly()}
	if _, err := caller.Offer(ctx, l.offer(true)); err == nil || ctx.Err() != nil {
		t.Errorf("called somebody who is gone: %v", err)
	}
	if _, _, err := j.Call(ctx, 1, 3); err == nil {
		t.Error("a name was given twice")
	}
}

func TestPeersGiveUp(t *testing.T) {
	waittest.NoLeaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, j, hub := startServer(t, ctx)
	o := Options{Media: DefaultMedia(500_000), Profiles: []string{"no such profile"}}
	n, err := j.Echo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewLight(ctx, hub, n, o); err == nil {
		t.Error("a light peer connected with an unknown profile")
	}
	if _, err := NewFull(ctx, hub, n, o, "127.0.0.1"); err == nil {
		t.Error("a full peer connected with an unknown profile")
	}
}

// room fills a room of a server with a publisher and subscribers to it.
func room(t *testing.T, ctx context.Context, j *Janus, hub *Hub, subscribers int, full bool, o Options) *Load {
	t.Helper()
	l := NewLoad(hub, o.Media)
	t.Cleanup(l.Close)
	o.ID = 1
	n, err := j.Publish(ctx, 7, 1)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewLight(ctx, hub, n, o)
	if err != nil {
		t.Fatal(err)
	}
	l.Add(p, true, false)
	l.Start(ctx)
	for i := range subscribers {
		o.ID = uint32(i) + 100
		n, err := j.Subscribe(ctx, 7, []uint32{1})
		if err != nil {
			t.Fatal(err)
		}
		var p Peer
		if full {
			p, err = NewFull(ctx, hub, n, o, "127.0.0.1")
		} else {
			p, err = NewLight(ctx, hub, n, o)
		}
		if err != nil {
			t.Fatal(err)
		}
		l.Add(p, false, true)
	}
	return l
}

// TestRoom: every subscriber gets what the publisher sends.
func TestRoom(t *testing.T) {
	for _, full := range []bool{false, true} {
		for _, profile := range []string{GCM128, CM80} {
			t.Run(fmt.Sprintf("%s full=%v", profile, full), func(t *testing.T) {
				waittest.NoLeaks(t)
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				s, j, hub := startServer(t, ctx)
				l := room(t, ctx, j, hub, 3, full, Options{Media: DefaultMedia(500_000), Profiles: []string{profile}})
				if got := l.Profile(); got != profile {
					t.Errorf("SRTP profile %s", got)
				}
				hub.Open()
				await(t, ctx, hub, "too little came", func(n Totals) bool { return n.Received > 300 && l.AllGot() == nil })
				hub.Shut()
				l.Close()
				j.Close()
				if !s.AwaitEmpty(patience) {
					t.Error("peer connections are left")
				}
			})
		}
	}
}

// TestLossIsRepaired: what is dropped on purpose is asked for and comes again.
func TestLossIsRepaired(t *testing.T) {
	waittest.NoLeaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, j, hub := startServer(t, ctx)
	l := room(t, ctx, j, hub, 2, false, Options{Media: DefaultMedia(1_000_000), Profiles: []string{GCM128}})
	hub.Lose(10)
	hub.Open()
	await(t, ctx, hub, "too little was repaired", func(n Totals) bool { return n.Lost > 20 && n.Recovered > n.Lost/2 })
	l.Close()
}

// TestLayers: a subscriber gets the encoding that it asks for.
func TestLayers(t *testing.T) {
	waittest.NoLeaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, j, hub := startServer(t, ctx)
	m := DefaultMedia(1_500_000)
	m.Simulcast = true
	l := room(t, ctx, j, hub, 1, false, Options{Media: m, Profiles: []string{GCM128}})
	hub.Open()
	n := l.Peers()[1].(*Light).Negotiation()
	for i, layer := range []int{0, 2, 1} {
		if err := n.Layer(ctx, layer); err != nil {
			t.Fatal(err)
		}
		await(t, ctx, hub, "the encoding did not change", func(n Totals) bool { return n.Switches > int64(i) })
	}
	l.Close()
}

// TestArrives: a peer tells when its media has come, and leaves.
func TestArrives(t *testing.T) {
	waittest.NoLeaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, j, hub := startServer(t, ctx)
	l := room(t, ctx, j, hub, 1, false, Options{Media: AudioOnly(), Profiles: []string{GCM128}})
	p := l.Peers()[1].(*Light)
	select {
	case <-p.Arrived():
	case <-ctx.Done():
		t.Error("no media came")
	}
	for _, p := range l.Peers() {
		if err := p.(*Light).Negotiation().Leave(ctx); err != nil {
			t.Error(err)
		}
	}
	if !s.AwaitEmpty(patience) {
		t.Error("peer connections are left")
	}
	l.Close()
}
