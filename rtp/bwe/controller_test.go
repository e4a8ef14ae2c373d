package bwe

import (
	"testing"
	"time"

	"bifrons/rtp/mono"
)

// rig sends packets over a line that it models: a rate, a delay, and a queue without end.
type rig struct {
	c      *Controller
	now    mono.Time
	number uint64
	line   float64   // bit/s
	free   mono.Time // when everything has gone out
	back   mono.Time // of the next feedback
	flying []Result
	deaf   bool // nothing comes back
}

func newRig(cfg Config, line float64) *rig {
	return &rig{c: New(cfg), now: t0, line: line, back: t0.Add(50 * time.Millisecond)}
}

func (r *rig) send(size int, class Class, cluster uint8) {
	r.number++
	r.c.Sent(r.now, Sent{Number: r.number, Size: size, Class: class, Cluster: cluster})
	r.free = max(r.free, r.now).Add(time.Duration(float64(size) * 8e9 / r.line))
	r.flying = append(r.flying, Result{Number: r.number, Received: true, Arrival: time.Duration(r.free) + 50*time.Millisecond})
}

// run sends video at a share of the target for a time, and what is to be probed.
func (r *rig) run(d time.Duration, share float64) {
	end := r.now.Add(d)
	budget := 0.0
	for ; r.now < end; r.now = r.now.Add(5 * time.Millisecond) {
		r.c.Tick(r.now)
		if cluster, ok := r.c.Probe(r.now); ok {
			saved := r.now
			for sent, n := 0, 0; sent < cluster.Bytes || n < cluster.Packets; n++ {
				r.send(1000, Padding, cluster.ID)
				sent += 1000
				r.now = r.now.Add(time.Duration(8e12 / float64(cluster.Rate)))
			}
			r.now = max(r.now, saved)
		}
		budget += share * float64(r.c.Target().Target) / 8 * 0.005
		for ; budget >= 1000; budget -= 1000 {
			r.send(1000, Video, 0)
		}
		r.feedback()
	}
}

func (r *rig) feedback() {
	if r.now < r.back {
		return
	}
	r.back = r.now.Add(50 * time.Millisecond)
	n := 0
	for n < len(r.flying) && time.Duration(r.now) > r.flying[n].Arrival+50*time.Millisecond {
		n++
	}
	if !r.deaf {
		r.c.Feedback(r.now, r.flying[:n])
	}
	r.flying = r.flying[:copy(r.flying, r.flying[n:])]
}

// TestControllerFindsLine: up to the line's rate soon, and no further.
func TestControllerFindsLine(t *testing.T) {
	r := newRig(Config{}, 3e6)
	r.c.Want(10e6)
	r.run(3*time.Second, 1)
	if got := r.c.Target(); got.Target < 2.2e6 || got.Target > 3.4e6 {
		t.Errorf("after 3 s: %+v", got)
	}
	for range 20 {
		r.run(time.Second, 1)
		if got := r.c.Target(); got.Target < 1.8e6 || got.Target > 3.5e6 || got.Pacing < 2*got.Target || got.RTT < 90*time.Millisecond {
			t.Errorf("later: %+v", got)
		}
	}
}

// TestControllerAppLimited: who sends little keeps what it has, and learns no more unless
// it wants it.
func TestControllerAppLimited(t *testing.T) {
	r := newRig(Config{Start: 1e6}, 50e6)
	r.run(30*time.Second, 0.2)
	if got := r.c.Target(); got.Target > 1.1e6 || got.Reason != AppLimited || r.c.Counters().Probes > 2 {
		t.Errorf("without a wish: %+v, %+v", got, r.c.Counters())
	}
	r.c.Want(5e6)
	r.run(10*time.Second, 0.2)
	if got := r.c.Target().Target; got < 4.5e6 || got > 11e6 {
		t.Errorf("it wants 5 Mbit/s and has %d", got)
	}
	r.c.Want(0)
	probes := r.c.Counters().Probes
	r.run(30*time.Second, 0.2)
	if n := r.c.Counters().Probes; n != probes {
		t.Errorf("%d probes for nothing", n-probes)
	}
}

// TestControllerLimit: neither probes nor growth pass the limit.
func TestControllerLimit(t *testing.T) {
	r := newRig(Config{Max: 1e6}, 50e6)
	r.c.Want(50e6)
	r.run(10*time.Second, 1)
	if got := r.c.Target(); got.Target != 1e6 || got.Reason != Limit {
		t.Errorf("%+v", got)
	}
	r.c.Limit(2e6)
	r.c.Want(50e6)
	r.run(10*time.Second, 1)
	if got := r.c.Target(); got.Target != 2e6 {
		t.Errorf("%+v", got)
	}
	r.c.Limit(500e3)
	if got := r.c.Target(); got.Target != 500e3 {
		t.Errorf("%+v", got)
	}
}

// TestControllerOutage: no feedback, no sending; what was known is known afterwards.
func TestControllerOutage(t *testing.T) {
	r := newRig(Config{}, 5e6)
	r.c.Want(4e6)
	r.run(5*time.Second, 0.9)
	before := r.c.Target().Target
	r.deaf = true
	r.run(3*time.Second, 1)
	if got := r.c.Target(); got.Target > 40e3 || got.Reason != NoFeedback {
		t.Errorf("after 3 s without feedback: %+v", got)
	}
	r.deaf = false
	r.run(time.Second, 0.9)
	if got := r.c.Target(); got.Target < before*3/4 || r.c.Counters().Outages != 1 {
		t.Errorf("after it: %+v, before it %d", got, before)
	}
}

// TestControllerRoute: another path is another line, a renegotiated one is the same.
func TestControllerRoute(t *testing.T) {
	r := newRig(Config{}, 5e6)
	r.c.Want(4e6)
	r.run(5*time.Second, 0.9)
	before := r.c.Target().Target
	r.c.Restart(r.now, before)
	if got := r.c.Target(); got.Target != before || got.Reason != Starting {
		t.Errorf("remembered: %+v, want %d", got, before)
	}
	r.line = 500e3
	r.c.RouteChanged(r.now)
	if got := r.c.Target(); got.Target != DefaultStart {
		t.Errorf("on another path: %+v", got)
	}
	r.run(10*time.Second, 1)
	if got := r.c.Target(); got.Target < 300e3 || got.Target > 600e3 {
		t.Errorf("on a path of 500 kbit/s: %+v", got)
	}
}

// TestFallback: peers without transport-wide feedback.
func TestFallback(t *testing.T) {
	c := New(Config{})
	c.RTT(t0, 80*time.Millisecond)
	for range 50 {
		c.ReceiverReport(t0, 0)
	}
	if got := c.Target(); got.Target < 2e6 || got.Reason != Growing || got.RTT != 80*time.Millisecond {
		t.Errorf("without loss: %+v", got)
	}
	c.REMB(t0, 600e3)
	if got := c.Target(); got.Target != 600e3 || got.Reason != Limit {
		t.Errorf("with REMB: %+v", got)
	}
	c.ReceiverReport(t0, 0.5)
	if got := c.Target(); got.Target != 450e3 || got.Reason != Loss {
		t.Errorf("with loss: %+v", got)
	}
	c.ReceiverReport(t0, 0.05)
	if got := c.Target(); got.Target != 450e3 {
		t.Errorf("with a little: %+v", got)
	}
	for range 100 {
		c.ReceiverReport(t0, 1)
	}
	if got := c.Target(); got.Target != DefaultMin {
		t.Errorf("with nothing that arrives: %+v", got)
	}
	r := newRig(Config{}, 5e6)
	r.run(5*time.Second, 0.9)
	before := r.c.Target().Target
	r.c.REMB(r.now, 50e3)
	r.c.ReceiverReport(r.now, 1)
	if got := r.c.Target().Target; got != before {
		t.Errorf("beside transport-wide feedback: %d, before %d", got, before)
	}
}

// TestHostileFeedback: what tells of nothing new raises nothing and changes nothing.
func TestHostileFeedback(t *testing.T) {
	honest, lied := newRig(Config{}, 2e6), newRig(Config{}, 2e6)
	for i := range 400 {
		for _, r := range []*rig{honest, lied} {
			r.c.Want(5e6)
			r.run(50*time.Millisecond, 1)
		}
		if i < 20 {
			continue
		}
		// Of packets that were never sent, long ago, or reported before, with any times.
		var list []Result
		for n := range uint64(4000) {
			x := Result{Received: n%3 > 0, Arrival: time.Duration(n) * time.Duration(1<<(n%40))}
			switch n % 4 {
			case 0:
				x.Number = lied.number + 1 + n*n*n
			case 1:
				x.Number = 0
			case 2:
				x.Number = lied.number / 2 % (n + 1)
			default:
				x.Number = 1<<63 + n
			}
			list = append(list, x)
		}
		lied.c.Feedback(lied.now, list)
	}
	// The honest controller saw the same but for those; packets in the middle of the past are
	// known as reported in both.
	if h, l := honest.c.Target(), lied.c.Target(); h != l {
		t.Errorf("the lies changed %+v to %+v", h, l)
	}
	if c := lied.c.Counters(); c.NeverSent == 0 || c.Repeated == 0 && c.TooOld == 0 {
		t.Errorf("not counted: %+v", c)
	}
}

// TestLyingTimes: a peer that invents arrival times gets no more than what was sent.
func TestLyingTimes(t *testing.T) {
	for name, lie := range map[string]func(i int, at time.Duration) time.Duration{
		"all at once":   func(int, time.Duration) time.Duration { return time.Hour },
		"ten times":     func(_ int, at time.Duration) time.Duration { return at / 10 },
		"backwards":     func(_ int, at time.Duration) time.Duration { return -at },
		"jumps":         func(i int, at time.Duration) time.Duration { return at + time.Duration(i%2)*time.Hour },
		"from nowhere":  func(int, time.Duration) time.Duration { return 1<<63 - 1 },
		"before it all": func(int, time.Duration) time.Duration { return -1 << 63 },
	} {
		c := New(Config{})
		c.Want(100e6)
		now, n := t0, uint64(0)
		for i := range 2000 { // 400 kbit/s
			n++
			c.Sent(now, Sent{Number: n, Size: 1000, Class: Video})
			c.Feedback(now.Add(time.Millisecond), []Result{{Number: n, Received: true, Arrival: lie(i, time.Duration(now))}})
			now = now.Add(20 * time.Millisecond)
			c.Tick(now)
			if got := c.Target().Target; got > 400_000*ackedFactor+ackedOffset+1 {
				t.Fatalf("%s: %d bit/s though 400 kbit/s were sent", name, got)
			}
		}
	}
}

// TestArrivingIsCarried: a line that shows no queue carries at least what arrives.
func TestArrivingIsCarried(t *testing.T) {
	r := newRig(Config{}, 300e3)
	r.run(10*time.Second, 1)
	r.line = 5e6
	r.run(time.Second, 0.5) // its queue is gone
	before := r.c.Target().Target
	if r.run(2*time.Second, 2); r.c.Target().Target < 18*before/10 {
		t.Errorf("%d bit/s after %d, of which twice as much was sent", r.c.Target().Target, before)
	}
}

// TestWithheldReports: a peer that reports most packets seconds late gets no more by it.
func TestWithheldReports(t *testing.T) {
	c := New(Config{})
	now, n := t0, uint64(0)
	var held []Result
	for i := range 4000 { // 400 kbit/s
		n++
		c.Sent(now, Sent{Number: n, Size: 1000, Class: Video})
		x := []Result{{Number: n, Received: true, Arrival: time.Duration(now)}}
		switch {
		case i%100 >= 90:
			c.Feedback(now.Add(time.Millisecond), x)
		case i%100 == 89:
			for j := range held {
				held[j].Arrival = time.Duration(now)
			}
			c.Feedback(now.Add(time.Millisecond), append(x, held...))
			held = held[:0]
		case i%10 == 0:
			c.Feedback(now.Add(time.Millisecond), x)
		default:
			held = append(held, x[0])
		}
		now = now.Add(20 * time.Millisecond)
		c.Tick(now)
		if got := c.Target().Target; got > 400_000*ackedFactor+ackedOffset+1 {
			t.Fatalf("packet %d: %d bit/s though 400 kbit/s were sent", i, got)
		}
	}
}

// TestDeterministic: the same calls, the same estimates.
func TestDeterministic(t *testing.T) {
	a, b := newRig(Config{}, 1.3e6), newRig(Config{}, 1.3e6)
	for range 300 {
		for _, r := range []*rig{a, b} {
			r.c.Want(3e6)
			r.run(100*time.Millisecond, 1)
		}
		if a.c.Target() != b.c.Target() {
			t.Fatalf("%+v and %+v", a.c.Target(), b.c.Target())
		}
	}
}

// TestMarks: a line that marks is congested.
func TestMarks(t *testing.T) {
	for _, marked := range []bool{false, true} {
		r := newRig(Config{Start: 1e6}, 5e6)
		r.run(3*time.Second, 1)
		before := r.c.Target().Target
		for range 20 {
			for i := range r.flying {
				r.flying[i].CE = marked
			}
			r.run(50*time.Millisecond, 1)
		}
		if got := r.c.Target(); got.Target < before == !marked {
			t.Errorf("marked %v: from %d to %+v", marked, before, got)
		}
	}
}

// TestAllocations: none after New.
func TestAllocations(t *testing.T) {
	c := New(Config{})
	c.Want(5e6)
	now, n := t0, uint64(0)
	results := make([]Result, 0, 64)
	step := func() {
		results = results[:0]
		for range 40 {
			n++
			now = now.Add(time.Millisecond)
			c.Sent(now, Sent{Number: n, Size: 1000, Class: Video})
			results = append(results, Result{Number: n, Received: n%20 != 0, Arrival: time.Duration(now)})
		}
		c.Feedback(now.Add(50*time.Millisecond), results)
		c.Tick(now)
		c.Probe(now)
		c.Target()
	}
	for range 100 {
		step()
	}
	if got := testing.AllocsPerRun(200, step); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// FuzzFeedback: whatever a peer tells, the estimate stays within what was sent, and telling of
// nothing new raises nothing.
func FuzzFeedback(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 250, 251, 252, 253, 254, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		c := New(Config{})
		c.Want(20e6)
		now, n := t0, uint64(0)
		most := 0.0
		for len(b) >= 4 {
			for range b[0] % 16 {
				n++
				c.Sent(now, Sent{Number: n, Size: 1200, Class: Video, Cluster: b[1] % 16})
				now = now.Add(time.Duration(b[2]) * 20 * time.Microsecond)
			}
			c.Probe(now)
			before := c.Target().Target
			told := c.Counters().Received + c.Counters().FoundAgain
			var list [8]Result
			for i := range list {
				list[i] = Result{
					Number: n + 4 - uint64(b[3])*uint64(i), Received: b[1]&1<<i == 0,
					Arrival: time.Duration(int64(b[0])<<(b[2]%56)) * time.Duration(int8(b[3])),
				}
			}
			c.Feedback(now, list[:])
			now = now.Add(time.Duration(b[1]) * 100 * time.Microsecond)
			after := c.Target()
			if after.Target > before && c.Counters().Received+c.Counters().FoundAgain == told {
				t.Fatalf("from %d to %d by nothing new", before, after.Target)
			}
			if after.Target < DefaultMin || after.Target > DefaultMax || after.Queue < 0 || after.Lost < 0 || after.Lost > 1 {
				t.Fatalf("%+v", after)
			}
			most = max(most, float64(after.Target))
			c.Tick(now)
			b = b[4:]
		}
	})
}

func BenchmarkSent(b *testing.B) {
	c := New(Config{})
	now := t0
	for i := range b.N {
		now += mono.Time(time.Millisecond)
		c.Sent(now, Sent{Number: uint64(i + 1), Size: 1200, Class: Video})
	}
}

// BenchmarkFeedback is Sent and its share of the feedback on fifty packets.
func BenchmarkFeedback(b *testing.B) {
	c := New(Config{Start: 5e6})
	now, n := t0, uint64(0)
	results := make([]Result, 50)
	b.ReportAllocs()
	for range b.N / 50 {
		for i := range results {
			n++
			now = now.Add(time.Millisecond)
			c.Sent(now, Sent{Number: n, Size: 600, Class: Video})
			results[i] = Result{Number: n, Received: n%50 != 0, Arrival: time.Duration(now)}
		}
		c.Feedback(now, results)
	}
}

// TestQuiet stops sending with a long queue: when that is gone probes go on, or a video that
// does not fit would never come back.
func TestQuiet(t *testing.T) {
	r := newRig(Config{}, 500e3)
	r.run(10*time.Second, 1)
	r.c.Want(2e6)
	r.run(2*time.Second, 4)
	if e := r.c.Target(); e.Queue < 100*time.Millisecond {
		t.Fatalf("a queue of %v", e.Queue)
	}
	before := r.c.Counters().Probes
	r.line = 5e6
	r.run(20*time.Second, 0)
	e := r.c.Target()
	t.Logf("%+v, %d probes", e, r.c.Counters().Probes-before)
	if e.Target < 1e6 {
		t.Errorf("target %d on a line of 5 Mbit/s", e.Target)
	}
}

// TestCalm: a line needs no close look while nothing is wrong with it and no more is wanted.
func TestCalm(t *testing.T) {
	r := newRig(Config{Start: 2e6}, 5e6)
	r.run(5*time.Second, 0.4)
	if !r.c.Calm() {
		t.Errorf("not calm at rest: %+v", r.c.Target())
	}
	r.c.Want(20e6)
	if r.c.Calm() {
		t.Error("calm though more is wanted than the line is known to carry")
	}
	r.c.Want(0)
	r.line = 200e3
	if r.run(time.Second, 1); r.c.Calm() {
		t.Errorf("calm with a queue that grows: %+v", r.c.Target())
	}
	r = newRig(Config{Start: 2e6}, 5e6)
	r.run(5*time.Second, 0.4)
	r.deaf = true
	if r.run(2*time.Second, 0.4); r.c.Calm() {
		t.Errorf("calm without feedback: %+v", r.c.Target())
	}
}
