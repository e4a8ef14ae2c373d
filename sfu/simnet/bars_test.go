package simnet

import (
	"time"

	"bifrons/rtp/bwe"
	"bifrons/rtp/mono"
)

// bars are what other implementations are known to reach, by the limits in their public tests. Rates
// are in kbit/s; dips are falls by 100 in half a second, within a minute.
var bars = []testCase{
	{"goog_cc: 500 kbit/s", []bound{{"after 25 s", 350, 550}}, func(c *Clock) figures {
		return after(c, bottleneck(Steps{{0, 500e3}}), 1500e3, 25*sec, "after 25 s")
	}},
	{"goog_cc: 800 kbit/s", []bound{{"after 20 s", 600, 900}}, func(c *Clock) figures {
		return after(c, bottleneck(Steps{{0, 800e3}}), 1500e3, 20*sec, "after 20 s")
	}},
	{"goog_cc: fall to 100 kbit/s", []bound{{"after 50 s", 65, 115}}, func(c *Clock) figures {
		l := NewLink(c, bottleneck(Steps{{0, 500e3}, {20 * sec, 100e3}}))
		f := StartFlow(c, FlowConfig{Forward: l, Back: wayBack(c), Source: &Elastic{Clock: c, Min: 30e3, Max: 1500e3}})
		c.Run(20 * sec)
		l.Delay = 250 * msc
		c.Run(70 * sec)
		return figures{"after 50 s": mean(f.Stats.Targets, 65*sec, 70*sec) / 1000}
	}},
	{"goog_cc: route of 200, then 800 kbit/s", []bound{{"after 1 s", 500, 900}}, func(c *Clock) figures {
		l := NewLink(c, bottleneck(Steps{{0, 200e3}, {20 * sec, 800e3}}))
		f := StartFlow(c, FlowConfig{Forward: l, Back: wayBack(c), Source: &Elastic{Clock: c, Min: 30e3, Max: 1500e3}})
		c.Run(20 * sec)
		f.BWE.RouteChanged(c.Now)
		c.Run(21 * sec)
		return figures{"after 1 s": float64(f.BWE.Target().Target) / 1000}
	}},
	{"goog_cc: 20 % loss", []bound{{"after 120 s", 100, 2000}, {"dips", 0, 6}}, func(c *Clock) figures {
		l := NewLink(c, LinkConfig{Trace: Steps{{0, 2e6}}, Queue: 300 * msc, Delay: 100 * msc, Loss: 0.2})
		f := StartFlow(c, FlowConfig{Forward: l, Back: NewLink(c, LinkConfig{Delay: 100 * msc}), Source: &Elastic{Clock: c, Min: 30e3, Max: 2.5e6}})
		c.Run(120 * sec)
		out := figures{"after 120 s": mean(f.Stats.Targets, 110*sec, 120*sec) / 1000, "dips": 0}
		for i := 600; i < len(f.Stats.Targets); i++ {
			if f.Stats.Targets[i-5]-f.Stats.Targets[i] > 100e3 {
				out["dips"]++
				i += 5
			}
		}
		return out
	}},
	{"goog_cc: long TCP on 1 Mbit/s", []bound{{"share", 200, 750}}, func(c *Clock) figures {
		l := NewLink(c, bottleneck(Steps{{0, 1e6}}))
		f := StartFlow(c, FlowConfig{Forward: l, Back: wayBack(c), Source: elastic(c)})
		c.Run(10 * sec)
		StartTCP(c, l, wayBack(c), 0, false, nil)
		c.Run(150 * sec)
		return figures{"share": f.Stats.ArrivalRate(30*sec, 150*sec) / 1000}
	}},
	{"goog_cc: feedback 300 s late", []bound{{"afterwards", 300, 1100}}, func(c *Clock) figures {
		back := wayBack(c)
		f := StartFlow(c, FlowConfig{Forward: NewLink(c, bottleneck(Steps{{0, 1e6}})), Back: back, Source: elastic(c)})
		c.Run(20 * sec)
		back.Delay = 300 * sec
		c.Run(30 * sec)
		back.Delay = 50 * msc
		c.Run(400 * sec)
		return figures{"afterwards": f.Stats.ArrivalRate(380*sec, 400*sec) / 1000}
	}},
	{"str0m: 10 Mbit/s", []bound{{"after 20 s", 5000, 10500}}, func(c *Clock) figures {
		return after(c, bottleneck(Steps{{0, 10e6}}), 10e6, 20*sec, "after 20 s")
	}},
	{"str0m: 10 Mbit/s after a dip to 800 kbit/s", []bound{{"after 40 s", 3000, 10500}}, func(c *Clock) figures {
		return after(c, bottleneck(Steps{{0, 10e6}, {20 * sec, 800e3}, {30 * sec, 10e6}}), 10e6, 40*sec, "after 40 s")
	}},
	{"sound, then video", []bound{{"kept", 100, 1000}, {"lowest", 300, 5000}}, func(c *Clock) figures {
		src := &late{Elastic: Elastic{Clock: c, Min: 400e3, Max: 400e3}}
		f := StartFlow(c, FlowConfig{Forward: NewLink(c, bottleneck(Steps{{0, 1e6}})), Back: wayBack(c), Source: src, Audio: true,
			BWE: bwe.Config{Start: 600e3}})
		c.Run(20 * sec)
		before := float64(f.BWE.Target().Target)
		src.on = true
		c.Run(25 * sec)
		low := before
		for _, x := range f.Stats.Targets[200:] {
			low = min(low, x)
		}
		return figures{"kept": 100 * float64(f.BWE.Target().Target) / before, "lowest": low / 1000}
	}},
}

// late is an encoder that has something to send only once it is on.
type late struct {
	Elastic
	on bool
}

func (l *late) Frame(now mono.Time, e bwe.Estimate) (int, time.Duration) {
	bytes, next := l.Elastic.Frame(now, e)
	if !l.on {
		bytes = 0
	}
	return bytes, next
}

func (l *late) Want() uint64 { return 0 }

// after runs an encoder and returns the estimate of the last second.
func after(c *Clock, cfg LinkConfig, most float64, d time.Duration, name string) figures {
	f := StartFlow(c, FlowConfig{Forward: NewLink(c, cfg), Back: wayBack(c), Source: &Elastic{Clock: c, Min: 30e3, Max: most}})
	c.Run(d)
	return figures{name: mean(f.Stats.Targets, d-sec, d) / 1000}
}
