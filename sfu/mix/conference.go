package mix

import (
	"slices"
	"sync"
	"time"

	"bifrons/rtp/mono"
)

// Conference mixes the audio of its parties. Tick belongs to one goroutine at a time,
// and so do the functions it calls; everything else may be called from anywhere, waits for
// nothing and takes effect with the next frame.
type Conference struct {
	cfg   Config
	out   Output
	wake  func() // has Tick called
	pools *Pools

	mu       sync.Mutex
	commands []func(now mono.Time)
	stats    Stats

	// All below belongs to Tick.
	parties []*Party
	closing []Input // that are not drained yet
	muted   bool
	over    bool
	ended   bool // out knows it
	tap     func(at mono.Time, pcm []float32)

	sum     []float32   // of those who are heard
	groups  [][]float32 // the same for each group
	heard   int         // how many they are
	limiter limiter
	scratch []float32
	packet  Packet  // that was taken last
	past    history // of sum
	shared  []*encoding
	count   Stats
}

// New makes a conference without parties. wake is called, from anywhere and with the
// conference's lock, when there is something to do and Tick said that there was not.
func New(cfg Config, out Output, pools *Pools, wake func()) *Conference {
	n := cfg.samples()
	c := &Conference{cfg: cfg, out: out, wake: wake, pools: pools, sum: make([]float32, n), scratch: make([]float32, n), limiter: newLimiter()}
	for range cfg.Groups {
		c.groups = append(c.groups, make([]float32, n))
	}
	c.past.make(n)
	return c
}

// do has f run at the beginning of the next frame.
func (c *Conference) do(f func(now mono.Time)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.commands = append(c.commands, f)
	if len(c.commands) == 1 {
		c.wake()
	}
}

// Close ends it, with all parties. Who joins later hears and says nothing.
func (c *Conference) Close() {
	c.do(func(mono.Time) {
		for len(c.parties) > 0 {
			c.remove(c.parties[0])
		}
		c.tap, c.over = nil, true
	})
}

// SetMuted keeps everybody silent who is not exempt.
func (c *Conference) SetMuted(on bool) { c.do(func(mono.Time) { c.muted = on }) }

// Tap has every frame of the sum of all given to write, with as many samples as
// Config tells, which are lent. It is called on the goroutine that mixes and must not
// block. nil ends it.
func (c *Conference) Tap(write func(at mono.Time, pcm []float32)) {
	c.do(func(mono.Time) { c.tap = write })
}

// Stats counts.
func (c *Conference) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// Tick mixes one frame, that of the time at, of which those of others differ by multiples
// of Frame. It reports whether there is anything to do until somebody calls wake.
func (c *Conference) Tick(now, at mono.Time) (busy bool) {
	c.obey(now)
	c.closing = slices.DeleteFunc(c.closing, Input.Drained)
	if !c.over && c.busy() {
		c.mixFrame(at)
		c.out.Flush()
	}
	c.shared = slices.DeleteFunc(c.shared, (*encoding).unheard)
	return c.rest()
}

// obey runs the commands that wait.
func (c *Conference) obey(now mono.Time) {
	c.mu.Lock()
	list := c.commands
	c.commands = nil
	c.mu.Unlock()
	for _, f := range list {
		f(now)
	}
}

// rest reports whether another frame is to be mixed. If it was the last one ever, the output
// ends.
func (c *Conference) rest() (busy bool) {
	c.mu.Lock()
	c.count.Parties = len(c.parties)
	c.stats = c.count
	busy = len(c.commands) > 0 || len(c.closing) > 0 || !c.over && c.busy()
	ended := c.over && !busy && !c.ended
	c.ended = c.ended || ended
	c.mu.Unlock()
	if ended {
		c.out.End()
	}
	return busy
}

// busy reports whether somebody is there for whom it is worth mixing.
func (c *Conference) busy() bool {
	return slices.ContainsFunc(c.parties, func(p *Party) bool { return !p.cfg.Idle })
}

// mixFrame takes the sound of all, and gives each that of the others.
func (c *Conference) mixFrame(at mono.Time) {
	c.count.Ticks++
	clear(c.sum)
	for _, g := range c.groups {
		clear(g)
	}
	c.heard = 0
	for _, p := range c.parties {
		p.listen(at)
	}
	c.limiter.look(c.sum)
	for _, p := range c.parties {
		p.choose()
	}
	copy(c.scratch, c.sum)
	c.limiter.apply(c.scratch)
	c.past.push(c.scratch)
	if c.tap != nil {
		c.tap(at, c.scratch)
	}
	for _, e := range c.shared {
		if e.listeners > 0 {
			e.sendShared(at)
		}
	}
	for _, p := range c.parties {
		if p.own != nil {
			p.own.sendOwn(at, p)
		}
	}
}

// add adds a party's audio to the sums.
func (c *Conference) add(p *Party, frame []float32) {
	c.heard++
	for i, x := range frame {
		c.sum[i] += x
	}
	if g := p.cfg.Group - 1; g >= 0 && g < len(c.groups) {
		for i, x := range frame {
			c.groups[g][i] += x
		}
	}
}

// remove takes a party out.
func (c *Conference) remove(p *Party) {
	i := slices.Index(c.parties, p)
	if i < 0 {
		return
	}
	p.end()
	c.parties = slices.Delete(c.parties, i, i+1)
}

// NoteLate counts a late frame, and the frames left out.
func (c *Conference) NoteLate(skipped int) {
	c.count.Late++
	c.count.Skipped += uint64(skipped)
}

// NoteTime adds to the time that mixing took.
func (c *Conference) NoteTime(d time.Duration) { c.count.Time += d }

// history has the latest frames of the sum, for encoders that begin.
type history struct {
	frames [primed][]float32
	next   int
}

func (h *history) make(n int) {
	for i := range h.frames {
		h.frames[i] = make([]float32, n)
	}
}

func (h *history) push(frame []float32) {
	copy(h.frames[h.next], frame)
	h.next = (h.next + 1) % primed
}

// frame is one of them, 0 = the oldest.
func (h *history) frame(i int) []float32 { return h.frames[(h.next+i)%primed] }
