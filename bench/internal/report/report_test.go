package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func sample() *Report {
	r := &Report{Servers: map[string]string{"a": "1", "b": "2"}, Load: Load{Peers: 2}}
	for _, x := range []struct {
		name, server string
		cpu          float64
		sent, echoed int64
		trip         time.Duration
	}{
		{"x", "a", 0.010, 1000, 1000, 1 * time.Millisecond},
		{"x", "b", 0.060, 1000, 1000, 2 * time.Millisecond},
		{"x", "a", 0.030, 1000, 1000, 3 * time.Millisecond},
		{"x", "b", 0.020, 1000, 990, 4 * time.Millisecond},
		{"y", "b", 0.020, 1000, 1000, 4 * time.Millisecond},
	} {
		q := Round{Case: x.name, Server: x.server, CPU: x.cpu, Sent: x.sent, Echoed: x.echoed, Seconds: 1}
		q.SetTrips([]time.Duration{x.trip})
		r.Rounds = append(r.Rounds, q)
	}
	r.Summarise()
	return r
}

func TestSummarise(t *testing.T) {
	r := sample()
	var got []string
	for _, s := range r.Summary {
		got = append(got, s.Case+s.Server)
	}
	if strings.Join(got, " ") != "xa xb yb" {
		t.Fatalf("order %v", got)
	}
	a, b, y := r.Summary[0], r.Summary[1], r.Summary[2]
	if a.PerPacket != 20 || a.Least != 10 || a.Most != 30 || a.Ratio != 0 || a.P50 != 3 {
		t.Errorf("%+v", a)
	}
	if want := 80000.0 / 1990; b.PerPacket != want || b.Ratio != want/20 || b.Loss != 10.0/2000 {
		t.Errorf("%+v", b)
	}
	if y.Ratio != 0 {
		t.Errorf("compared with a server of another case: %+v", y)
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

func TestWrite(t *testing.T) {
	r := sample()
	for _, style := range []Style{Plain, Markdown} {
		var b bytes.Buffer
		r.Write(&b, style)
		if !strings.Contains(b.String(), "40.20") || strings.Contains(b.String(), "| case") != bool(style) {
			t.Errorf("%s", b.String())
		}
	}
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || len(back.Rounds) != len(r.Rounds) || back.Summary[1] != r.Summary[1] {
		t.Errorf("%v %+v", err, back)
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
