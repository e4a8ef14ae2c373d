package simnet

import (
	"math/rand/v2"
	"time"

	"bifrons/rtp/mono"
)

// Clock is virtual time with its timers. Links and flows live on one; with the same seed and
// the same calls everything happens again. It is used by one goroutine.
type Clock struct {
	Now   mono.Time
	Rand  *rand.Rand
	start mono.Time
	queue []due
	count uint64
}

type due struct {
	at    mono.Time
	order uint64
	run   func()
}

// NewClock makes a clock.
func NewClock(seed uint64) *Clock {
	start := mono.Time(time.Hour)
	return &Clock{Now: start, start: start, Rand: rand.New(rand.NewPCG(seed, 0x6c69_6e6b))}
}

// Elapsed is the time since the clock began.
func (c *Clock) Elapsed() time.Duration { return c.Now.Sub(c.start) }

// When returns the moment so long after the clock began.
func (c *Clock) When(elapsed time.Duration) mono.Time { return c.start.Add(elapsed) }

// At has f run at a time, after earlier calls for the same time.
func (c *Clock) At(at mono.Time, f func()) {
	c.count++
	c.queue = append(c.queue, due{max(at, c.Now), c.count, f})
	for i := len(c.queue) - 1; i > 0; {
		up := (i - 1) / 2
		if !c.earlier(i, up) {
			break
		}
		c.queue[i], c.queue[up] = c.queue[up], c.queue[i]
		i = up
	}
}

// After has f run after a time.
func (c *Clock) After(d time.Duration, f func()) { c.At(c.Now.Add(d), f) }

// Run advances the time to so long after the clock began.
func (c *Clock) Run(elapsed time.Duration) {
	end := c.When(elapsed)
	for len(c.queue) > 0 && c.queue[0].at <= end {
		d := c.pop()
		c.Now = d.at
		d.run()
	}
	c.Now = end
}

func (c *Clock) earlier(i, j int) bool {
	a, b := &c.queue[i], &c.queue[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}

func (c *Clock) pop() due {
	d, last := c.queue[0], len(c.queue)-1
	c.queue[0] = c.queue[last]
	c.queue[last] = due{}
	c.queue = c.queue[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			return d
		}
		if down+1 < last && c.earlier(down+1, down) {
			down++
		}
		if !c.earlier(down, i) {
			return d
		}
		c.queue[i], c.queue[down] = c.queue[down], c.queue[i]
		i = down
	}
}
