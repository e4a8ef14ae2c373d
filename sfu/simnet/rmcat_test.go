package simnet

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"bifrons/rtp/bwe"
)

const (
	sec = time.Second
	msc = time.Millisecond
)

// figures are what a run has shown, by name.
type figures map[string]float64

// bottleneck is the line of RFC 8867, 4.1: 50 ms each way, a queue of 300 ms.
func bottleneck(trace Trace) LinkConfig {
	return LinkConfig{Trace: trace, Queue: 300 * msc, Delay: 50 * msc}
}

// wayBack is one without a bottleneck.
func wayBack(c *Clock) *Link { return NewLink(c, LinkConfig{Delay: 50 * msc}) }

// elastic is the encoder of RFC 8867, 4.2.
func elastic(c *Clock) Source { return &Elastic{Clock: c, Min: 150e3, Max: 1500e3} }

// waits adds the waits in ms of all packets of flows.
func (f figures) waits(flows ...*Flow) {
	var all []time.Duration
	sent, lost := 0, 0
	for _, x := range flows {
		all = append(all, x.Stats.Waits...)
		sent, lost = sent+x.Stats.Sent, lost+x.Stats.Lost
	}
	slices.Sort(all)
	f["p50"] = all[len(all)/2].Seconds() * 1000
	f["p95"] = all[len(all)*95/100].Seconds() * 1000
	f["loss"] = 100 * float64(lost) / float64(sent)
	for _, x := range flows {
		f["gap"] = max(f["gap"], x.Stats.Gap.Seconds())
	}
	var padding, bytes int64
	for _, x := range flows {
		padding, bytes = padding+x.Stats.PaddingBytes, bytes+x.Stats.SentBytes
	}
	f["overhead"] = 100 * float64(padding) / float64(bytes)
}

// use is the share in percent of what could arrive that did, of flows that take 1.5 Mbit/s each at
// most.
func use(trace Trace, from, to time.Duration, flows ...*Flow) float64 {
	var could, did float64
	for t := from; t < to; t += slot {
		could += min(trace.Bytes(t, t+slot), 1500e3/8*slot.Seconds()*float64(len(flows)))
	}
	for _, f := range flows {
		did += mean(f.Stats.Slots, from, to) * float64((to-from)/slot)
	}
	return 100 * did / could
}

// jain is the fairness of rates (RFC 8868, 4).
func jain(from, to time.Duration, flows ...*Flow) float64 {
	var sum, squares float64
	for _, f := range flows {
		x := f.Stats.ArrivalRate(from, to)
		sum += x
		squares += x * x
	}
	return sum * sum / (float64(len(flows)) * squares)
}

// bound is what the median of a figure keeps.
type bound struct {
	figure    string
	low, high float64
}

// testCase is one with what it keeps.
type testCase struct {
	name  string
	keeps []bound
	run   func(c *Clock) figures
}

// steadily is what all senders of layers keep on a line that does not change.
var steadily = []bound{
	{"use", 85, 105}, {"switches", 0, 1}, {"switches after 60 s", 0, 0}, {"p95", 0, 60}, {"gap", 0, 0.5}, {"overhead", 0, 5},
}

// runs are the test cases of RFC 8867 by section, and those of senders of layers. Each returns its
// figures for a seed: use and shares in percent, waits (p50, p95) in ms, gaps between
// packets of video in seconds.
var runs = []testCase{
	{"5.1 variable capacity", []bound{{"use", 85, 100}, {"p95", 0, 60}, {"loss", 0, 1}, {"gap", 0, 0.5}, {"overhead", 0, 5}}, func(c *Clock) figures {
		trace := Steps{{0, 1e6}, {40 * sec, 2.5e6}, {60 * sec, 0.6e6}, {80 * sec, 1e6}}
		f := StartFlow(c, FlowConfig{Forward: NewLink(c, bottleneck(trace)), Back: wayBack(c), Source: elastic(c)})
		c.Run(100 * sec)
		out := figures{"use": use(trace, 0, 100*sec, f)}
		out.waits(f)
		return out
	}},
	{"5.2 variable, two flows", []bound{{"use", 85, 100}, {"jain", 0.9, 1}, {"p95", 0, 200}, {"gap", 0, 1}, {"overhead", 0, 5}}, func(c *Clock) figures {
		trace := Steps{{0, 4e6}, {25 * sec, 2e6}, {50 * sec, 3.5e6}, {75 * sec, 1e6}, {100 * sec, 2e6}}
		l := NewLink(c, bottleneck(trace))
		f := StartFlow(c, FlowConfig{Forward: l, Back: wayBack(c), Source: elastic(c)})
		g := StartFlow(c, FlowConfig{Forward: l, Back: wayBack(c), Source: elastic(c)})
		c.Run(125 * sec)
		out := figures{"use": use(trace, 0, 125*sec, f, g), "jain": jain(25*sec, 125*sec, f, g)}
		out.waits(f, g)
		return out
	}},
	{"5.3 both ways", []bound{{"use", 85, 100}, {"use back", 85, 100}, {"p95", 0, 60}, {"gap", 0, 0.5}, {"overhead", 0, 5}}, func(c *Clock) figures {
		there := Steps{{0, 2e6}, {20 * sec, 1e6}, {40 * sec, 0.5e6}, {60 * sec, 2e6}}
		back := Steps{{0, 2e6}, {35 * sec, 0.8e6}, {70 * sec, 2e6}}
		a, b := NewLink(c, bottleneck(there)), NewLink(c, bottleneck(back))
		f := StartFlow(c, FlowConfig{Forward: a, Back: b, Source: elastic(c)})
		g := StartFlow(c, FlowConfig{Forward: b, Back: a, Source: elastic(c)})
		c.Run(100 * sec)
		out := figures{"use": use(there, 0, 100*sec, f), "use back": use(back, 0, 100*sec, g)}
		out.waits(f, g)
		return out
	}},
	{"5.4 three flows", []bound{{"use", 85, 100}, {"jain", 0.9, 1}, {"fair after", 0, 10}, {"p95", 0, 150}, {"gap", 0, 0.5}, {"overhead", 0, 5}}, func(c *Clock) figures {
		trace := Steps{{0, 3.5e6}}
		l := NewLink(c, bottleneck(trace))
		var flows []*Flow
		for i := range 3 {
			c.Run(time.Duration(20*i) * sec)
			flows = append(flows, StartFlow(c, FlowConfig{Forward: l, Back: wayBack(c), Source: elastic(c)}))
		}
		c.Run(120 * sec)
		out := figures{"use": use(trace, 60*sec, 120*sec, flows...), "jain": jain(60*sec, 120*sec, flows...)}
		for t := 40 * sec; t < 110*sec && jain(t, t+5*sec, flows...) < 0.9; t += sec {
			out["fair after"]++
		}
		out.waits(flows...)
		return out
	}},
	{"5.5 round trips", []bound{{"use", 85, 100}, {"jain", 0.8, 1}, {"p95", 0, 150}, {"gap", 0, 0.5}, {"overhead", 0, 5}}, func(c *Clock) figures {
		trace := Steps{{0, 4e6}}
		cfg := bottleneck(trace)
		cfg.Delay = 0
		l, back := NewLink(c, cfg), NewLink(c, LinkConfig{})
		var flows []*Flow
		for i, d := range []time.Duration{10, 25, 50, 100, 150} {
			c.Run(time.Duration(10*i) * sec)
			flows = append(flows, StartFlow(c, FlowConfig{Forward: l, Back: back, Delay: d * msc, Source: elastic(c)}))
		}
		c.Run(300 * sec)
		out := figures{"use": use(trace, 60*sec, 300*sec, flows...), "jain": jain(60*sec, 300*sec, flows...)}
		out.waits(flows...)
		return out
	}},
	{"5.6 long TCP", []bound{{"share", 25, 75}, {"tcp share", 25, 75}, {"gap", 0, 0.5}}, func(c *Clock) figures { return longTCP(c, 300*msc, false) }},
	{"5.6 long TCP, 1 s of queue", []bound{{"share", 25, 75}, {"tcp share", 25, 75}, {"gap", 0, 0.5}}, func(c *Clock) figures { return longTCP(c, 1000*msc, false) }},
	{"5.6 long TCP, Cubic", []bound{{"share", 25, 75}, {"tcp share", 25, 75}, {"gap", 0, 0.5}}, func(c *Clock) figures { return longTCP(c, 300*msc, true) }},
	{"5.7 short TCP", []bound{{"share", 10, 75}, {"gap", 0, 0.5}}, func(c *Clock) figures {
		trace := Steps{{0, 2e6}}
		l := NewLink(c, bottleneck(trace))
		f := StartFlow(c, FlowConfig{Forward: l, Back: wayBack(c), Source: elastic(c)})
		tcp := int64(0)
		for range 10 {
			var begin func()
			begin = func() {
				var t *TCP
				t = StartTCP(c, l, wayBack(c), 100_000+c.Rand.Int64N(900_000), false, func() {
					tcp += t.Delivered
					c.After(time.Duration(c.Rand.ExpFloat64()*float64(10*sec)), begin)
				})
			}
			c.After(time.Duration(c.Rand.ExpFloat64()*float64(10*sec)), begin)
		}
		c.Run(300 * sec)
		out := figures{"share": 100 * f.Stats.ArrivalRate(0, 300*sec) / 2e6, "tcp share": 100 * float64(tcp) * 8 / 300 / 2e6}
		out.waits(f)
		return out
	}},
	{"5.8 pause", []bound{{"use", 85, 100}, {"use in the pause", 95, 102}, {"jain", 0.9, 1}, {"gap", 0, 0.5}, {"overhead", 0, 5}}, func(c *Clock) figures {
		trace := Steps{{0, 3.5e6}}
		l := NewLink(c, bottleneck(trace))
		var flows []*Flow
		for range 3 {
			flows = append(flows, StartFlow(c, FlowConfig{Forward: l, Back: wayBack(c), Source: elastic(c)}))
		}
		c.Run(40 * sec)
		flows[0].Off = true
		c.Run(60 * sec)
		flows[0].Off = false
		c.Run(100 * sec)
		out := figures{"use": use(trace, 0, 40*sec, flows...), "use in the pause": use(trace, 42*sec, 60*sec, flows[1:]...),
			"jain": jain(65*sec, 100*sec, flows...)}
		flows[0].Stats.Gap = 0
		out.waits(flows...)
		return out
	}},
	{"5.1 with layers", []bound{{"use", 85, 105}, {"p95", 0, 60}, {"gap", 0, 0.5}, {"overhead", 0, 5}, {"switches", 0, 16}}, func(c *Clock) figures {
		trace := Steps{{0, 1e6}, {40 * sec, 2.5e6}, {60 * sec, 0.6e6}, {80 * sec, 1e6}}
		f, src := layered(c, bottleneck(trace))
		c.Run(100 * sec)
		out := figures{"switches": float64(src.Switches)}
		best := 0.4*500e3 + 0.2*1500e3 + 0.2*300e3 + 0.2*500e3 // the highest layer that fits, with sound and margin
		out["use"] = 100 * f.Stats.ArrivalRate(0, 100*sec) / (best + AudioRate)
		out.waits(f)
		return out
	}},
	{"start, 5 Mbit/s", []bound{{"top after", 0, 2}, {"late switches", 0, 0}, {"overhead", 0, 5}}, func(c *Clock) figures {
		f, src := layered(c, bottleneck(Steps{{0, 5e6}}))
		c.Run(30 * sec)
		out := figures{"top after": reached(src, 0, len(Simulcast)-1), "switches": float64(len(src.Changes)) - since(src, 10*sec)}
		out["late switches"] = since(src, 10*sec)
		out.waits(f)
		return out
	}},
	{"capacity to a third and back", []bound{{"under", 0, 1}, {"empty", 0, 2}, {"top after", 0, 10}, {"not at the top", 0, 0}, {"gap", 0, 1}, {"overhead", 0, 5}}, func(c *Clock) figures {
		trace := Steps{{0, 3.2e6}, {30 * sec, 3.2e6 / 3}, {70 * sec, 3.2e6}}
		l := NewLink(c, bottleneck(trace))
		return third(c, l, 3.2e6/3)
	}},
	{"600 kbit/s, then 150, then free", []bound{{"top after", 0, 10}, {"rate at 600", 300, 600}, {"rate at 150", 90, 150}, {"gap", 0, 1}, {"overhead", 0, 5}}, func(c *Clock) figures {
		trace := Steps{{0, 5e6}, {20 * sec, 600e3}, {50 * sec, 150e3}, {80 * sec, 5e6}}
		src := &Layered{Clock: c, Layers: Simulcast, Audio: true}
		f := StartFlow(c, FlowConfig{Forward: NewLink(c, bottleneck(trace)), Back: wayBack(c), Source: src, Audio: true})
		c.Run(110 * sec)
		out := figures{"top after": reached(src, 80*sec, len(Simulcast)-1), "rate at 600": f.Stats.ArrivalRate(22*sec, 50*sec) / 1000,
			"rate at 150": f.Stats.ArrivalRate(52*sec, 80*sec) / 1000}
		out.waits(f)
		return out
	}},
	{"steady at 1.2 Mbit/s", steadily, func(c *Clock) figures { return steady(c, bottleneck(Steps{{0, 1.2e6}}), 500e3) }},
	{"steady at 700 kbit/s", steadily, func(c *Clock) figures { return steady(c, bottleneck(Steps{{0, 0.7e6}}), 500e3) }},
	{"steady at 2 Mbit/s", steadily, func(c *Clock) figures { return steady(c, bottleneck(Steps{{0, 2e6}}), 1500e3) }},
	{"steady at 2.7 Mbit/s", steadily, func(c *Clock) figures { return steady(c, bottleneck(Steps{{0, 2.7e6}}), 1500e3) }},
	{"steady at 5 Mbit/s", steadily, func(c *Clock) figures { return steady(c, bottleneck(Steps{{0, 5e6}}), 2500e3) }},
	{"5 Mbit/s, jitter of 10 ms", steadily, func(c *Clock) figures {
		cfg := bottleneck(Steps{{0, 5e6}})
		cfg.Jitter = 10 * msc
		return steady(c, cfg, 2500e3)
	}},
	{"10 % random loss, 2 Mbit/s", []bound{{"use", 60, 100}, {"gap", 0, 1}}, func(c *Clock) figures { return lossy(c, 0.1, Burst{}) }},
	{"10 % loss in bursts, 2 Mbit/s", []bound{{"use", 60, 100}, {"gap", 0, 1}}, func(c *Clock) figures {
		return lossy(c, 0, Burst{ToBad: 0.02, ToGood: 0.1, Bad: 0.6})
	}},
	{"2 % random loss, 2 Mbit/s", []bound{{"use", 80, 100}, {"gap", 0, 1}}, func(c *Clock) figures { return lossy(c, 0.02, Burst{}) }},
	{"queue of 15 kB, 1 Mbit/s", []bound{{"use", 85, 100}, {"p95", 0, 60}}, func(c *Clock) figures {
		trace := Steps{{0, 1e6}}
		cfg := LinkConfig{Trace: trace, QueueBytes: 15000, Delay: 50 * msc}
		f := StartFlow(c, FlowConfig{Forward: NewLink(c, cfg), Back: wayBack(c), Source: elastic(c)})
		c.Run(100 * sec)
		out := figures{"use": use(trace, 10*sec, 100*sec, f)}
		out.waits(f)
		return out
	}},
	{"outage of 3 s", []bound{{"target", 0, 40}, {"half again after", 0, 3}}, func(c *Clock) figures {
		trace := Steps{{0, 2e6}}
		l := NewLink(c, bottleneck(trace))
		f := StartFlow(c, FlowConfig{Forward: l, Back: wayBack(c), Source: elastic(c)})
		c.Run(30 * sec)
		l.Loss = 1
		c.Run(33 * sec)
		out := figures{"target": f.Stats.Targets[329] / 1000}
		l.Loss = 0
		for f.Stats.ArrivalRate(c.Elapsed()-sec, c.Elapsed()) < 1e6 && c.Elapsed() < 100*sec {
			c.Run(c.Elapsed() + 100*msc)
		}
		out["half again after"] = (c.Elapsed() - 33*sec).Seconds()
		return out
	}},
}

func longTCP(c *Clock, queue time.Duration, cubic bool) figures {
	cfg := bottleneck(Steps{{0, 2e6}})
	cfg.Queue = queue
	l := NewLink(c, cfg)
	f := StartFlow(c, FlowConfig{Forward: l, Back: wayBack(c), Source: elastic(c)})
	c.Run(5*sec + time.Duration(c.Rand.Int64N(int64(sec))))
	t := StartTCP(c, l, wayBack(c), 0, cubic, nil)
	c.Run(30 * sec)
	before := t.Delivered
	c.Run(150 * sec)
	out := figures{"share": 100 * f.Stats.ArrivalRate(30*sec, 150*sec) / 2e6, "tcp share": 100 * float64(t.Delivered-before) * 8 / 120 / 2e6}
	out.waits(f)
	return out
}

// layered starts a sender of layers with sound.
func layered(c *Clock, cfg LinkConfig) (*Flow, *Layered) {
	src := &Layered{Clock: c, Layers: Simulcast, Audio: true}
	return StartFlow(c, FlowConfig{Forward: NewLink(c, cfg), Back: wayBack(c), Source: src, Audio: true}), src
}

// reached returns how many seconds after from a layer was there.
func reached(s *Layered, from time.Duration, layer int) float64 {
	at := -1
	for _, x := range s.Changes {
		if x.At <= from {
			at = x.Layer
			continue
		}
		if at == layer {
			return 0
		}
		if x.Layer == layer {
			return (x.At - from).Seconds()
		}
	}
	if at == layer {
		return 0
	}
	return math.Inf(1)
}

// since returns how many switches there were after a time.
func since(s *Layered, from time.Duration) (n float64) {
	for _, x := range s.Changes {
		if x.At > from {
			n++
		}
	}
	return n
}

// steady runs a sender of layers on a line that does not change.
func steady(c *Clock, cfg LinkConfig, best float64) figures {
	f, src := layered(c, cfg)
	c.Run(20 * sec)
	pad, sent := f.Stats.PaddingBytes, f.Stats.SentBytes
	c.Run(120 * sec)
	out := figures{"use": 100 * f.Stats.ArrivalRate(20*sec, 120*sec) / (best + AudioRate),
		"switches": since(src, 20*sec) / 5, "switches after 60 s": since(src, 60*sec)}
	out.waits(f)
	out["overhead"] = 100 * float64(f.Stats.PaddingBytes-pad) / float64(f.Stats.SentBytes-sent)
	return out
}

// third lets the rate of a line fall after 30 s, to come back after 70.
func third(c *Clock, l *Link, low float64) figures {
	src := &Layered{Clock: c, Layers: Simulcast, Audio: true}
	f := StartFlow(c, FlowConfig{Forward: l, Back: wayBack(c), Source: src, Audio: true})
	c.Run(30 * sec)
	out := figures{}
	if src.Current != len(Simulcast)-1 {
		out["not at the top"] = 1
	}
	var under, empty time.Duration
	for c.Elapsed() < 40*sec {
		c.Run(c.Elapsed() + 10*msc)
		if l.Waiting() > 10*msc && empty == 0 {
			under = 0
		}
		now := c.Elapsed()
		if under == 0 && now > 30*sec+200*msc && now%slot == 0 && f.Stats.SendRate(now-2*slot, now) < low {
			under = now - 30*sec
		}
		if empty == 0 && now > 30*sec+100*msc && l.Waiting() < 15*msc {
			empty = now - 30*sec
		}
	}
	c.Run(100 * sec)
	out["under"], out["empty"] = under.Seconds(), empty.Seconds()
	out["top after"] = reached(src, 70*sec, len(Simulcast)-1)
	out.waits(f)
	return out
}

// lossy runs an encoder up to 2.5 Mbit/s on a line of 2 that loses, 200 ms there and back.
func lossy(c *Clock, p float64, burst Burst) figures {
	trace := Steps{{0, 2e6}}
	l := NewLink(c, LinkConfig{Trace: trace, Queue: 300 * msc, Delay: 100 * msc, Loss: p, Burst: burst})
	back := NewLink(c, LinkConfig{Delay: 100 * msc})
	f := StartFlow(c, FlowConfig{Forward: l, Back: back, Source: &Elastic{Clock: c, Min: 150e3, Max: 2.5e6}, BWE: bwe.Config{}})
	c.Run(120 * sec)
	out := figures{"use": 100 * f.Stats.SendRate(20*sec, 120*sec) / 2e6}
	out.waits(f)
	return out
}

// TestEstimation keeps the figures of all cases, medians over 20 seeds. With the race detector and in
// short runs there are 3, of which one has to keep them. Its output with -v is the table.
func TestEstimation(t *testing.T) {
	seeds := uint64(20)
	if raceEnabled || testing.Short() {
		seeds = 3
	}
	for _, r := range slices.Concat(runs, bars) {
		t.Run(r.name, func(t *testing.T) {
			all := map[string][]float64{}
			for seed := range seeds {
				for k, v := range r.run(NewClock(seed)) {
					all[k] = append(all[k], v)
				}
			}
			for _, b := range r.keeps {
				v := all[b.figure]
				for len(v) < int(seeds) {
					v = append(v, 0) // what did not happen
				}
				slices.Sort(v)
				median := v[len(v)/2]
				least, most := median, median
				if seeds < 20 {
					least, most = v[len(v)-1], v[0]
				}
				t.Logf("%s: %.4g (%.4g to %.4g), bounds %g and %g", b.figure, median, v[0], v[len(v)-1], b.low, b.high)
				if least < b.low || most > b.high {
					t.Errorf("%s: the median of %d seeds is %.4g, not from %g to %g", b.figure, seeds, median, b.low, b.high)
				}
			}
		})
	}
}

// TestSameSeed: the same seed gives the same run.
func TestSameSeed(t *testing.T) {
	run := runs[1].run
	a, b, other := run(NewClock(7)), run(NewClock(7)), run(NewClock(8))
	if fmt.Sprint(a) != fmt.Sprint(b) || fmt.Sprint(a) == fmt.Sprint(other) {
		t.Errorf("%v, %v; with another seed %v", a, b, other)
	}
}
