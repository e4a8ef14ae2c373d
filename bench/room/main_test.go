package main

import (
	"bytes"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		args []string
		ok   bool
	}{
		{nil, true},
		{[]string{"-subscribers", "3", "-seconds", "0.5", "-rate", "2", "-rounds", "4", "-srtp", "cm,gcm", "-md"}, true},
		{[]string{"-with", "old=/bin/old"}, true},
		{[]string{"-with", "old"}, false},
		{[]string{"-srtp", "none"}, false},
		{[]string{"-janus", "maybe"}, false},
		{[]string{"-subscribers", "0"}, false},
		{[]string{"-seconds", "0"}, false},
		{[]string{"-rate", "0"}, false},
		{[]string{"extra"}, false},
	} {
		var out bytes.Buffer
		if _, err := parse(tt.args, &out); (err == nil) != tt.ok {
			t.Errorf("%v: %v", tt.args, err)
		}
	}
}

// TestRatios: rounds of a server count together, against the first server of the
// same case.
func TestRatios(t *testing.T) {
	b := &bench{results: []round{
		{SRTP: "A", Server: "x", CPU: 1, Delivered: 1e6},
		{SRTP: "A", Server: "y", CPU: 3, Delivered: 1e6},
		{SRTP: "A", Server: "x", CPU: 2, Delivered: 1e6},
		{SRTP: "A", Server: "y", CPU: 6, Delivered: 2e6},
	}}
	var out bytes.Buffer
	b.ratios(&out)
	want := "\nA  x: 1.50 us a delivered packet, 1.00 times x\nA  y: 3.00 us a delivered packet, 2.00 times x\n"
	if out.String() != want {
		t.Errorf("got %q", out.String())
	}
}
