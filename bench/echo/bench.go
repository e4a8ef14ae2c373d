package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"bifrons/bench/internal/netns"
	"bifrons/bench/internal/peer"
	"bifrons/bench/internal/report"
	"bifrons/bench/internal/server"
)

// testCase is a kind of peers.
type testCase struct {
	name     string
	dial     peer.Dial
	profiles []string
}

// Light peers do nothing but their handshake and media, so that the SRTP
// profiles compare; full ones are pion/webrtc with all its RTCP.
var cases = []testCase{
	{"light-gcm", peer.DialLight, []string{peer.GCM128}},
	{"light-cm", peer.DialLight, []string{peer.CM80}},
	{"full-gcm", peer.DialFull, []string{peer.GCM128}},
	{"full-cm", peer.DialFull, []string{peer.CM80}},
}

var defaultCases = []string{"light-gcm", "light-cm", "full-gcm"}

// everyProfile is what a browser offers.
var everyProfile = []string{peer.GCM256, peer.GCM128, peer.CM80}

func caseNames() (list []string) {
	for _, c := range cases {
		list = append(list, c.name)
	}
	return list
}

func caseNamed(name string) testCase {
	for _, c := range cases {
		if c.name == name {
			return c
		}
	}
	return testCase{}
}

// dialPatience is for the handshakes of all peers of a measurement.
const dialPatience = 60 * time.Second

// bench is one run.
type bench struct {
	options
	progress io.Writer
	pair     *netns.Pair
	tmp      string // for binaries
	servers  []server.Spec
	report   report.Report
}

// run measures everything and leaves nothing behind.
func (b *bench) run(ctx context.Context) (_ *report.Report, err error) {
	if b.tmp, err = os.MkdirTemp("", "bifrons-bench-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(b.tmp)
	b.servers, err = server.All(b.tmp, b.with, b.janus, func(err error) { fmt.Fprintf(b.progress, "without janus: %v\n", err) })
	if err != nil {
		return nil, err
	}
	if b.pair, err = netns.New(); err != nil {
		return nil, err
	}
	defer func() {
		if e := b.pair.Close(); err == nil {
			err = e
		}
	}()
	b.describe()
	for _, s := range b.servers {
		if err := b.choices(ctx, s); err != nil {
			return nil, err
		}
	}
	for _, name := range b.cases {
		for round := range b.rounds {
			for _, s := range b.servers {
				if err := b.measure(ctx, caseNamed(name), s, round+1); err != nil {
					return nil, fmt.Errorf("%s, %s: %w", name, s.Name, err)
				}
			}
		}
	}
	if b.profile != "" {
		if err := b.profileServer(ctx); err != nil {
			return nil, fmt.Errorf("profile: %w", err)
		}
	}
	b.report.Summarise()
	return &b.report, nil
}

func (b *bench) media() peer.Media { return peer.DefaultMedia(b.rate) }

func (b *bench) describe() {
	m := b.media()
	b.report = report.Report{
		Started: time.Now().UTC().Truncate(time.Second), Machine: report.ThisMachine(), Servers: map[string]string{},
		Load: report.Load{
			Peers: b.peers, VideoBitsPerS: m.VideoRate, AudioBitsPerS: 8 * m.AudioBytes * m.AudioPPS,
			FramesPerS: m.VideoFPS, AudioPerS: m.AudioPPS, SecondsPerTurn: b.seconds,
		},
	}
	for _, s := range b.servers {
		b.report.Servers[s.Name] = s.Version
	}
}

// loaded starts a server and connects peers to it.
func (b *bench) loaded(ctx context.Context, s server.Spec, dial peer.Dial, n int, o peer.Options, f func(*server.Process, *peer.Load) error) error {
	p, err := s.Start(ctx, b.pair)
	if err != nil {
		return err
	}
	defer p.Stop()
	patient, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	api, err := peer.DialAPI(patient, p.URL)
	if err != nil {
		return err
	}
	defer api.Close()
	o.Host, o.Media = netns.HostAddr, b.media()
	load, err := peer.Connect(patient, ctx, api, dial, n, o)
	if err != nil {
		return err
	}
	defer load.Close()
	return f(p, load)
}

// choices finds which SRTP profile comes out if the peer offers all.
func (b *bench) choices(ctx context.Context, s server.Spec) error {
	for _, client := range []bool{false, true} {
		o := peer.Options{Profiles: everyProfile, Client: client}
		err := b.loaded(ctx, s, peer.DialLight, 1, o, func(_ *server.Process, l *peer.Load) error {
			c := report.Choice{Server: s.Name, PeerRole: "server", Profile: l.Profile()}
			if client {
				c.PeerRole = "client"
			}
			b.report.Choices = append(b.report.Choices, c)
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}

// measure is one measurement on a fresh server.
func (b *bench) measure(ctx context.Context, c testCase, s server.Spec, round int) error {
	return b.loaded(ctx, s, c.dial, b.peers, peer.Options{Profiles: c.profiles}, func(p *server.Process, l *peer.Load) error {
		r := report.Round{Case: c.name, Server: s.Name, Round: round, Profile: l.Profile()}
		if err := sleep(ctx, b.warmUp); err != nil {
			return err
		}
		before, err := p.Usage()
		if err != nil {
			return err
		}
		failed := server.UDPErrors()
		ticks, start := report.ReadTicks(), time.Now()
		l.Open()
		if err := sleep(ctx, time.Duration(b.seconds*float64(time.Second))); err != nil {
			return err
		}
		l.Shut()
		after, err := p.Usage()
		if err != nil {
			return err
		}
		r.Seconds, r.Idle = time.Since(start).Seconds(), report.ReadTicks().IdleSince(ticks)
		if err := sleep(ctx, b.drained); err != nil {
			return err
		}
		t, err := l.Totals()
		if err != nil {
			return err
		}
		r.LoadErrors = server.UDPErrors() - failed
		r.Sent, r.Echoed, r.Strange = t.Sent, t.Echoed, t.Strange
		r.SetTrips(t.Trips)
		r.CPU = (after.CPU - before.CPU).Seconds()
		r.Switches = after.Switches - before.Switches
		r.RSS, r.PeakRSS, r.Threads = after.RSS, after.PeakRSS, after.Threads
		r.UDPIn, r.UDPOut, r.UDPErrors = after.UDPIn-before.UDPIn, after.UDPOut-before.UDPOut, after.UDPErrors-before.UDPErrors
		b.report.Rounds = append(b.report.Rounds, r)
		fmt.Fprintf(b.progress, "%-9s round %d  %-7s  %6.2f us/packet  loss %.3f%%  p99 %.2f ms  idle %.0f%%\n",
			r.Case, r.Round, r.Server, r.PerPacket(), 100*r.Loss(), r.P99, 100*r.Idle)
		return nil
	})
}

// sleep ends early with an error if ctx does.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
