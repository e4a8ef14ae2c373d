package bwe

import (
	"math/rand/v2"
	"testing"
	"time"
)

// feed gives packets at even intervals, of which each waits as long as wait says.
func feed(a *arrivals, from, n int, gap time.Duration, wait func(i int) time.Duration) (out []sample) {
	for i := from; i < from+n; i++ {
		sent := t0.Add(time.Duration(i) * gap)
		if s, ok := a.add(sent, time.Duration(sent)+42*time.Second+wait(i), 0); ok {
			out = append(out, s)
		}
	}
	return out
}

// TestGroups: 5 ms make a group, whose delay is that of its quickest packet.
func TestGroups(t *testing.T) {
	var a arrivals
	out := feed(&a, 0, 61, time.Millisecond, func(i int) time.Duration { return time.Duration(i%6) * 700 * time.Microsecond })
	if len(out) != 10 {
		t.Fatalf("%d groups", len(out))
	}
	for _, s := range out {
		if s.delay != 0 {
			t.Errorf("delay %v, though the first packet of each group did not wait", s.delay)
		}
	}
	if !out[0].fresh || out[1].fresh {
		t.Error("the first group alone is fresh")
	}
	// A queue that grows by 1 ms each 10 ms.
	out = feed(&a, 61, 100, 10*time.Millisecond, func(i int) time.Duration { return time.Duration(i-61) * time.Millisecond })
	if last := out[len(out)-1]; last.delay < 95*time.Millisecond || last.delay > 100*time.Millisecond {
		t.Errorf("delay %v after 100 ms were added", last.delay)
	}
}

// TestBurst: what was sent over more than 5 ms and comes at once is one group.
func TestBurst(t *testing.T) {
	var a arrivals
	held := 30 * time.Millisecond // the link passes on what it has every 30 ms
	out := feed(&a, 0, 300, 3*time.Millisecond, func(i int) time.Duration {
		at := time.Duration(i) * 3 * time.Millisecond
		return (at/held+1)*held - at
	})
	if len(out) < 28 || len(out) > 31 {
		t.Fatalf("%d groups, want one for each of 30 bursts", len(out))
	}
	for _, s := range out[1:] {
		if s.delay > 3*time.Millisecond {
			t.Errorf("delay %v", s.delay)
		}
	}
}

// TestBase: the base delay forgets after 30 to 60 s, and at once when the clock jumps.
func TestBase(t *testing.T) {
	var a arrivals
	feed(&a, 0, 100, 10*time.Millisecond, func(int) time.Duration { return 0 })
	out := feed(&a, 100, 7000, 10*time.Millisecond, func(int) time.Duration { return 50 * time.Millisecond })
	if out[10].delay != 50*time.Millisecond || out[len(out)-1].delay != 0 {
		t.Errorf("delay %v at first, %v after 70 s", out[10].delay, out[len(out)-1].delay)
	}
	out = feed(&a, 7100, 10, 10*time.Millisecond, func(int) time.Duration { return time.Hour })
	if !out[1].fresh || out[2].delay != 0 {
		t.Errorf("after a jump of the clock: %+v", out)
	}
}

// TestReordered: packets out of order close no group and make no delay.
func TestReordered(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var a arrivals
	for i := range 2000 {
		n := i ^ r.IntN(4)
		sent := t0.Add(time.Duration(n) * 2 * time.Millisecond)
		if s, ok := a.add(sent, time.Duration(sent), 0); ok && s.delay != 0 {
			t.Fatalf("delay %v", s.delay)
		}
	}
}

// trend gives a filter n groups every gap ms, whose delay wait tells.
func trend(l *trendline, from, n int, gap time.Duration, wait func(i int) time.Duration) (out []usage) {
	for i := from; i < from+n; i++ {
		out = append(out, l.add(sample{extra: wait(i), at: time.Duration(i) * gap, fresh: i == 0}))
	}
	return out
}

func count(list []usage, u usage) (n int) {
	for _, x := range list {
		if x == u {
			n++
		}
	}
	return n
}

func TestTrendline(t *testing.T) {
	const gap = 10 * time.Millisecond
	flat := func(int) time.Duration { return 0 }
	for _, x := range []struct {
		name  string
		wait  func(i int) time.Duration
		check func(list []usage) bool
	}{
		{"even", flat, func(l []usage) bool { return count(l, normal) == len(l) }},
		{"a queue that grows by a third", func(i int) time.Duration { return time.Duration(max(0, i-100)) * gap / 3 },
			func(l []usage) bool { return count(l[:100], normal) == 100 && count(l[100:130], overuse) > 0 }},
		{"one that grows by a twentieth", func(i int) time.Duration { return time.Duration(max(0, i-100)) * gap / 20 },
			func(l []usage) bool { return count(l[:100], normal) == 100 && count(l[100:], overuse) > 0 }},
		{"one that is emptied", func(i int) time.Duration { return time.Duration(max(0, 100-i)) * gap / 3 },
			func(l []usage) bool { return count(l[60:100], underuse) > 20 && count(l[130:], normal) > 0 }},
		{"a spike", func(i int) time.Duration {
			if i == 100 {
				return 20 * time.Millisecond
			}
			return 0
		}, func(l []usage) bool { return count(l, overuse) == 0 }},
	} {
		var l trendline
		if list := trend(&l, 0, 200, gap, x.wait); !x.check(list) {
			t.Errorf("%s: %v", x.name, list)
		}
	}
}

// TestThreshold: it adapts to a path whose delay varies, and comes back.
func TestThreshold(t *testing.T) {
	var l trendline
	wave := func(i int) time.Duration { // slopes up and down for 300 ms each
		return time.Duration(abs(i%60-30)) * 1200 * time.Microsecond
	}
	trend(&l, 0, 6000, 10*time.Millisecond, wave)
	if l.threshold < thresholdInit {
		t.Errorf("threshold %v on a path that varies", l.threshold)
	}
	trend(&l, 6000, 3000, 10*time.Millisecond, func(int) time.Duration { return 0 })
	if l.threshold != thresholdMin {
		t.Errorf("threshold %v on an even path", l.threshold)
	}
}

func abs(i int) int { return max(i, -i) }

// TestRates: the lower one of what arrives and what was sent.
func TestRates(t *testing.T) {
	for _, x := range []struct {
		name       string
		sent, came time.Duration // between packets of 1000 bytes
		want       uint64
	}{
		{"as sent", 8 * time.Millisecond, 8 * time.Millisecond, 1_000_000},
		{"a slow line", 8 * time.Millisecond, 16 * time.Millisecond, 500_000},
		{"quicker than sent", 8 * time.Millisecond, 6 * time.Millisecond, 1_000_000},
		{"sound", 20 * time.Millisecond, 20 * time.Millisecond, 400_000},
		{"a lie", 8 * time.Millisecond, 0, 0},
	} {
		var r rates
		for i := range 500 {
			r.add(t0.Add(time.Duration(i)*x.sent), time.Hour+time.Duration(i)*x.came, 1000)
		}
		for within, rate := range map[time.Duration]func() uint64{rateWindow: r.usual, rateFresh: r.fresh} {
			if got := rate(); got < x.want*99/100 || got > x.want*101/100 {
				t.Errorf("%s: %d bit/s within %v, want %d", x.name, got, within, x.want)
			}
		}
	}
}

// TestRatesOfFewPackets: on a slow line chance decides what comes within a short time.
func TestRatesOfFewPackets(t *testing.T) {
	var r rates
	at := time.Hour
	for i := range 40 { // 128 kbit/s
		r.add(t0.Add(at), at, 1000)
		if at += 20 * time.Millisecond; i%4 == 3 {
			at += 170 * time.Millisecond
		}
		if got := r.fresh(); got != 0 && i > 12 && (got < 90_000 || got > 190_000) {
			t.Errorf("packet %d: %d bit/s", i, got)
		}
	}
}

// TestRatesGap: a long pause counts in no rate.
func TestRatesGap(t *testing.T) {
	var r rates
	for i := range 500 {
		at := time.Duration(i) * 8 * time.Millisecond
		if i >= 250 {
			at += 10 * time.Second
		}
		r.add(t0.Add(at), at, 1000)
		if got := r.usual(); i > 100 && got != 0 && (got < 990_000 || got > 1_010_000) {
			t.Fatalf("packet %d: %d bit/s", i, got)
		}
	}
}
