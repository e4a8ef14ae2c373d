package task

import (
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/rtp/waittest"
)

func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		runs := 0
		p := Pacer{Burst: 3, Period: time.Second}
		ask := func(times int) {
			mu.Lock()
			defer mu.Unlock()
			for range times {
				p.Do(&mu, func() { runs++ })
			}
		}
		expect := func(after time.Duration, want int) {
			t.Helper()
			waittest.Pass(after)
			mu.Lock()
			defer mu.Unlock()
			if runs != want {
				t.Fatalf("%d runs, want %d", runs, want)
			}
		}
		ask(100)
		expect(0, 3)
		expect(time.Second, 4)
		expect(time.Hour, 4)
		ask(1)
		expect(0, 5)
		ask(100)
		expect(0, 7)
		mu.Lock()
		p.Stop()
		mu.Unlock()
		expect(time.Hour, 7)
		ask(1)
		expect(0, 8)
	})
}

// A run that panics leaves the lock free, and others can follow.
func TestPacerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		p := Pacer{Burst: 1, Period: time.Second, Log: slog.New(slog.DiscardHandler)}
		before, runs := Panics(), 0
		f := func() {
			if runs++; runs == 2 {
				panic("a fault")
			}
		}
		for range 4 { // the first runs at once, the second by the timer
			mu.Lock()
			p.Do(&mu, f)
			mu.Unlock()
		}
		waittest.Pass(time.Hour)
		mu.Lock()
		defer mu.Unlock()
		p.Do(&mu, f)
		if Panics() != before+1 || runs != 3 {
			t.Errorf("%d panics, %d runs", Panics()-before, runs)
		}
	})
}
