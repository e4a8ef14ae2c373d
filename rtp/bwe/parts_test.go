package bwe

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestAIMD: what the rate does on each signal.
func TestAIMD(t *testing.T) {
	const rtt = 100 * time.Millisecond
	for _, x := range []struct {
		name     string
		a        aimd
		u        usage
		c        conditions
		low, top float64 // of the rate a second later
	}{
		{"grows", aimd{rate: 1e6}, normal, conditions{acked: 1e6, rtt: rtt}, 1.07e6, 1.09e6},
		{"stays if it is not used", aimd{rate: 1e6}, normal, conditions{acked: 7e5, rtt: rtt}, 1e6, 1e6},
		{"stays if nothing arrives", aimd{rate: 1e6}, normal, conditions{rtt: rtt}, 1e6, 1e6},
		{"grows little near the capacity", aimd{rate: 1e6, link: capacity{1000, varianceMin}}, normal,
			conditions{acked: 1e6, rtt: rtt}, 1.02e6, 1.06e6},
		{"grows again above it", aimd{rate: 1e6, link: capacity{500, varianceMin}}, normal,
			conditions{acked: 1e6, rtt: rtt}, 1.07e6, 1.09e6},
		{"falls below what arrives", aimd{rate: 2e6}, overuse, conditions{acked: 1e6, fresh: 1e6, rtt: rtt}, 0.85e6, 0.85e6},
		{"never rises by that", aimd{rate: 1e6}, overuse, conditions{acked: 2e6, fresh: 2e6, rtt: rtt}, 1e6, 1e6},
		{"falls if nothing is known", aimd{rate: 1e6}, overuse, conditions{rtt: time.Hour}, 0.85e6, 0.85e6},
		{"falls less beside others", aimd{rate: 1e6}, overuse, conditions{acked: 5e5, rtt: time.Hour, contended: true}, 0.95e6, 0.95e6},
		{"holds while the queue empties", aimd{rate: 1e6}, underuse, conditions{acked: 1e6, rtt: rtt}, 1e6, 1e6},
	} {
		a := x.a
		a.min, a.max, a.changed = 30e3, 100e6, t0
		u := x.u
		for i := range 20 {
			a.update(t0.Add(time.Duration(i+1)*50*time.Millisecond), u, x.c)
			if u == overuse {
				u = underuse
			}
		}
		if a.rate < x.low-1 || a.rate > x.top+1 {
			t.Errorf("%s: %.0f, want %.0f to %.0f", x.name, a.rate, x.low, x.top)
		}
	}
}

// TestALR: who sends two thirds of what it may is not limited.
func TestALR(t *testing.T) {
	for _, x := range []struct {
		use  float64
		want bool
	}{{0.3, true}, {0.5, true}, {0.7, false}, {1, false}} {
		var a alr
		now := t0
		for range 400 {
			a.advance(now, 1e6)
			a.sent(int(x.use * 1e6 / 8 / 100))
			now = now.Add(10 * time.Millisecond)
		}
		if a.limited() != x.want {
			t.Errorf("use of %v: limited %v", x.use, a.limited())
		}
	}
}

// lose feeds an estimator a line that loses inherently, and all beyond its capacity. It returns
// the last bound, or what the delay allows if that is less.
func lose(inherent, capacity, delayRate float64) float64 {
	r := rand.New(rand.NewPCG(1, 1))
	var l loss
	now, rate := t0, delayRate
	for range 400 {
		passes := min(1, capacity/rate)
		received := 0.0
		for range 31 {
			size := int(rate / 8 / 4 / 31)
			v := newlyReceived
			if r.Float64() > passes*(1-inherent) {
				v = newlyLost
			} else {
				received += float64(size)
			}
			l.add(now, size, v)
			now = now.Add(250 * time.Millisecond / 30)
		}
		l.update(delayRate, received*8*4, false)
		rate = delayRate
		if l.limiting {
			rate = min(rate, l.bound)
		}
	}
	return rate
}

// TestLoss: loss of the line itself costs little, loss by too much sending is found.
func TestLoss(t *testing.T) {
	for _, x := range []struct {
		name                      string
		inherent, capacity, delay float64
		low, top                  float64
	}{
		{"none", 0, 10e6, 2e6, 2e6, 2e6},
		{"2 % at random", 0.02, 10e6, 2e6, 1.7e6, 2e6},
		{"10 % at random", 0.1, 10e6, 2e6, 1.2e6, 2e6},
		{"30 % at random", 0.3, 10e6, 2e6, 0.1e6, 1.2e6},
		{"twice too much", 0, 1e6, 2e6, 0.7e6, 1.3e6},
		{"twice too much, and 5 %", 0.05, 1e6, 2e6, 0.5e6, 1.3e6},
	} {
		if got := lose(x.inherent, x.capacity, x.delay); got < x.low || got > x.top {
			t.Errorf("%s: %.0f bit/s, want %.0f to %.0f", x.name, got, x.low, x.top)
		}
	}
}

// TestProbeResult: what a cluster shows by how it arrives.
func TestProbeResult(t *testing.T) {
	for _, x := range []struct {
		name    string
		spacing float64 // of arrivals, in those of sending
		lost    int
		want    float64 // share of the rate
	}{
		{"as sent", 1, 0, 1},
		{"a full line", 2, 0, 0.475},
		{"a bit slower", 1.05, 0, 0.952},
		{"one of ten lost", 1, 1, 1},
		{"three lost", 1, 3, -1},
		{"impossibly fast", 0.3, 0, 0},
		{"all at once", 0, 0, 0},
		{"a bit faster", 0.7, 0, 1},
	} {
		var p probes
		p.plan(1e6)
		c, _ := p.take(t0, 1e7)
		p.active.Packets = 10
		now := t0
		gap := 8 * time.Millisecond // 1000 bytes at 1 Mbit/s
		for i := range 10 {
			p.sent(now, c.ID, 1000)
			if i >= x.lost {
				p.arrived(now, time.Hour+time.Duration(float64(i)*x.spacing*float64(gap)), c.ID, 1000)
			}
			now = now.Add(gap)
		}
		p.arrived(now, time.Hour, c.ID+1, 1000) // of another cluster
		bps, ok := p.result()
		if !ok {
			bps = -1e6
		}
		if got := bps / 1e6; got < x.want-0.02 || got > x.want+0.02 {
			t.Errorf("%s: %.3f, want %v", x.name, got, x.want)
		}
	}
}

// TestDrain: a queue of our own is emptied, one of others is left alone.
func TestDrain(t *testing.T) {
	var d drain
	d.begin(t0, 1e6, 200*time.Millisecond)
	if got := d.apply(1e6, 200*time.Millisecond, drainTime); got != 0.5e6 {
		t.Errorf("rate %v with 200 ms of queue", got)
	}
	if got := d.apply(1e6, time.Second, drainTime); got < 0.29e6 || got > 0.31e6 {
		t.Errorf("rate %v with a second of queue", got)
	}
	d.update(t0.Add(time.Second), 10*time.Millisecond, 0)
	if d.active() || d.theirs {
		t.Error("it goes on though the queue is empty")
	}
	d.begin(t0, 1e6, 300*time.Millisecond)
	if floor := d.update(t0.Add(time.Minute), 250*time.Millisecond, 0); floor != 0.5e6 || !d.theirs || d.active() {
		t.Errorf("a queue that stays: %+v", d)
	}
	d.begin(t0.Add(time.Minute), 1e6, 300*time.Millisecond)
	if d.active() {
		t.Error("it begins again at once")
	}
	d.begin(t0.Add(time.Minute+drainPause), 1e6, 300*time.Millisecond)
	if !d.active() {
		t.Error("it never looks again whose queue that is")
	}
	d.update(t0.Add(2*time.Minute), 0, 0)
	if d.theirs || d.active() {
		t.Error("an empty queue is somebody's")
	}
}

// TestDrainWorks: while a queue shrinks a decrease does its work.
func TestDrainWorks(t *testing.T) {
	var d drain
	if d.works(0) {
		t.Error("without a decrease")
	}
	d.begin(t0, 1e6, 200*time.Millisecond)
	if d.works(250*time.Millisecond) || !d.works(150*time.Millisecond) {
		t.Error("a queue that grew does, or one that shrank does not")
	}
	d.begin(t0, 1e6, 100*time.Millisecond)
	if d.works(150 * time.Millisecond) {
		t.Error("a queue that grew since the last decrease does")
	}
}

// TestProbesDoubt: who was promised more than arrives probes for longer, up to a limit and not for ever.
func TestProbesDoubt(t *testing.T) {
	var p probes
	size := func(want int) {
		t.Helper()
		if got := p.size(1e6); got != want {
			t.Errorf("%d bytes, want %d", got, want)
		}
	}
	check := func(promised, acked float64, over bool, want int) {
		t.Helper()
		p.promised = promised
		p.check(t0, acked, over)
		size(want)
	}
	size(1875)
	check(800e3, 600e3, false, 1875)
	check(800e3, 700e3, true, 1875)
	check(800e3, 600e3, true, 6000)
	p.check(t0, 600e3, true) // nothing new was promised
	size(6000)
	check(800e3, 800e3, false, 6000)
	check(800e3, 600e3, true, 12_000)
	for range 3 {
		check(800e3, 600e3, true, 18_750) // no longer than probeSlow
		check(800e3, 600e3, true, 18_750)
	}
	if p.doubt != probeMostDoubt {
		t.Errorf("doubt %v", p.doubt)
	}
	p.check(t0.Add(probeForgive+1), 0, false)
	size(1875)
}

// TestProbeBehindTokenBucket: what passes at once is not what the line carries.
func TestProbeBehindTokenBucket(t *testing.T) {
	p := probes{doubt: probeMostDoubt}
	p.begin(300e3)
	c, _ := p.take(t0, 900e3)
	const size, line = 1000, 600e3
	took := func(bytes float64) time.Duration { return time.Duration(bytes * 8e9 / line) }
	const bucket = 3000
	sent, free := t0, -took(bucket)
	n := 0
	for ; !p.active.done; n++ {
		at := sent.Sub(t0)
		free = max(free, at-took(bucket)) + took(size)
		p.sent(sent, c.ID, size)
		p.arrived(sent, max(free, at), c.ID, size)
		sent = sent.Add(time.Duration(size * 8e9 / float64(c.Rate)))
	}
	if bps, ok := p.result(); !ok || bps < 0.9*line || bps > 1.05*line {
		t.Errorf("%v bit/s by %d packets, the line carries %v", bps, n, line)
	}
}

// TestOutage: the target falls to nothing, and is back with the first feedback.
func TestOutage(t *testing.T) {
	var o outage
	o.tick(t0, 0)
	o.sent(t0)
	for i := range 40 {
		o.tick(t0.Add(time.Duration(i)*10*time.Millisecond), 0)
	}
	if o.is() {
		t.Error("an outage after 400 ms")
	}
	if !o.tick(t0.Add(time.Second), 0) || o.tick(t0.Add(time.Second), 0) {
		t.Error("an outage does not begin once")
	}
	o.tick(t0.Add(3*time.Second), 0)
	if got := o.apply(2e6); got > 40e3 {
		t.Errorf("%v bit/s after 3 s", got)
	}
	o.over()
	if o.apply(2e6) != 2e6 {
		t.Error("it is not over")
	}
	if o.tick(t0.Add(time.Hour), 0) {
		t.Error("an outage though nothing was sent")
	}
}
