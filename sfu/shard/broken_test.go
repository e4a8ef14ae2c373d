package shard

import (
	"testing"
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/route"
)

// TestBrokenStream: a stream without layers shows nothing after a packet that is lost for good, until the
// next key frame. What comes of it before would only keep the line full for longer.
func TestBrokenStream(t *testing.T) {
	for _, slows := range []float64{0.96, 0.97, 0.98, 0.985, 0.99} {
		c := newCall(t, 1, false)
		d := &decoder{now: func() mono.Time { return c.net.Now }, got: map[uint64]route.Packet{}}
		route.NewSubscription(d).Attach(c.net.Now, c.clients[0].core.Track(0))
		c.run(10*time.Second, 500e3)
		c.clients[0].port.Conditions.Rate, c.clients[0].port.Conditions.Queue = 150e3, 300*time.Millisecond
		d.gap = 0
		for range 6 * 20 { // an encoder that is slow, and takes 120 kbit/s at least
			c.camera.rates[0] = max(slows*c.camera.rates[0], 120e3)
			c.camera.picture(c.net.Now)
			c.net.RunFor(c.camera.every)
			c.settle()
		}
		d.gap = max(d.gap, c.net.Now.Sub(d.at))
		t.Logf("%v for each picture: gap %v, %d shown", slows, d.gap, d.shown)
		if d.gap > 1500*time.Millisecond {
			t.Errorf("%v for each picture: a gap of %v", slows, d.gap)
		}
	}
}
