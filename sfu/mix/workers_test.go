package mix

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/waittest"
)

// crew is Workers in virtual time.
func crew(t *testing.T, n int) (w *Workers, panics chan any) {
	begin := time.Now()
	var goroutines sync.WaitGroup
	t.Cleanup(goroutines.Wait)
	panics = make(chan any, 10)
	return &Workers{
		Max: n, Go: goroutines.Go,
		Now:      func() mono.Time { return mono.Time(1e9).Add(time.Since(begin)) },
		Panicked: func(c *Conference, r any) { panics <- r; c.Close() },
	}, panics
}

func (w *Workers) conference(out Output) *Conference {
	job, wake := w.Add()
	c := New(Config{Rate: 8000}, out, new(Pools), wake)
	job.Mix(c)
	return c
}

// counter is an Output that does something at each frame.
type counter struct {
	sink
	flush func()
}

func (c *counter) Flush() { c.flush() }

// TestWorkers: conferences are mixed every 20 ms while somebody is in them, and the goroutines
// are there for no longer.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := crew(t, 2)
		const n = 7
		var list []*Conference
		for i := range n {
			c := w.conference(&sink{})
			c.Join(PartyConfig{})
			list = append(list, c)
			waittest.Pass(time.Duration(i) * 3 * time.Millisecond)
		}
		waittest.Pass(time.Second)
		before := list[0].Stats().Ticks
		waittest.Pass(10 * time.Second)
		for i, c := range list {
			if s := c.Stats(); s.Ticks < 500 || s.Late != 0 {
				t.Errorf("conference %d: %+v", i, s)
			}
		}
		if got := list[0].Stats().Ticks - before; got != 500 {
			t.Errorf("%d frames in ten seconds", got)
		}
		for _, c := range list {
			c.Close()
		}
		waittest.Pass(time.Second)
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.running != 0 {
			t.Errorf("%d goroutines for nothing", w.running)
		}
	})
}

// TestWorkersAreLate: a frame that takes long makes its conference late, which catches up, or
// leaves frames out, and holds up no other.
func TestWorkersAreLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := crew(t, 2)
		var slow atomic.Int64 // how long the next frame takes
		slow.Store(int64(50 * time.Millisecond))
		late := w.conference(&counter{flush: func() { time.Sleep(time.Duration(slow.Swap(0))) }})
		other := w.conference(&sink{})
		late.Join(PartyConfig{})
		other.Join(PartyConfig{})
		waittest.Pass(time.Second)
		if s := late.Stats(); s.Late == 0 || s.Skipped != 0 || s.Ticks < 48 {
			t.Errorf("50 ms: %+v", s)
		}
		slow.Store(int64(time.Second))
		waittest.Pass(3 * time.Second)
		if s := late.Stats(); s.Skipped < 40 || s.Skipped > 52 {
			t.Errorf("a second: %+v", s)
		}
		if s := other.Stats(); s.Late != 0 || s.Ticks < 195 {
			t.Errorf("the other: %+v", s)
		}
		late.Close()
		other.Close()
	})
}

// TestPanic: a conference that panics is over, others go on.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, panics := crew(t, 2)
		n := 0
		bad := &counter{flush: func() {
			if n++; n == 10 {
				panic("test")
			}
		}}
		c, other := w.conference(bad), w.conference(&sink{})
		c.Join(PartyConfig{})
		other.Join(PartyConfig{})
		waittest.Pass(time.Second)
		if r := <-panics; r != "test" || !bad.ended.Load() || len(panics) > 0 {
			t.Errorf("panic %v, ended: %v", r, bad.ended.Load())
		}
		if s := other.Stats(); s.Ticks < 48 {
			t.Errorf("the other: %+v", s)
		}
		other.Close()
	})
}

// TestAfterClose: an input and a listener that come too late are closed.
func TestAfterClose(t *testing.T) {
	l := newLab(t, Config{Rate: 8000})
	s := l.join(PartyConfig{})
	l.run(2)
	l.c.Close()
	m := newMouth(t, tone(500, .1))
	s.SetInput(m)
	l.run(2)
	if !m.over || !l.out.ended.Load() {
		t.Errorf("input closed: %v, output ended: %v", m.over, l.out.ended.Load())
	}
	if s := l.c.Stats(); s.Encoders != 0 || s.Parties != 0 {
		t.Errorf("%+v", s)
	}
}
