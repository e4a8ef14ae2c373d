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
		if got := m.due(usage{allocated: c.allocated}); got != c.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	m.look()
}

// What something large took is given back while there is other work, now and
// then; a heap that is in use is left alone.
func TestMemoryIsGivenBackUnderWork(t *testing.T) {
	const mib = 1 << 20
	var m memory
	u := usage{live: 200 * mib, held: 300 * mib}
	look := func(n int) (given int) {
		for range n {
			u.allocated += mib
			if m.due(u) {
				given++
			}
		}
		return given
	}
	if n := look(100); n != 0 {
		t.Errorf("given back %d times what is in use", n)
	}
	u.live = 10 * mib
	if n := look(1); n != 1 {
		t.Error("not given back once it is over")
	}
	if n := look(3 * heldLooks); n != 3 {
		t.Errorf("tried %d times more", n)
	}
	u.held = 40 * mib
	if n := look(100); n != 0 {
		t.Errorf("given back %d times when there was nothing", n)
	}
	u.live = 100 * mib // sessions that will time out
	stale := 0
	for range 36 {
		u.allocated += 100
		if m.due(u) {
			stale++
		}
	}
	if stale < 2 || stale > 3 {
		t.Errorf("looked %d times whether it is still in use", stale)
	}
	if got := readUsage(); got.allocated == 0 || got.held < got.live/2 {
		t.Errorf("read %+v", got)
	}
}
