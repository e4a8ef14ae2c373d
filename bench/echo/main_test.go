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
		{[]string{"-peers", "3", "-seconds", "0.5", "-rate", "2", "-rounds", "4", "-cases", "full-cm", "-md"}, true},
		{[]string{"-with", "old=/bin/old", "-with", "x=y"}, true},
		{[]string{"-with", "old"}, false},
		{[]string{"-cases", "light-gcm,nothing"}, false},
		{[]string{"-janus", "maybe"}, false},
		{[]string{"-peers", "0"}, false},
		{[]string{"-seconds", "0"}, false},
		{[]string{"-rate", "0"}, false},
		{[]string{"extra"}, false},
	} {
		var out bytes.Buffer
		if _, err := parse(tt.args, &out); (err == nil) != tt.ok {
			t.Errorf("%v: %v", tt.args, err)
		}
	}
	o, err := parse([]string{"-rate", "1.5", "-janus", "off"}, &bytes.Buffer{})
	if err != nil || o.rate != 1_500_000 || o.janus || len(o.cases) != len(defaultCases) {
		t.Errorf("%+v %v", o, err)
	}
}

// TestCases: every case that is measured by default exists.
func TestCases(t *testing.T) {
	for _, name := range defaultCases {
		if c := caseNamed(name); c.dial == nil || len(c.profiles) == 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
