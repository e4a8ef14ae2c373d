// Package report turns measurements into tables, plots and JSON.
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Report is the outcome of one run of the benchmark.
type Report struct {
	Started time.Time         `json:"started"`
	Machine Machine           `json:"machine"`
	Servers map[string]string `json:"servers"` // name to version
	Order   []string          `json:"order"`   // names of servers
	Results []Result          `json:"results"`
	Skipped []string          `json:"skipped,omitempty"` // what was not measured, and why
}

// Result is one workload on one server, all rounds together. Fields that do not apply
// are zero.
type Result struct {
	Workload string `json:"workload"`
	Group    string `json:"group"` // of workloads that differ by N only
	Server   string `json:"server"`
	N        int    `json:"n"` // receivers, or sessions
	SRTP     string `json:"srtp_profile,omitempty"`
	Rounds   int    `json:"rounds"`

	Seconds  float64 `json:"seconds"`
	CPU      float64 `json:"cpu_seconds"` // of the server
	Switches int64   `json:"context_switches"`
	Idle     float64 `json:"machine_idle"` // least of the rounds, share

	// Media.
	Wanted     int64   `json:"packets_to_deliver,omitempty"`
	Delivered  int64   `json:"packets_delivered,omitempty"`
	Strange    int64   `json:"packets_strange,omitempty"`
	LoadErrors int64   `json:"packets_or_runs_load_was_too_slow_for,omitempty"`
	Dropped    int64   `json:"packets_dropped_on_purpose,omitempty"`
	Recovered  int64   `json:"packets_recovered,omitempty"`
	Late       int64   `json:"packets_late,omitempty"`
	Layers     int64   `json:"layer_switches,omitempty"`
	UDPOut     int64   `json:"udp_sends,omitempty"` // a segmented message is one
	PerPacket  float64 `json:"cpu_us_per_packet,omitempty"`
	Least      float64 `json:"cpu_us_per_packet_best_round,omitempty"`
	Most       float64 `json:"cpu_us_per_packet_worst_round,omitempty"`

	// Operations: connections or requests.
	Operations int64   `json:"operations,omitempty"`
	PerSecond  float64 `json:"operations_per_second,omitempty"`
	PerCPU     float64 `json:"operations_per_cpu_second,omitempty"`
	Failed     int64   `json:"operations_failed,omitempty"`

	// Latency: through the server, or of an operation.
	P50 float64 `json:"latency_p50_ms,omitempty"`
	P95 float64 `json:"latency_p95_ms,omitempty"`
	P99 float64 `json:"latency_p99_ms,omitempty"`

	RSS     int64   `json:"rss_bytes"`
	PerUnit float64 `json:"kib_per_receiver_or_session,omitempty"`

	Note string `json:"note,omitempty"` // of the first round

	times []time.Duration
}

// AddTimes adds latencies of a round.
func (r *Result) AddTimes(list []time.Duration) { r.times = append(r.times, list...) }

// Round adds a round. r may be the zero value.
func (r *Result) Round(x Result) {
	if r.Rounds == 0 {
		x.Rounds = 1
		*r = x
		r.Least, r.Most = x.perPacket(), x.perPacket()
	} else {
		r.Rounds++
		r.Least, r.Most = min(r.Least, x.perPacket()), max(r.Most, x.perPacket())
		r.Idle = min(r.Idle, x.Idle)
		r.PerUnit = max(r.PerUnit, x.PerUnit)
		r.RSS = max(r.RSS, x.RSS)
		r.Seconds += x.Seconds
		r.CPU += x.CPU
		r.times = append(r.times, x.times...)
		for _, p := range [][2]*int64{
			{&r.Switches, &x.Switches}, {&r.Wanted, &x.Wanted}, {&r.Delivered, &x.Delivered}, {&r.Strange, &x.Strange},
			{&r.LoadErrors, &x.LoadErrors}, {&r.Dropped, &x.Dropped}, {&r.Recovered, &x.Recovered}, {&r.Layers, &x.Layers}, {&r.Late, &x.Late},
			{&r.UDPOut, &x.UDPOut}, {&r.Operations, &x.Operations}, {&r.Failed, &x.Failed},
		} {
			*p[0] += *p[1]
		}
	}
	slices.Sort(r.times)
	r.P50, r.P95, r.P99 = Percentiles(r.times)
	r.PerPacket = r.perPacket()
	r.PerSecond = ratio(float64(r.Operations), r.Seconds)
	r.PerCPU = ratio(float64(r.Operations), r.CPU)
}

func (r *Result) perPacket() float64 { return ratio(r.CPU*1e6, float64(r.Delivered)) }

// Loss is the share of packets that were not delivered.
func (r *Result) Loss() float64 { return ratio(float64(r.Wanted-r.Delivered), float64(r.Wanted)) }

// cost is the cost of a unit of work for the server, in microseconds of CPU.
func (r *Result) cost() float64 {
	if r.Operations > 0 {
		return ratio(1e6, r.PerCPU)
	}
	return r.PerPacket
}

// find is the result of a workload on a server, nil = none.
func (r *Report) find(workload, server string) *Result {
	for i := range r.Results {
		if x := &r.Results[i]; x.Workload == workload && x.Server == server {
			return x
		}
	}
	return nil
}

// Times is how many times the cost on the first server a workload has on
// this one, 0 = unknown.
func (r *Report) Times(x *Result) float64 {
	first := r.find(x.Workload, r.Order[0])
	if first == nil || first == x {
		return 0
	}
	if x.cost() == 0 {
		return ratio(x.PerUnit, first.PerUnit)
	}
	return ratio(x.cost(), first.cost())
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Percentiles are in milliseconds, of times in order.
func Percentiles(sorted []time.Duration) (p50, p95, p99 float64) {
	at := func(share float64) float64 {
		if len(sorted) == 0 {
			return 0
		}
		i := min(int(share*float64(len(sorted))), len(sorted)-1)
		return float64(sorted[i]) / float64(time.Millisecond)
	}
	return at(0.50), at(0.95), at(0.99)
}

// WriteJSON writes everything.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Title names the servers with their versions.
func (r *Report) Title() string {
	var list []string
	for _, name := range r.Order {
		list = append(list, name+" "+r.Servers[name])
	}
	return strings.Join(list, ", ")
}

// Save writes the report to a folder: results.json, a README with the tables, and
// the plots.
func (r *Report) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := map[string]func(io.Writer) error{
		"results.json": r.WriteJSON,
		"README.md":    r.writePage,
	}
	for name, p := range r.Plots() {
		if len(p.Lines) > 0 {
			files[name] = p.WriteSVG
		}
	}
	for name, write := range files {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := errors.Join(write(f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) writePage(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString("# Results of `make bench`\n\n")
	r.Write(&b, Markdown)
	for _, name := range slices.Sorted(maps.Keys(r.Plots())) {
		if len(r.Plots()[name].Lines) > 0 {
			fmt.Fprintf(&b, "\n![%s](%s)\n", strings.TrimSuffix(name, ".svg"), name)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}
