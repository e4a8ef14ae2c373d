package webrtctest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"bifrons/rtp/waittest"
)

// Arrival is one packet that came back.
type Arrival struct {
	Number    uint64
	Seq       uint16
	Timestamp uint32
	SSRC      uint32
	Size      int
}

// Tally counts numbered packets.
type Tally struct {
	mu      sync.Mutex
	times   map[uint64]int
	first   map[uint64]time.Time // arrivals
	highest uint64
	Foreign int // packets without a number
	Padding int // packets without a payload
	Keep    bool
	list    []Arrival // in order, if Keep is set
}

// NewTally makes an empty one.
func NewTally() *Tally { return &Tally{times: map[uint64]int{}, first: map[uint64]time.Time{}} }

// Add counts a packet.
func (c *Tally) Add(p *rtp.Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := Stamped(p.Payload)
	switch {
	case len(p.Payload) == 0:
		c.Padding++
	case !ok:
		c.Foreign++
	default:
		if c.times[n]++; c.times[n] == 1 {
			c.first[n] = time.Now()
		}
		c.highest = max(c.highest, n)
	}
	if c.Keep {
		c.list = append(c.list, Arrival{n, p.SequenceNumber, p.Timestamp, p.SSRC, len(p.Payload)})
	}
}

// Arrivals are the packets so far, in order, if Keep was set.
func (c *Tally) Arrivals() []Arrival {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

// Count is how many different packets came.
func (c *Tally) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.times)
}

// Missing is how many of the packets with these numbers did not come.
func (c *Tally) Missing(first, last uint64) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := first; i <= last; i++ {
		if c.times[i] == 0 {
			n++
		}
	}
	return n
}

// Pause is the longest time in which none of these packets came.
func (c *Tally) Pause(first, last uint64) (longest time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var times []time.Time
	for i := first; i <= last; i++ {
		if at, ok := c.first[i]; ok {
			times = append(times, at)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	for i := 1; i < len(times); i++ {
		longest = max(longest, times[i].Sub(times[i-1]))
	}
	return longest
}

// Late is how many of these packets of a source took longer than d, or did not
// come at all.
func (c *Tally) Late(s *Source, first, last uint64, d time.Duration) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := first; i <= last; i++ {
		if at, ok := c.first[i]; !ok || at.Sub(s.when[i-1]) > d {
			n++
		}
	}
	return n
}

// Newest is the highest number that came.
func (c *Tally) Newest() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.highest
}

// Clean fails the test if a packet came twice, or one that was not sent.
func (c *Tally) Clean(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, times := range c.times {
		if times > 1 {
			t.Errorf("packet %d came %d times", n, times)
		}
	}
	if c.Foreign > 0 {
		t.Errorf("%d packets with another payload", c.Foreign)
	}
}

// Gaps are the runs of packets that did not come.
func (c *Tally) Gaps(first, last uint64) (list [][2]uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := first; i <= last; i++ {
		if c.times[i] > 0 {
			continue
		}
		if n := len(list); n > 0 && list[n-1][1] == i-1 {
			list[n-1][1] = i
		} else {
			list = append(list, [2]uint64{i, i})
		}
	}
	return list
}

// Layer is the encoding that a packet came from.
func (a Arrival) Layer() int { return int(a.Number / layerBase) }

// Last returns the encoding of the newest packet, -1 if there is none.
func (c *Tally) Last() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.list) == 0 {
		return -1
	}
	return c.list[len(c.list)-1].Layer()
}

// Continuous fails the test unless all that came is one stream: one SSRC, no
// number left out, timestamps that grow as time passes.
func (c *Tally) Continuous(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, a := range c.list[1:] {
		before := c.list[i]
		step := int32(a.Timestamp - before.Timestamp)
		if a.SSRC != before.SSRC || a.Seq != before.Seq+1 || step < 0 || step > 90000 {
			t.Errorf("after packet %+v came %+v", before, a)
		}
		if a.Layer() != before.Layer() && step == 0 {
			t.Errorf("two layers in one picture: %+v, %+v", before, a)
		}
	}
}

// LayersIn fails the test unless the layers came in this order; on the way from
// one to the other the one between them may come.
func (c *Tally) LayersIn(t testing.TB, want []int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var got []int
	for _, a := range c.list {
		if len(got) == 0 || got[len(got)-1] != a.Layer() {
			got = append(got, a.Layer())
		}
	}
	rest := want
	for _, l := range got {
		if len(rest) > 0 && l == rest[0] {
			rest = rest[1:]
		}
	}
	if len(rest) > 0 || len(got) > 2*len(want) {
		t.Errorf("layers came in the order %v, want %v", got, want)
	}
}

// AwaitMore waits until packets with higher numbers come.
func (c *Tally) AwaitMore(t testing.TB, what string) {
	t.Helper()
	n := c.Newest()
	waittest.Until(t, what, func() bool { return c.Newest() > n+5 })
}

// Still waits until no packet came for 300 ms.
func (c *Tally) Still(t testing.TB, what string) {
	t.Helper()
	var last uint64
	since := time.Now()
	waittest.Until(t, what, func() bool {
		if n := c.Newest(); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
}

// Gapless checks that the packets that came have consecutive numbers, and
// timestamps that do not go back.
func (c *Tally) Gapless(t testing.TB, what string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := 1; i < len(c.list); i++ {
		a, b := c.list[i-1], c.list[i]
		if b.SSRC != a.SSRC || b.Seq != a.Seq+1 || int32(b.Timestamp-a.Timestamp) < 0 {
			t.Errorf("%s: packet %d is %+v after %+v", what, i, b, a)
			return
		}
	}
}
