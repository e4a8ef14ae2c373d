package jitter

import (
	"math/rand/v2"
	"testing"
	"time"
)

func normal(sigma time.Duration) func(*rand.Rand, time.Duration) time.Duration {
	return func(r *rand.Rand, _ time.Duration) time.Duration {
		return max(0, 3*sigma+time.Duration(r.NormFloat64()*float64(sigma)))
	}
}

// spike holds up all that is sent in 300 ms.
func spike(_ *rand.Rand, at time.Duration) time.Duration {
	if in := at - 20*time.Second; in > 0 && in < 300*ms {
		return 300*ms - in
	}
	return 0
}

// TestNetworks has the figures that count for many kinds of networks, once the buffer
// has got used to them. Means are against packets that are played at the tick after
// their arrival, which the phase says.
func TestNetworks(t *testing.T) {
	const percent = 0.01
	for _, x := range []struct {
		name      string
		net       network
		mean      time.Duration // delay at most
		concealed float64       // share of frames at most, after 10 s
		soon      int           // frames concealed at most in all, 0 = not checked
	}{
		{"steady, just in time", network{phase: 0}, 20 * ms, 0, 0},
		{"steady, 3 ms", network{phase: 3 * ms}, 23 * ms, 0, 0},
		{"steady, 7 ms", network{phase: 7 * ms}, 10 * ms, 0, 0},
		{"steady, 10 ms", network{phase: 10 * ms}, 10 * ms, 0, 0},
		{"steady, 19 ms", network{phase: 19 * ms}, 20 * ms, 0, 0},
		{"5 ms", network{delay: uniform(5 * ms)}, 21 * ms, 0, 0},
		{"30 ms", network{delay: uniform(30 * ms)}, 41 * ms, 0.1 * percent, 5},
		{"30 ms, another phase", network{delay: uniform(30 * ms), phase: 13 * ms}, 53 * ms, 0.1 * percent, 5},
		{"80 ms", network{delay: uniform(80 * ms)}, 101 * ms, 0.1 * percent, 10},
		{"normal, 10 ms", network{delay: normal(10 * ms)}, 80 * ms, 0.2 * percent, 0},
		{"normal, 30 ms", network{delay: normal(30 * ms)}, 200 * ms, 0.5 * percent, 0},
		{"bursts", network{delay: bursts}, 125 * ms, 0.1 * percent, 10},
		{"some reordered", network{reorder: 0.01}, 41 * ms, 0.1 * percent, 5},
		{"5 % lost", network{loss: 0.05}, 20 * ms, 6 * percent, 0},
		{"20 % lost", network{loss: 0.20}, 20 * ms, 20 * percent, 0},
		{"5 % lost, FEC", network{loss: 0.05, fec: true}, 41 * ms, 0.5 * percent, 0},
		{"20 % lost, FEC", network{loss: 0.20, fec: true}, 41 * ms, 4 * percent, 0},
		{"5 % lost, 30 ms, FEC", network{loss: 0.05, fec: true, delay: uniform(30 * ms)}, 65 * ms, 0.7 * percent, 0},
		{"fast", network{ppm: 200, length: 10 * time.Minute}, 20 * ms, 0, -1},
		{"slow", network{ppm: -200, length: 10 * time.Minute}, 20 * ms, 0, -1},
		{"very fast", network{ppm: 500, length: 3 * time.Minute, delay: uniform(3 * ms)}, 20 * ms, 0, -1},
		{"very slow", network{ppm: -500, length: 3 * time.Minute, delay: uniform(3 * ms)}, 20 * ms, 0, -1},
		{"spike", network{delay: spike}, 35 * ms, 0.4 * percent, 6},
		{"2.5 ms packets", network{packet: 2500 * time.Microsecond, delay: uniform(3 * ms)}, 31 * ms, 0, 0},
		{"10 ms packets", network{packet: 10 * ms, delay: uniform(10 * ms)}, 31 * ms, 0, 5},
		{"30 ms packets", network{packet: 30 * ms, delay: uniform(10 * ms)}, 31 * ms, 0, 5},
		{"40 ms packets", network{packet: 40 * ms, delay: uniform(10 * ms)}, 21 * ms, 0, 5},
		{"60 ms packets", network{packet: 60 * ms, delay: uniform(10 * ms)}, 21 * ms, 0, 5},
		{"120 ms packets", network{packet: 120 * ms, delay: uniform(10 * ms)}, 21 * ms, 0, 5},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			w := x.net
			w.rate, w.of, w.conceals = 8000, counter, true
			if w.length == 0 {
				w.length = 40 * time.Second
			}
			h := w.run(t)
			mean, most := h.delay(&w, 10*time.Second)
			share := h.share(Concealed, 10*time.Second)
			t.Logf("delay %.1f ms (at most %.1f), %.2f %% concealed, %.2f %% recovered; %+v",
				mean.Seconds()*1e3, most.Seconds()*1e3, share*100, h.share(Recovered, 10*time.Second)*100, h.stats)
			if mean > x.mean+ms/2 {
				t.Errorf("a mean delay of %v, expected %v", mean, x.mean)
			}
			if share > x.concealed {
				t.Errorf("%.2f %% of the frames are concealed, expected %.2f", share*100, x.concealed*100)
			}
			if x.soon != 0 && int(h.stats.Concealed) > max(x.soon, 0) {
				t.Errorf("%d frames concealed in all", h.stats.Concealed)
			}
			if d := h.delays[len(h.delays)-1] - mean; w.ppm == 0 && w.delay == nil && w.loss == 0 && d.Abs() > ms {
				t.Errorf("tells a delay of %v, which was %v", h.delays[len(h.delays)-1], mean)
			}

			// The same with a tone, which shows clicks.
			w = x.net
			w.length, w.rate, w.ch = 12*time.Second, 16000, 1+len(x.name)%2
			h = w.run(t)
			limit := 0.02 // of a full-scale step
			if w.loss > 0 {
				limit = 0.1 // several packets in a row made up
			}
			if click, at := h.click(440, w.rate, w.ch); click > limit {
				t.Errorf("a click of %.3f at sample %d", click, at)
			}
		})
	}
}
