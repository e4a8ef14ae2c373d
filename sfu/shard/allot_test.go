package shard

import (
	"testing"
	"time"

	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/route"
	"bifrons/sfu/simnet"
)

// camera is a track that a test feeds on one side, of one or several encodings with
// 30 pictures a second. It answers requests for a key frame some time later.
type camera struct {
	side  *side
	track *route.Track
	rates []float64 // bit/s of each encoding
	seq   [media.MaxEncodings]uint64
	asked mono.Time // for a key frame, 0 = not
	n     uint32
}

const (
	pictureTime = 33 * time.Millisecond
	keyDelay    = 100 * time.Millisecond
	keySize     = 3 // times that of another picture
)

func newCamera(now mono.Time, s *side, section int, rates ...float64) *camera {
	c := &camera{side: s, rates: rates, asked: now}
	c.track = &route.Track{Kind: media.Video, ClockRate: 90000, Simulcast: len(rates) > 1, Keyframe: func(now mono.Time) {
		if c.asked == 0 {
			c.asked = now
		}
	}}
	s.core.Subscription(section).Attach(now, c.track)
	s.t.Cleanup(c.track.Close)
	return c
}

// picture feeds the next picture of each encoding.
func (c *camera) picture(now mono.Time) {
	s := c.side.shard
	s.now = now
	key := c.asked != 0 && now.Sub(c.asked) >= keyDelay
	if key {
		c.asked = 0
	}
	c.n++
	for e, rate := range c.rates {
		bytes := int(rate / 8 * pictureTime.Seconds())
		if key || c.seq[e] == 0 {
			bytes *= keySize
		}
		for first := true; bytes > 0; first = false {
			size := min(bytes, 1100)
			bytes -= size
			c.seq[e]++
			b := s.pool.Get()
			p := route.Packet{
				Buf: b, Seq: c.seq[e], Arrival: now, Timestamp: c.n * 3000, SSRC: uint32(70 + e), Encoding: uint8(e),
				Len: uint16(max(size, 60)), Codec: media.VP8, PayloadType: 96, Marker: bytes <= 0, Read: true,
				Info: codec.Info{Keyframe: key || c.seq[e] == 1, FrameStart: first, FrameEnd: bytes <= 0},
			}
			d := p.Payload()
			clear(d)
			copy(d, []byte{0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0})
			d[20] = byte(e)
			c.track.Push(p)
		}
	}
	c.track.Flush(now)
	s.flush()
}

// screen is what a remote shows of a section.
type screen struct {
	at       mono.Time // last packet
	gap      time.Duration
	bytes    int
	encoding uint8
	packets  [media.MaxEncodings]int
	now      func() mono.Time
}

func (c *screen) Send(_ mono.Time, p *route.Packet, _ route.Outgoing) {
	now := c.now()
	if c.at != 0 {
		c.gap = max(c.gap, now.Sub(c.at))
	}
	c.at = now
	c.bytes += int(p.Len)
	c.encoding = p.Payload()[20]
	c.packets[c.encoding]++
}
func (c *screen) Fill(mono.Time, *route.Packet, route.Outgoing) {}
func (c *screen) LayerChanged(media.Layer, media.Layer)         {}

// viewing is a viewer whose line is estimated.
type viewing struct {
	net            *simnet.Network
	client, server *side
	camera         *camera
	screen         *screen
}

func newViewing(t testing.TB, seed uint64, rtx bool, rates ...float64) *viewing {
	t.Helper()
	n := simnet.New(seed)
	away := simnet.Conditions{Delay: 25 * time.Millisecond}
	v := &viewing{net: n, server: newSide(t, n, "192.0.2.1:5000", false, away, options())}
	opt := options()
	opt.TWCCPeriod = 100 * time.Millisecond
	v.client = newSide(t, n, "192.0.2.2:6000", true, away, opt)
	connect(n, v.client, v.server)
	v.client.core.SetSections(n.Now, []media.Section{videoSection(100, 200, rtx)})
	v.server.core.SetSections(n.Now, []media.Section{videoSection(200, 100, rtx)})
	v.server.estimate(n.Now)
	v.screen = &screen{now: func() mono.Time { return n.Now }}
	sub := route.NewSubscription(v.screen)
	v.client.core.Track(0).Simulcast = false
	sub.Attach(n.Now, v.client.core.Track(0))
	v.camera = newCamera(n.Now, v.server, 0, rates...)
	return v
}

// line sets what gets through to the viewer, in bit/s with a queue of 300 ms.
func (v *viewing) line(rate float64) {
	v.client.port.Conditions.Rate, v.client.port.Conditions.Queue = rate, 300*time.Millisecond
}

// run has the camera send for some time.
func (v *viewing) run(d time.Duration) {
	for end := v.net.Now.Add(d); v.net.Now < end; {
		v.camera.picture(v.net.Now)
		v.net.RunFor(pictureTime)
	}
}

// until runs until the viewer gets an encoding, at most for d, and returns how long that took.
func (v *viewing) until(encoding uint8, d time.Duration) time.Duration {
	begun := v.net.Now
	for v.net.Now.Sub(begun) < d && v.screen.encoding != encoding {
		v.run(pictureTime)
	}
	return v.net.Now.Sub(begun)
}

func (v *viewing) log(t *testing.T, what string) {
	t.Helper()
	s := v.server.core.Snapshot(v.net.Now)
	l := s.Line
	t.Logf("%s: target %d (%v), want %d, acked %d, capacity %d, queue %v, probed %d, paced %d, gone %d, share %+v, layer %v, screen %v gap %v",
		what, l.Target, l.Reason, l.Want, l.Acked, l.Capacity, l.Queue, l.Probed.Bytes, l.Paced, l.Gone, *s.Sections[0].Share, s.Sections[0].Layer, v.screen.packets, v.screen.gap)
}

var simulcastRates = []float64{130e3, 450e3, 1500e3}

// TestViewerGetsBestLayer narrows a viewer's line and frees it again.
func TestViewerGetsBestLayer(t *testing.T) {
	for seed := range uint64(3) {
		v := newViewing(t, seed, true, simulcastRates...)
		v.line(5e6)
		took := v.until(2, 10*time.Second)
		v.log(t, "start")
		if took > 2*time.Second {
			t.Errorf("seed %d: top encoding after %v", seed, took)
		}
		v.run(5 * time.Second)
		v.log(t, "steady")
		for _, rate := range []float64{600e3, 200e3} {
			v.line(rate)
			v.run(2 * time.Second)
			v.screen.gap, v.screen.bytes = 0, 0
			v.run(20 * time.Second)
			v.log(t, "narrow")
			if v.screen.gap > time.Second {
				t.Errorf("seed %d: no picture for %v at %v bit/s", seed, v.screen.gap, rate)
			}
			if used := float64(v.screen.bytes) * 8 / 20; used < 120e3 {
				t.Errorf("seed %d: %v bit/s at %v", seed, used, rate)
			}
		}
		v.line(5e6)
		took = v.until(2, 30*time.Second)
		v.log(t, "free")
		if took > 10*time.Second {
			t.Errorf("seed %d: top encoding %v after the line was free", seed, took)
		}
		v.run(5 * time.Second)
		if v.server.has(peer.EventPaused) {
			t.Errorf("seed %d: video was paused", seed)
		}
	}
}
