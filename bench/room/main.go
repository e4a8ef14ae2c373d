// Command room measures what a large room costs a server: it runs bifrons, and
// janus where it is installed, in a network namespace, one after the other, has
// one WebRTC client publish in a room of each and many others subscribe, and
// divides the CPU time of the server by the packets that were delivered.
package main

import (
	"context"
	"encoding/json"
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
	"bifrons/bench/internal/peer"
	"bifrons/bench/internal/report"
)

// options are the command line.
type options struct {
	subscribers, rounds int
	seconds             float64
	rate                int
	profiles            []string
	janus               bool
	streaming           bool
	with                []string // NAME=BINARY
	json                string
	style               report.Style
	profile             string
	warmUp, drained     time.Duration
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
		fmt.Fprintln(stderr, "room:", err)
		return 2
	}
	if err := netns.Available(); err != nil {
		fmt.Fprintln(stdout, "skipped:", err)
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{options: o, progress: stderr}
	err = b.run(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "room:", err)
		return 1
	}
	b.write(stdout)
	if o.json != "" {
		if err := writeJSON(o.json, b.results); err != nil {
			fmt.Fprintln(stderr, "room:", err)
			return 1
		}
	}
	return 0
}

// srtp are the profiles by their short names.
var srtp = map[string]string{"gcm": peer.GCM128, "cm": peer.CM80}

func parse(args []string, stderr io.Writer) (o options, err error) {
	o = options{warmUp: 3 * time.Second, drained: 500 * time.Millisecond}
	f := flag.NewFlagSet("room", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.subscribers, "subscribers", 100, "number of `peers` that subscribe to the one that publishes")
	f.Float64Var(&o.seconds, "seconds", 8, "length of one measurement in `seconds`")
	rate := f.Float64("rate", 1.5, "video bit rate in `Mbit/s`")
	f.IntVar(&o.rounds, "rounds", 2, "measurements of every case on every server")
	names := f.String("srtp", "gcm", "`list` of gcm and cm, the SRTP profiles that the peers offer")
	janus := f.String("janus", "auto", "auto: beside janus if it is installed; off: bifrons only")
	f.Func("with", "also measure a bifrons built before, `NAME=BINARY`; may be repeated", func(v string) error {
		if name, binary, ok := strings.Cut(v, "="); !ok || name == "" || binary == "" {
			return errors.New("is not NAME=BINARY")
		}
		o.with = append(o.with, v)
		return nil
	})
	f.BoolVar(&o.streaming, "streaming", false, "a mountpoint of the Streaming plugin, fed by plain RTP, in place of a room")
	f.StringVar(&o.json, "json", "", "also write the measurements to this `file`")
	md := f.Bool("md", false, "tables in Markdown")
	f.StringVar(&o.profile, "profile", "", "also write a CPU profile of bifrons to this `file` and show its top")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.rate = int(*rate * 1e6)
	o.style = report.Style(*md)
	for _, name := range strings.Split(*names, ",") {
		if srtp[name] == "" {
			return o, fmt.Errorf("-srtp: there is no %q", name)
		}
		o.profiles = append(o.profiles, name)
	}
	if !slices.Contains([]string{"auto", "off"}, *janus) {
		return o, errors.New("-janus is auto or off")
	}
	o.janus = *janus == "auto"
	if f.NArg() > 0 || o.subscribers < 1 || o.subscribers > 2000 || o.rounds < 1 || o.seconds <= 0 || o.rate < 100_000 {
		return o, errors.New("bad arguments; -subscribers is 1 to 2000, -rate at least 0.1")
	}
	return o, nil
}

func writeJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(b, '\n'), 0o644)
}
