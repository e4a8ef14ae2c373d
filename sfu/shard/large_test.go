package shard

import (
	"testing"
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/route"
)

// decoder is a sink that shows a picture when it has everything since a key frame.
type decoder struct {
	now   func() mono.Time
	got   map[uint64]route.Packet // by sequence number
	next  uint64                  // to decode
	at    mono.Time               // last picture
	gap   time.Duration
	shown int
}

func (d *decoder) Send(_ mono.Time, p *route.Packet, _ route.Outgoing) {
	d.got[p.Seq] = *p
	for {
		q, ok := d.got[d.next]
		if !ok {
			break
		}
		if d.next++; q.Marker {
			d.show()
		}
	}
	for seq, q := range d.got {
		if seq < d.next {
			delete(d.got, seq)
			continue
		}
		if !q.Info.Keyframe || !q.Info.FrameStart {
			continue
		}
		for n := seq; ; n++ {
			if q, ok := d.got[n]; !ok {
				break
			} else if q.Marker {
				d.next = seq
			}
		}
	}
}

func (d *decoder) show() {
	now := d.now()
	if d.at != 0 {
		d.gap = max(d.gap, now.Sub(d.at))
	}
	d.at = now
	d.shown++
}

func (d *decoder) Fill(mono.Time, *route.Packet, route.Outgoing) {}
func (d *decoder) LayerChanged(media.Layer, media.Layer)         {}

// TestLargeKeyFrames: key frames of a screen are larger than the queue of the line, and get
// through, while the camera beside it goes on.
func TestLargeKeyFrames(t *testing.T) {
	for seed := range uint64(4) {
		c := newCrowded(t, seed, []float64{90e3, 240e3, 580e3}, []float64{170e3})
		screen := c.cameras[1]
		screen.keySize = 14 // 60 kB
		screen.track.Ask = nil
		d := &decoder{now: c.screen.now, got: map[uint64]route.Packet{}}
		route.NewSubscription(d).Attach(c.net.Now, c.client.core.Track(2))
		c.run(10 * time.Second)
		c.line(600e3)
		c.run(5 * time.Second)
		c.screen.gap, d.gap, d.shown = 0, 0, 0
		for range 3 {
			screen.track.RequestKeyframe(c.net.Now)
			c.run(10 * time.Second)
		}
		d.gap = max(d.gap, c.net.Now.Sub(d.at))
		t.Logf("seed %d: %d pictures of the screen, gap %v, gap of the camera %v", seed, d.shown, d.gap, c.screen.gap)
		if d.gap > 2*time.Second || d.shown < 145 || c.screen.gap > time.Second || c.server.has(peer.EventPaused) {
			t.Errorf("seed %d: %d pictures of the screen, gaps of %v and %v, or a pause", seed, d.shown, d.gap, c.screen.gap)
		}
	}
}

// newWaiting makes a camera and a screen on a short line, where packets of a key frame of the screen
// wait.
func newWaiting(t *testing.T) *crowded {
	t.Helper()
	c := newCrowded(t, 1, []float64{90e3, 240e3, 580e3}, []float64{170e3})
	screen := c.cameras[1]
	screen.keySize = 28
	screen.track.Ask = nil
	c.run(10 * time.Second)
	c.line(600e3)
	c.run(5 * time.Second)
	before := c.server.core.Snapshot(c.net.Now).Line.Paced
	screen.track.RequestKeyframe(c.net.Now)
	c.run(300 * time.Millisecond)
	if n := c.server.core.Snapshot(c.net.Now).Line.Paced - before; n < 80 {
		t.Fatalf("%d packets had to wait", n)
	}
	return c
}

// TestLargeAndAnotherTrack: what waits of one track does not hold up the next.
func TestLargeAndAnotherTrack(t *testing.T) {
	c := newWaiting(t)
	next := newCamera(c.net.Now, c.server, 2, 60e3)
	next.every, next.track.Ask = c.cameras[1].every, nil
	c.cameras[1] = next
	s := c.screens[1]
	before, begun := s.pictures, c.net.Now
	for s.pictures < before+2 && c.net.Now.Sub(begun) < 5*time.Second {
		c.run(20 * time.Millisecond)
	}
	if took := c.net.Now.Sub(begun); took > 800*time.Millisecond {
		t.Errorf("two pictures of the next one after %v", took)
	}
}

// TestLargeIsGivenBack ends a peer, and a subscription, while packets of a key frame wait.
func TestLargeIsGivenBack(t *testing.T) {
	for _, end := range []func(c *crowded){
		func(c *crowded) { c.server.core.Close(c.net.Now, "test") },
		func(c *crowded) { c.server.core.Unsubscribe(2) },
		func(c *crowded) { c.server.core.SetEstimation(c.net.Now, peer.Estimation{}) },
		func(c *crowded) { c.line(60e3) },
	} {
		c := newWaiting(t)
		end(c)
		c.run(10 * time.Second)
	}
}
