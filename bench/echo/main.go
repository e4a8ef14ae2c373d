// Command echo measures what echoing media costs a server: it runs bifrons, and
// janus where it is installed, in a network namespace, one after the other, puts
// the same WebRTC peers on the EchoTest of each, and divides the CPU time of the
// server by the packets that came back.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"bifrons/bench/internal/netns"
	"bifrons/bench/internal/report"
)

// options are the command line.
type options struct {
	peers, rounds   int
	seconds         float64
	rate            int
	cases           []string
	janus           bool
	with            []string // NAME=BINARY
	json            string
	style           report.Style
	profile         string
	profileSeconds  float64
	warmUp, drained time.Duration
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "echo:", err)
		return 2
	}
	if err := netns.Available(); err != nil {
		fmt.Fprintln(stdout, "skipped:", err)
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{options: o, progress: stderr}
	r, err := b.run(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "echo:", err)
		return 1
	}
	r.Write(stdout, o.style)
	for _, line := range r.Profiles {
		fmt.Fprintln(stdout, line)
	}
	if o.json != "" {
		if err := writeJSON(o.json, r); err != nil {
			fmt.Fprintln(stderr, "echo:", err)
			return 1
		}
	}
	return 0
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	o = options{warmUp: 2 * time.Second, drained: 300 * time.Millisecond}
	f := flag.NewFlagSet("echo", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.peers, "peers", 20, "number of `peers`")
	f.Float64Var(&o.seconds, "seconds", 8, "length of one measurement in `seconds`")
	rate := f.Float64("rate", 1.5, "video bit rate of a peer in `Mbit/s`")
	f.IntVar(&o.rounds, "rounds", 2, "measurements of every case on every server")
	names := f.String("cases", strings.Join(defaultCases, ","), "`list` of "+strings.Join(caseNames(), ", "))
	janus := f.String("janus", "auto", "auto: beside janus if it is installed; off: bifrons only")
	f.Func("with", "also measure a bifrons built before, `NAME=BINARY`; may be repeated", func(v string) error {
		if name, binary, ok := strings.Cut(v, "="); !ok || name == "" || binary == "" {
			return errors.New("is not NAME=BINARY")
		}
		o.with = append(o.with, v)
		return nil
	})
	f.StringVar(&o.json, "json", "", "also write the results to this `file`")
	md := f.Bool("md", false, "tables in Markdown")
	f.StringVar(&o.profile, "profile", "", "also write a CPU profile of bifrons to this `file` and show its top")
	f.Float64Var(&o.profileSeconds, "profile-seconds", 20, "length of the profile in `seconds`")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.rate = int(*rate * 1e6)
	o.style = report.Style(*md)
	o.cases = strings.Split(*names, ",")
	for _, name := range o.cases {
		if !slices.Contains(caseNames(), name) {
			return o, fmt.Errorf("-cases: there is no %q", name)
		}
	}
	if *janus != "auto" && *janus != "off" {
		return o, errors.New("-janus is auto or off")
	}
	o.janus = *janus == "auto"
	if f.NArg() > 0 || o.peers < 1 || o.peers > 1000 || o.rounds < 1 || o.seconds <= 0 || o.rate < 100_000 || o.profileSeconds <= 0 {
		return o, errors.New("bad arguments; -peers is 1 to 1000, -rate at least 0.1")
	}
	return o, nil
}

func writeJSON(name string, r *report.Report) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(r.WriteJSON(f), f.Close())
}
