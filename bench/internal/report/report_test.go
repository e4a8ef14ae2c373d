package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sample is a report of two servers and two workloads, one of which is of
// operations.
func sample() *Report {
	r := &Report{Servers: map[string]string{"a": "1", "b": "2"}, Order: []string{"a", "b"}, Skipped: []string{"c: is not here"}}
	for _, x := range []struct {
		name, server string
		n            int
		rounds       []Result
	}{
		{"w-20", "a", 20, []Result{{CPU: 0.01, Wanted: 1000, Delivered: 1000, Seconds: 1, RSS: 1 << 20}, {CPU: 0.03, Wanted: 1000, Delivered: 1000, Seconds: 1, RSS: 2 << 20}}},
		{"w-20", "b", 20, []Result{{CPU: 0.06, Wanted: 1000, Delivered: 990, Seconds: 1}}},
		{"w-100", "a", 100, []Result{{CPU: 0.04, Wanted: 4000, Delivered: 4000, Seconds: 1, RSS: 3 << 20}}},
		{"ops", "a", 0, []Result{{CPU: 0.5, Operations: 1000, Seconds: 2}}},
		{"ops", "b", 0, []Result{{CPU: 1.5, Operations: 1000, Seconds: 2}}},
	} {
		var q Result
		for i, round := range x.rounds {
			round.Workload, round.Server, round.N = x.name, x.server, x.n
			if strings.HasPrefix(x.name, "w") {
				round.Group = "webinar"
			}
			round.AddTimes([]time.Duration{time.Duration(i+1) * time.Millisecond})
			q.Round(round)
		}
		r.Results = append(r.Results, q)
	}
	return r
}

func TestRounds(t *testing.T) {
	r := sample()
	a, b := &r.Results[0], &r.Results[1]
	if a.Rounds != 2 || a.PerPacket != 20 || a.Least != 10 || a.Most != 30 || a.P50 != 2 || a.RSS != 2<<20 || a.Loss() != 0 {
		t.Errorf("%+v", a)
	}
	if got, want := r.Times(b), 60000.0/990/20; got != want || r.Times(a) != 0 || b.Loss() != 0.01 {
		t.Errorf("%v times, want %v; %+v", got, want, b)
	}
	x, y := &r.Results[3], &r.Results[4]
	if x.PerSecond != 500 || x.PerCPU != 2000 || r.Times(y) != 3 {
		t.Errorf("%+v %v", x, r.Times(y))
	}
}

func TestPercentiles(t *testing.T) {
	var list []time.Duration
	for i := range 100 {
		list = append(list, time.Duration(i)*time.Millisecond)
	}
	if a, b, c := Percentiles(list); a != 50 || b != 95 || c != 99 {
		t.Error(a, b, c)
	}
	if a, b, c := Percentiles(nil); a != 0 || b != 0 || c != 0 {
		t.Error(a, b, c)
	}
}

func TestTables(t *testing.T) {
	r := sample()
	for _, style := range []Style{Plain, Markdown} {
		var b bytes.Buffer
		r.Write(&b, style)
		for _, want := range []string{"60.61", "a 1, b 2", "c: is not here", "2000"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("no %q in %s", want, b.String())
			}
		}
		if strings.Contains(b.String(), "| workload") != bool(style) {
			t.Errorf("%s", b.String())
		}
	}
}

// TestSave reads what was written.
func TestSave(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	r := sample()
	if err := r.Save(dir); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "results.json"))
	var back Report
	if err == nil {
		err = json.Unmarshal(b, &back)
	}
	if err != nil || len(back.Results) != len(r.Results) || back.Results[1].PerPacket != r.Results[1].PerPacket {
		t.Errorf("%v %+v", err, back)
	}
	page, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil || !strings.Contains(string(page), "](cpu.svg)") {
		t.Errorf("%v %s", err, page)
	}
	for name, p := range r.Plots() {
		svg, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Count(string(svg), "<polyline")
		if lines != len(p.Lines) || lines < 2 {
			t.Errorf("%s has %d lines, want %d", name, lines, len(p.Lines))
		}
		for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// TestAxes: every value lies within its axis.
func TestAxes(t *testing.T) {
	for _, values := range [][]float64{{20, 100, 200, 1000}, {1.3}, {0.2, 97}, {0}, {}, {3, 3}} {
		for _, log := range []bool{false, true} {
			a := newAxis(values, log, 0, 100)
			for _, v := range values {
				if at := a.at(v); at < -0.01 || at > 100.01 {
					t.Errorf("%v log=%v: %v is at %v", values, log, v, at)
				}
			}
			if len(a.ticks) < 1 || len(a.ticks) > 20 {
				t.Errorf("%v log=%v: ticks %v", values, log, a.ticks)
			}
		}
	}
}

func TestIdle(t *testing.T) {
	if got := (Ticks{idle: 30, all: 200}).IdleSince(Ticks{idle: 10, all: 100}); got != 0.2 {
		t.Error(got)
	}
	if got := (Ticks{}).IdleSince(Ticks{}); got != 0 {
		t.Error(got)
	}
}
