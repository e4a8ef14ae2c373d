package main

import "testing"

func TestMemoryIsGivenBackWhenQuiet(t *testing.T) {
	const mib = 1 << 20
	var m memory
	for i, c := range []struct {
		allocated uint64
		want      bool
	}{
		{10 * mib, false}, // starting
		{10 * mib, false}, // quiet, but little to give back
		{60 * mib, false}, // calls begin
		{90 * mib, false},
		{90*mib + 1000, true},
		{90*mib + 2000, false}, // nothing new
		{100 * mib, false},
		{100 * mib, false},
		{107 * mib, false},
		{107 * mib, true},
	} {
		if got := m.due(c.allocated); got != c.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	m.look()
}
