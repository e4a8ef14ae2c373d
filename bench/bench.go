package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"bifrons/bench/internal/netns"
	"bifrons/bench/internal/peer"
	"bifrons/bench/internal/report"
	"bifrons/bench/internal/server"
)

// dialPatience is for the handshakes of all peers of a measurement.
const dialPatience = 120 * time.Second

// bench is one run.
type bench struct {
	options
	progress io.Writer
	pair     *netns.Pair
	tmp      string // for binaries
	servers  []server.Spec
	report   report.Report
}

// prepare sets the measurements up; done takes everything down.
func (b *bench) prepare() (done func() error, err error) {
	if b.tmp, err = os.MkdirTemp("", "bifrons-bench-"); err != nil {
		return nil, err
	}
	if b.pair, err = netns.New(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.tmp))
	}
	return func() error { return errors.Join(b.pair.Close(), os.RemoveAll(b.tmp)) }, nil
}

// run measures everything and leaves nothing behind.
func (b *bench) run(ctx context.Context) (err error) {
	done, err := b.prepare()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	b.report = report.Report{
		Started: time.Now().UTC().Truncate(time.Second), Machine: report.ThisMachine(), Servers: map[string]string{},
	}
	all, err := server.All(b.tmp, b.with, slices.Contains(b.options.servers, "janus"), slices.Contains(b.options.servers, "pion"), func(err error) {
		b.report.Skipped = append(b.report.Skipped, "janus, with which to compare: "+err.Error())
	})
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Name != "bifrons" || slices.Contains(b.options.servers, "bifrons") {
			b.servers = append(b.servers, s)
			b.report.Servers[s.Name] = s.Version
			b.report.Order = append(b.report.Order, s.Name)
		}
	}
	for i := range workloads {
		w := &workloads[i]
		if b.wanted(w) {
			if err := b.workload(ctx, w); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) wanted(w *workload) bool {
	if len(b.only) > 0 {
		return slices.ContainsFunc(b.only, func(p string) bool { return matches(p, w.name) })
	}
	return b.full || w.short
}

// can reports whether a server has the features that the workload needs.
func (w *workload) can(s server.Spec) bool {
	letter := "b" // also builds from before
	if s.Name == "janus" || s.Name == "pion" {
		letter = s.Name[:1]
	}
	return strings.Contains(w.servers, letter)
}

// workload measures one workload on all servers in turn, a fresh process each
// time. A server that fails is left out, with a message.
func (b *bench) workload(ctx context.Context, w *workload) error {
	results := make([]report.Result, len(b.servers))
	for range max(b.rounds, w.rounds) {
		for i, s := range b.servers {
			if !w.can(s) {
				continue
			}
			r, err := w.measure(ctx, b, s, w)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				b.report.Skipped = append(b.report.Skipped, fmt.Sprintf("%s on %s: %v", w.name, s.Name, err))
				fmt.Fprintf(b.progress, "%-15s %-8s %v\n", w.name, s.Name, err)
				continue
			}
			r.Workload, r.Group, r.Server = w.name, w.group, s.Name
			results[i].Round(r)
			b.say(&results[i])
		}
	}
	for _, r := range results {
		if r.Rounds > 0 {
			b.report.Results = append(b.report.Results, r)
		}
	}
	return nil
}

func (b *bench) say(r *report.Result) {
	what := fmt.Sprintf("%7.2f us/packet  loss %.3f%%", r.PerPacket, 100*r.Loss())
	switch {
	case r.Wanted == 0 && r.PerSecond > 0:
		what = fmt.Sprintf("%7.0f a second, %.0f a CPU second", r.PerSecond, r.PerCPU)
	case r.Wanted == 0:
		what = fmt.Sprintf("%7.1f KiB each", r.PerUnit)
	}
	fmt.Fprintf(b.progress, "%-15s %-8s %s  p50 %.2f p99 %.2f ms  RSS %.1f MB  idle %.0f%%\n",
		r.Workload, r.Server, what, r.P50, r.P99, float64(r.RSS)/(1<<20), 100*r.Idle)
}

// setup is a server that runs, and the hub of its load.
type setup struct {
	process *server.Process
	hub     *peer.Hub
	signals peer.Signaller
	janus   *peer.Janus // nil: it has no Janus API
	patient context.Context
}

// on runs f with a fresh server.
func (b *bench) on(ctx context.Context, s server.Spec, f func(*setup) error) error {
	p, err := s.Start(ctx, b.pair)
	if err != nil {
		return err
	}
	defer p.Stop()
	hub, err := peer.NewHub(netip.MustParseAddr(netns.LoadBase))
	if err != nil {
		return err
	}
	defer hub.Close()
	patient, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	sc := &setup{process: p, hub: hub, patient: patient}
	if s.Plain {
		sc.signals = peer.NewForwarder(p.Base)
	} else {
		if sc.janus, err = peer.NewJanus(patient, p.URL); err != nil {
			return err
		}
		sc.signals = sc.janus
	}
	defer sc.signals.Close()
	return f(sc)
}

// meter reads a server's usage in a time.
type meter struct {
	process *server.Process
	before  server.Usage
	ticks   report.Ticks
	start   time.Time
}

func (sc *setup) meter() (*meter, error) {
	u, err := sc.process.Usage()
	return &meter{process: sc.process, before: u, ticks: report.ReadTicks(), start: time.Now()}, err
}

// result is the usage since.
func (m *meter) result() (r report.Result, err error) {
	after, err := m.process.Usage()
	r.Seconds, r.Idle = time.Since(m.start).Seconds(), report.ReadTicks().IdleSince(m.ticks)
	r.CPU = (after.CPU - m.before.CPU).Seconds()
	r.Switches, r.UDPOut, r.RSS = after.Switches-m.before.Switches, after.UDPOut-m.before.UDPOut, after.RSS
	return r, err
}

func (b *bench) length() time.Duration { return time.Duration(b.seconds * float64(time.Second)) }

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
