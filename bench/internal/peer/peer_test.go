package peer

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"bifrons/api/config"
	"bifrons/bench/internal/inside"
)

const patience = 20 * time.Second

// startServer returns a session with a server on loopback.
func startServer(t *testing.T, ctx context.Context) (*inside.Server, *API) {
	t.Helper()
	cfg := config.Default()
	cfg.WebSockets.General.Port = 0
	cfg.Server.NAT.EnforceList = []string{"127.0.0.1"}
	s, err := inside.Start(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	port, err := s.Port()
	if err != nil {
		t.Fatal(err)
	}
	api, err := DialAPI(ctx, fmt.Sprintf("ws://127.0.0.1:%d/", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	return s, api
}

// noLeaks fails the test if goroutines are left behind.
func noLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for end := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				buf := make([]byte, 1<<20)
				t.Errorf("goroutines are left:\n%s", buf[:runtime.Stack(buf, true)])
				return
			}
		}
	})
}

func TestPeersGetTheirMediaBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		dial Dial
		o    Options
		want string
	}{
		{"light GCM", DialLight, Options{Profiles: []string{GCM128}}, GCM128},
		{"light GCM-256 as DTLS client", DialLight, Options{Profiles: []string{GCM256}, Client: true}, GCM256},
		{"light CM", DialLight, Options{Profiles: []string{CM80}}, CM80},
		{"full GCM", DialFull, Options{Profiles: []string{GCM128}}, GCM128},
		{"full CM as DTLS client", DialFull, Options{Profiles: []string{CM80}, Client: true}, CM80},
	} {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			s, api := startServer(t, ctx)
			tt.o.Host, tt.o.Media = "127.0.0.1", DefaultMedia(500_000)
			l, err := Connect(ctx, ctx, api, tt.dial, 2, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			if got := l.Profile(); got != tt.want {
				t.Errorf("SRTP profile %s, want %s", got, tt.want)
			}
			l.Open()
			awaitEcho(t, ctx, l)
			l.Shut()
			l.Close()
			if !s.AwaitEmpty(patience) {
				t.Error("a peer connection is left")
			}
		})
	}
}

// awaitEcho waits until both streams of every peer have come back.
func awaitEcho(t *testing.T, ctx context.Context, l *Load) {
	t.Helper()
	for {
		totals, err := l.Totals()
		if err == nil && totals.Echoed > 200 {
			if totals.Strange != 0 {
				t.Errorf("%d packets that were not sent like that", totals.Strange)
			}
			if totals.Echoed > totals.Sent || totals.SentBytes <= 0 || totals.Trips[0] <= 0 {
				t.Errorf("%d of %d packets (%d bytes) came back, after %v at least",
					totals.Echoed, totals.Sent, totals.SentBytes, totals.Trips[0])
			}
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d of %d packets came back: %v", totals.Echoed, totals.Sent, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestConnectGivesUp(t *testing.T) {
	noLeaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, api := startServer(t, ctx)
	o := Options{Host: "127.0.0.1", Media: DefaultMedia(500_000), Profiles: []string{"no such profile"}}
	for _, dial := range []Dial{DialLight, DialFull} {
		if _, err := Connect(ctx, ctx, api, dial, 1, o); err == nil {
			t.Error("connected with an unknown profile")
		}
	}
}

// TestRoom: every subscriber gets what the publisher sends.
func TestRoom(t *testing.T) {
	for _, profile := range []string{GCM128, CM80} {
		t.Run(profile, func(t *testing.T) {
			noLeaks(t)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			s, api := startServer(t, ctx)
			r, err := OpenRoom(ctx, api, 7, Options{Host: "127.0.0.1", Media: DefaultMedia(500_000), Profiles: []string{profile}})
			if err != nil {
				t.Fatal(err)
			}
			l, err := r.Fill(ctx, ctx, 3)
			if err != nil {
				t.Fatal(err)
			}
			if got := l.Profile(); got != profile {
				t.Errorf("SRTP profile %s", got)
			}
			l.Open()
			for got := int64(0); got < 300; {
				time.Sleep(10 * time.Millisecond)
				totals, _ := l.Totals()
				got = totals.Echoed
				if ctx.Err() != nil {
					t.Fatalf("%+v", totals)
				}
			}
			l.Shut()
			totals, err := l.Totals()
			if err != nil || totals.Strange > 0 || totals.Sent == 0 {
				t.Errorf("%v: %d sent, %d came, %d strange", err, totals.Sent, totals.Echoed, totals.Strange)
			}
			l.Close()
			api.Close()
			if !s.AwaitEmpty(patience) {
				t.Error("peer connections are left")
			}
		})
	}
}
