package simnet

import (
	"strings"
	"testing"
	"time"
)

// TestTraces: how long packets take.
func TestTraces(t *testing.T) {
	steps := Steps{{0, 1e6}, {10 * sec, 500e3}, {20 * sec, 2e6}}
	mahimahi, err := ReadMahimahi(strings.NewReader("0\n5\n5\n\n20\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		trace Trace
		from  time.Duration
		bytes int
		want  time.Duration
	}{
		{steps, 0, 1250, 10 * msc},
		{steps, 15 * sec, 1250, 15*sec + 20*msc},
		{steps, 10*sec - 5*msc, 1250, 10*sec + 10*msc}, // half at each rate
		{steps, 20*sec - 1, 2500, 20*sec + 10*msc - 1},
		{steps, time.Hour, 1250, time.Hour + 5*msc},
		{mahimahi, 0, 1200, 5 * msc},
		{mahimahi, 5 * msc, 1200, 20 * msc},
		{mahimahi, 6 * msc, 1200, 20 * msc},
		{mahimahi, 20 * msc, 1200, 25 * msc},
		{mahimahi, 0, 3 * opportunity, 20 * msc},
		{mahimahi, 41 * msc, 1200, 45 * msc},
	} {
		if got := x.trace.Serve(x.from, x.bytes); got < x.want-1 || got > x.want+1 {
			t.Errorf("%T: %d bytes from %v on are out after %v, want %v", x.trace, x.bytes, x.from, got, x.want)
		}
	}
	if got := steps.Bytes(9*sec, 21*sec); got < 999_999 || got > 1_000_001 {
		t.Errorf("%v bytes in 12 s", got)
	}
	if got := mahimahi.Bytes(0, 40*msc); got != 8*opportunity {
		t.Errorf("%v bytes in two laps", got)
	}
	for _, bad := range []string{"", "0\n", "5\n4\n", "x\n", "-1\n"} {
		if _, err := ReadMahimahi(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is a trace", bad)
		}
	}
}

// run sends packets of 1250 bytes at even intervals and returns what became of them.
func run(cfg LinkConfig, n int, every time.Duration) (l *Link, arrived []Packet, at []time.Duration, lost int) {
	c := NewClock(1)
	l = NewLink(c, cfg)
	for i := range n {
		c.Run(time.Duration(i) * every)
		l.Send(&Packet{
			Size: 1250, Number: uint64(i), Lost: func(*Packet) { lost++ },
			Deliver: func(p *Packet) { arrived, at = append(arrived, *p), append(at, c.Elapsed()) },
		})
	}
	c.Run(time.Hour)
	return l, arrived, at, lost
}

// TestLink: delay, queue, marks, loss and order.
func TestLink(t *testing.T) {
	mbit := Steps{{0, 1e6}} // 10 ms a packet
	_, arrived, at, lost := run(LinkConfig{Trace: mbit, Delay: 50 * msc}, 100, 20*msc)
	if lost != 0 || at[99] != 99*20*msc+60*msc || arrived[99].Wait != 0 {
		t.Errorf("with room: %d lost, the last after %v, waited %v", lost, at[99], arrived[99].Wait)
	}
	l, arrived, at, lost := run(LinkConfig{Trace: mbit, Queue: 100 * msc, Mark: 50 * msc}, 100, 5*msc)
	if lost < 35 || lost > 42 || l.Stats.Dropped != lost || arrived[len(arrived)-1].Wait < 90*msc || arrived[len(arrived)-1].Wait > 100*msc {
		t.Errorf("a queue of 100 ms: %d of 100 lost, the last waited %v", lost, arrived[len(arrived)-1].Wait)
	}
	for i, p := range arrived {
		if p.CE != (p.Wait > 50*msc) || i > 0 && at[i] <= at[i-1] {
			t.Fatalf("packet %d at %v, after %v, marked %v", i, at[i], p.Wait, p.CE)
		}
	}
	if _, arrived, _, _ = run(LinkConfig{Trace: mbit, QueueBytes: 5000}, 100, 0); len(arrived) != 4 {
		t.Errorf("%d packets of 1250 bytes fit into 5000", len(arrived))
	}
	if _, _, _, lost = run(LinkConfig{Loss: 0.1}, 10000, msc); lost < 900 || lost > 1100 {
		t.Errorf("%d of 10000 lost at random", lost)
	}
	burst := Burst{ToBad: 0.01, ToGood: 0.1, Bad: 1}
	_, arrived, _, lost = run(LinkConfig{Burst: burst}, 20000, msc)
	gaps := 0
	for i := 1; i < len(arrived); i++ {
		if arrived[i].Number != arrived[i-1].Number+1 {
			gaps++
		}
	}
	if lost < 1200 || lost > 2500 || lost/gaps < 7 || lost/gaps > 13 {
		t.Errorf("%d of 20000 lost in %d bursts", lost, gaps)
	}
	_, _, at, _ = run(LinkConfig{Delay: 50 * msc, Jitter: 10 * msc}, 1000, msc)
	for i := range at {
		if i > 0 && at[i] < at[i-1] || at[i] < 50*msc {
			t.Fatalf("packet %d at %v", i, at[i])
		}
	}
}

// TestTCP: one connection fills the line, two share it, a short one ends.
func TestTCP(t *testing.T) {
	for _, cubic := range []bool{false, true} {
		c := NewClock(1)
		l := NewLink(c, bottleneck(Steps{{0, 4e6}}))
		a := StartTCP(c, l, wayBack(c), 0, cubic, nil)
		c.Run(60 * sec)
		if rate := float64(a.Delivered) * 8 / 60; rate < 3.6e6 {
			t.Errorf("cubic %v: %.0f bit/s of 4 Mbit/s", cubic, rate)
		}
		b := StartTCP(c, l, wayBack(c), 0, cubic, nil)
		c.Run(120 * sec)
		fromA, fromB := a.Delivered, b.Delivered
		c.Run(360 * sec)
		if share := float64(b.Delivered-fromB) / float64(a.Delivered-fromA+b.Delivered-fromB); share < 0.3 || share > 0.7 {
			t.Errorf("cubic %v: the second one has a share of %v", cubic, share)
		}
	}
	c := NewClock(1)
	l := NewLink(c, LinkConfig{Trace: Steps{{0, 4e6}}, Queue: 100 * msc, Delay: 50 * msc, Loss: 0.02})
	done := time.Duration(0)
	short := StartTCP(c, l, wayBack(c), 500_000, false, func() { done = c.Elapsed() })
	c.Run(120 * sec)
	if done < sec || done > 60*sec || short.Delivered < 500_000 {
		t.Errorf("500 kB are there after %v: %d bytes", done, short.Delivered)
	}
}
