package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"bifrons/bench/internal/server"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		args []string
		ok   bool
	}{
		{nil, true},
		{[]string{"-full", "-seconds", "0.5", "-rounds", "4", "-md", "-out", "-"}, true},
		{[]string{"-only", "webinar-*,echo-20", "-servers", "bifrons"}, true},
		{[]string{"-with", "old=/bin/old", "-with", "x=y"}, true},
		{[]string{"-with", "old"}, false},
		{[]string{"-only", "webinar-20,nothing"}, false},
		{[]string{"-servers", "asterisk"}, false},
		{[]string{"-seconds", "-1"}, false},
		{[]string{"-rounds", "-1"}, false},
		{[]string{"extra"}, false},
	} {
		var out bytes.Buffer
		if _, err := parse(tt.args, &out); (err == nil) != tt.ok {
			t.Errorf("%v: %v", tt.args, err)
		}
	}
}

func TestList(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run([]string{"-list"}, &out, &errs); code != 0 || strings.Count(out.String(), "\n") != len(workloads) {
		t.Errorf("%d %s%s", code, out.String(), errs.String())
	}
}

func wanted(t *testing.T, args ...string) (list []string) {
	t.Helper()
	o, err := parse(args, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{options: o}
	for i := range workloads {
		if b.wanted(&workloads[i]) {
			list = append(list, workloads[i].name)
		}
	}
	return list
}

func TestWanted(t *testing.T) {
	short, full := wanted(t), wanted(t, "-full")
	if len(full) != len(workloads) || len(short) >= len(full) || !slices.Contains(short, "webinar-100") {
		t.Errorf("%v %v", short, full)
	}
	if got := wanted(t, "-only", "echo-20,webinar-20*"); !slices.Equal(got, []string{"webinar-20", "webinar-200", "webinar-20-full", "echo-20"}) {
		t.Errorf("%v", got)
	}
}

// TestWorkloads: every row is whole.
func TestWorkloads(t *testing.T) {
	seen := map[string]bool{}
	for i := range workloads {
		w := &workloads[i]
		if seen[w.name] || w.measure == nil || w.about == "" || !w.can(server.Spec{Name: "bifrons"}) || !w.can(server.Spec{Name: "old"}) {
			t.Errorf("%+v", w)
		}
		seen[w.name] = true
		if w.full && w.short && w.receivers() > 50 {
			t.Errorf("%s: pion/webrtc does not carry so many beside the server", w.name)
		}
	}
	for name, want := range map[string][2]int{"webinar-200": {200, 200}, "mesh-4x5": {20, 4}, "audio-10": {10, 9}, "echo-20": {20, 1},
		"room-2x10": {20, 1}, "call-10": {20, 1}, "nosip-20": {40, 1}} {
		i := slices.IndexFunc(workloads, func(w workload) bool { return w.name == name })
		if w := workloads[i]; w.receivers() != want[0] || w.copies() != want[1] {
			t.Errorf("%s: %d receivers, %d copies", name, w.receivers(), w.copies())
		}
	}
}

func TestParallel(t *testing.T) {
	var ran atomic.Int32
	jobs := make([]func() error, 50)
	for i := range jobs {
		jobs[i] = func() error { ran.Add(1); return nil }
	}
	if err := parallel(4, jobs); err != nil || ran.Load() != 50 {
		t.Errorf("%v, %d ran", err, ran.Load())
	}
	want := errors.New("no")
	jobs[3] = func() error { return want }
	if err := parallel(1, jobs); !errors.Is(err, want) || ran.Load() != 53 {
		t.Errorf("%v, %d ran", err, ran.Load())
	}
}
