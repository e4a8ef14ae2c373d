package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"bifrons/bench/internal/netns"
	"bifrons/bench/internal/peer"
	"bifrons/bench/internal/report"
	"bifrons/bench/internal/server"
)

const (
	// dialPatience is for the handshakes of all peers of a measurement.
	dialPatience = 90 * time.Second
	roomID       = 4711
)

// round is one measurement of one server.
type round struct {
	SRTP    string `json:"srtp_profile"`
	Server  string `json:"server"`
	Version string `json:"version"`

	Seconds   float64 `json:"seconds"`
	Wanted    int64   `json:"packets_to_deliver"`
	Delivered int64   `json:"packets_delivered"`
	Strange   int64   `json:"strange"`
	CPU       float64 `json:"cpu_seconds"`
	PerPacket float64 `json:"cpu_us_per_delivered_packet"`
	P50       float64 `json:"latency_p50_ms"` // sender to receiver, through the server
	P95       float64 `json:"latency_p95_ms"`
	P99       float64 `json:"latency_p99_ms"`
	Memory    float64 `json:"memory_kib_per_subscriber"`
	RSS       int64   `json:"rss_bytes"`
	Switches  int64   `json:"context_switches"`
	UDPOut    int64   `json:"udp_sends"`
	LoadError int64   `json:"load_udp_errors"`
	Idle      float64 `json:"machine_idle"`
}

// bench is one run.
type bench struct {
	options
	progress io.Writer
	pair     *netns.Pair
	tmp      string // for binaries
	results  []round
	top      []string
}

// run measures everything and leaves nothing behind.
func (b *bench) run(ctx context.Context) (err error) {
	if b.tmp, err = os.MkdirTemp("", "bifrons-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.tmp)
	servers, err := server.All(b.tmp, b.with, b.janus, func(err error) { fmt.Fprintf(b.progress, "without janus: %v\n", err) })
	if err != nil {
		return err
	}
	if b.pair, err = netns.New(); err != nil {
		return err
	}
	defer func() {
		if e := b.pair.Close(); err == nil {
			err = e
		}
	}()
	for _, profile := range b.profiles {
		for range b.rounds {
			for _, s := range servers {
				if err := b.measure(ctx, s, srtp[profile]); err != nil {
					return fmt.Errorf("%s, %s: %w", profile, s.Name, err)
				}
			}
		}
	}
	if b.profile == "" {
		return nil
	}
	s, err := server.Profiled(b.tmp)
	if err != nil {
		return err
	}
	return b.filled(ctx, s, srtp[b.profiles[0]], func(p *server.Process, _ *peer.Load, _ int64) error {
		if err := sleep(ctx, b.warmUp); err != nil {
			return err
		}
		b.top, err = p.Profile(ctx, b.profile, time.Duration(b.seconds*float64(time.Second)))
		return err
	})
}

// filled starts a server with a room full of peers; f is told the server's
// memory when only the publisher was there.
func (b *bench) filled(ctx context.Context, s server.Spec, profile string, f func(*server.Process, *peer.Load, int64) error) error {
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
	room, err := b.open(patient, api, peer.Options{
		Host: netns.HostAddr, Media: peer.DefaultMedia(b.rate), Profiles: []string{profile},
	})
	if err != nil {
		return err
	}
	before, err := p.Usage()
	if err != nil {
		return err
	}
	load, err := room.Fill(patient, ctx, b.subscribers)
	if err != nil {
		return err
	}
	defer load.Close()
	return f(p, load, before.RSS)
}

// audience is where subscribers go.
type audience interface {
	Fill(dialing, ctx context.Context, n int) (*peer.Load, error)
}

func (b *bench) open(ctx context.Context, api *peer.API, o peer.Options) (audience, error) {
	if b.streaming {
		return peer.OpenMountpoint(ctx, api, netns.InsideAddr, roomID, o)
	}
	return peer.OpenRoom(ctx, api, roomID, o)
}

// measure is one measurement on a fresh server.
func (b *bench) measure(ctx context.Context, s server.Spec, profile string) error {
	return b.filled(ctx, s, profile, func(p *server.Process, l *peer.Load, empty int64) error {
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
		r := round{
			SRTP: l.Profile(), Server: s.Name, Version: s.Version,
			Seconds: time.Since(start).Seconds(), Idle: report.ReadTicks().IdleSince(ticks),
		}
		if err := sleep(ctx, b.drained); err != nil {
			return err
		}
		t, err := l.Totals()
		if err != nil {
			return err
		}
		r.LoadError = server.UDPErrors() - failed
		r.Wanted, r.Delivered, r.Strange = t.Sent*int64(b.subscribers), t.Echoed, t.Strange
		r.CPU = (after.CPU - before.CPU).Seconds()
		r.PerPacket = r.CPU * 1e6 / float64(max(r.Delivered, 1))
		r.P50, r.P95, r.P99 = report.Percentiles(t.Trips)
		r.Memory = float64(after.RSS-empty) / 1024 / float64(b.subscribers)
		r.RSS, r.Switches, r.UDPOut = after.RSS, after.Switches-before.Switches, after.UDPOut-before.UDPOut
		b.results = append(b.results, r)
		fmt.Fprintf(b.progress, "%-17s %-8s %6.2f us/packet  loss %.3f%%  p99 %.2f ms  idle %.0f%%\n",
			r.SRTP, r.Server, r.PerPacket, 100*r.loss(), r.P99, 100*r.Idle)
		return nil
	})
}

func (r *round) loss() float64 {
	return float64(r.Wanted-r.Delivered) / float64(max(r.Wanted, 1))
}

// write writes the report for people.
func (b *bench) write(w io.Writer) {
	m := peer.DefaultMedia(b.rate)
	fmt.Fprintf(w, "Machine: %s\n", report.ThisMachine())
	fmt.Fprintf(w, "Load:    one publisher of video %.2f Mbit/s in %d bursts a second and %d audio packets a second, %d subscribers; %g s each\n\n",
		float64(b.rate)/1e6, m.VideoFPS, m.AudioPPS, b.subscribers, b.seconds)
	t := report.NewTable("SRTP", "server", "version", "CPU us/pkt", "CPU", "to deliver", "loss", "strange", "load err", "p50 ms", "p95 ms", "p99 ms",
		"KiB/sub", "RSS MB", "switches/pkt", "pkts/send", "idle")
	for i := range b.results {
		r := &b.results[i]
		n := float64(max(r.Delivered, 1))
		t.Add(r.SRTP, r.Server, r.Version, fmt.Sprintf("%.2f", r.PerPacket), fmt.Sprintf("%.1f%%", 100*r.CPU/r.Seconds),
			r.Wanted, fmt.Sprintf("%.3f%%", 100*r.loss()), r.Strange, r.LoadError,
			fmt.Sprintf("%.2f", r.P50), fmt.Sprintf("%.2f", r.P95), fmt.Sprintf("%.2f", r.P99),
			fmt.Sprintf("%.0f", r.Memory), fmt.Sprintf("%.1f", float64(r.RSS)/(1<<20)),
			fmt.Sprintf("%.3f", float64(r.Switches)/n), fmt.Sprintf("%.2f", n/float64(max(r.UDPOut, 1))), fmt.Sprintf("%.0f%%", 100*r.Idle))
	}
	t.Write(w, b.style)
	b.ratios(w)
	for _, line := range b.top {
		fmt.Fprintln(w, line)
	}
}

// ratios compares the CPU time of each server, all rounds together, with that of
// the first.
func (b *bench) ratios(w io.Writer) {
	type sum struct{ cpu, packets float64 }
	var order []string
	sums := map[string]sum{}
	for _, r := range b.results {
		k := r.SRTP + "  " + r.Server
		if !slices.Contains(order, k) {
			order = append(order, k)
		}
		s := sums[k]
		sums[k] = sum{s.cpu + r.CPU*1e6, s.packets + float64(r.Delivered)}
	}
	fmt.Fprintln(w)
	for _, k := range order {
		s := sums[k]
		first := sums[k[:len(k)-len(lastWord(k))]+b.results[0].Server]
		fmt.Fprintf(w, "%s: %.2f us a delivered packet, %.2f times %s\n", k, s.cpu/s.packets, s.cpu/s.packets/(first.cpu/first.packets), b.results[0].Server)
	}
}

func lastWord(s string) string {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == ' ' {
			return s[i+1:]
		}
	}
	return s
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
