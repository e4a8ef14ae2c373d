// Command bench measures the costs of the server, beside the janus of Debian and a
// plain forwarder of pion/webrtc where those can be had. Each runs in a network
// namespace of its own, one after another, under the same load; the CPU time of
// its process is divided by the packets that arrived.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"bifrons/bench/internal/netns"
	"bifrons/bench/internal/report"
)

// options are the command line.
type options struct {
	list            bool
	full            bool
	only            []string // names, or beginnings of names that end in *
	rounds          int
	seconds         float64
	servers         []string
	with            []string // NAME=BINARY
	out             string
	style           report.Style
	profile         string
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
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	case o.list:
		for _, w := range workloads {
			fmt.Fprintf(stdout, "%-14s %s\n", w.name, w.about)
		}
		return 0
	}
	if err := netns.Available(); err != nil {
		fmt.Fprintln(stdout, "skipped:", err)
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{options: o, progress: stderr}
	if o.profile != "" {
		err = b.profiled(ctx, stdout)
	} else if err = b.run(ctx); err == nil {
		err = b.publish(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	o = options{warmUp: 2 * time.Second, drained: 300 * time.Millisecond}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.BoolVar(&o.list, "list", false, "list the workloads")
	f.BoolVar(&o.full, "full", false, "all workloads, longer and more often")
	only := f.String("only", "", "`list` of workloads, or of beginnings of their names with a * behind")
	f.IntVar(&o.rounds, "rounds", 0, "measurements of every workload on every server, 0 = 1, with -full 3")
	f.Float64Var(&o.seconds, "seconds", 0, "length of one measurement in `seconds`, 0 = 4, with -full 15")
	servers := f.String("servers", "bifrons,janus,pion", "`list` of what to measure")
	f.Func("with", "also measure a bifrons built before, `NAME=BINARY`; may be repeated", func(v string) error {
		if name, binary, ok := strings.Cut(v, "="); !ok || name == "" || binary == "" {
			return errors.New("is not NAME=BINARY")
		}
		o.with = append(o.with, v)
		return nil
	})
	f.StringVar(&o.out, "out", "", "write the results and plots to this `folder`, - for none; default bench/results/DATE-COMMIT")
	md := f.Bool("md", false, "tables in Markdown")
	f.StringVar(&o.profile, "profile", "", "instead write a CPU profile of bifrons under the first workload to this `file` and show its top")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.style = report.Style(*md)
	if o.rounds == 0 {
		o.rounds = 1
		if o.full {
			o.rounds = 3
		}
	}
	if o.seconds == 0 {
		o.seconds = 4
		if o.full {
			o.seconds = 15
		}
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	for _, name := range o.only {
		if !slices.ContainsFunc(workloads, func(w workload) bool { return matches(name, w.name) }) {
			return o, fmt.Errorf("-only: there is no workload %q; see -list", name)
		}
	}
	o.servers = strings.Split(*servers, ",")
	for _, name := range o.servers {
		if !slices.Contains([]string{"bifrons", "janus", "pion"}, name) {
			return o, fmt.Errorf("-servers: there is no %q", name)
		}
	}
	if f.NArg() > 0 || o.rounds < 1 || o.seconds <= 0 {
		return o, errors.New("bad arguments; see -help")
	}
	return o, nil
}

func matches(pattern, name string) bool {
	if begin, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, begin)
	}
	return pattern == name
}

// publish writes the results for people, and to a folder.
func (b *bench) publish(stdout io.Writer) error {
	b.report.Write(stdout, b.style)
	if b.out == "-" {
		return nil
	}
	if b.out == "" {
		b.out = filepath.Join(root(), "bench", "results", b.report.Started.Format("2006-01-02")+"-"+b.report.Servers["bifrons"])
	}
	if err := b.report.Save(b.out); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\nresults and plots are in %s\n", b.out)
	return nil
}

// root is the folder of this module.
func root() string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "."
	}
	return strings.TrimSpace(string(out))
}
