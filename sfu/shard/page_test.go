package shard

import (
	"testing"
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
	"bifrons/sfu/simnet"
)

// pageLine is what a page's line is like when nothing waits.
var pageLine = simnet.Conditions{Delay: time.Millisecond, Jitter: 500 * time.Microsecond}

// page is a viewer of what a browser publishes: sound, and a picture in encodings of three
// temporal layers each, with large key frames. The line is short but for its queue.
type page struct {
	*viewing
	sound *route.Track
	ear   *screen
	sent  uint64    // packets of sound
	next  mono.Time // picture
}

func newPage(t testing.TB, seed uint64, rates ...float64) *page {
	t.Helper()
	p := &page{viewing: newViewingOn(t, seed, pageLine, bothSections, rates...)}
	p.next = p.net.Now
	p.camera.every, p.camera.keySize, p.camera.layered = 50*time.Millisecond, 6, true
	p.sound = &route.Track{Kind: media.Audio, ClockRate: 48000}
	t.Cleanup(p.sound.Close)
	p.server.core.Subscription(1).Attach(p.net.Now, p.sound)
	p.ear = &screen{now: p.screen.now}
	route.NewSubscription(p.ear).Attach(p.net.Now, p.client.core.Track(1))
	return p
}

// run has the page send for some time.
func (p *page) run(d time.Duration) {
	for end := p.net.Now.Add(d); p.net.Now < end; p.net.RunFor(20 * time.Millisecond) {
		if p.net.Now >= p.next {
			p.next = p.next.Add(p.camera.every)
			p.camera.picture(p.net.Now)
		}
		s := p.server.shard
		s.now = p.net.Now
		p.sent++
		x := route.Packet{Buf: s.pool.Get(), Seq: p.sent, Arrival: p.net.Now, Timestamp: uint32(p.sent * 960), SSRC: 90, Len: 75, Codec: media.Opus, PayloadType: 111}
		clear(x.Payload())
		p.sound.Push(x)
		p.sound.Flush(p.net.Now)
		s.flush()
	}
}

// view is what a viewer had in some time.
func (p *page) view(t *testing.T, what string, d time.Duration) (fps, sound float64, gap time.Duration) {
	t.Helper()
	p.screen.gap, p.screen.pictures, p.screen.bytes, p.screen.packets = 0, 0, 0, [media.MaxEncodings]int{}
	sent, heard := p.sent, p.ear.packets[0]
	p.run(d)
	fps = float64(p.screen.pictures) / d.Seconds()
	sound = float64(p.ear.packets[0]-heard) / float64(p.sent-sent)
	p.log(t, what)
	t.Logf("%s: %.1f pictures/s, gap %v, %.0f kbit/s, %.3f of the sound", what, fps, p.screen.gap, float64(p.screen.bytes)*8/d.Seconds()/1000, sound)
	return fps, sound, p.screen.gap
}

// TestPageOnNarrowLine narrows the line of a page in steps, and frees it; also where packets
// wait for a busy machine.
func TestPageOnNarrowLine(t *testing.T) {
	for seed, jitter := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond} {
		p := newPage(t, uint64(seed), 90e3, 200e3, 550e3)
		if seed%2 == 1 {
			p.camera.spatial, p.camera.track.Simulcast, p.camera.track.SVC = true, false, true
		}
		p.client.port.Conditions.Jitter += jitter
		p.view(t, "free", 10*time.Second)
		p.line(600e3)
		p.view(t, "first", 2*time.Second)
		if fps, sound, gap := p.view(t, "600", 28*time.Second); fps < 12 || sound < 0.98 || gap > time.Second {
			t.Errorf("jitter %v: %v pictures/s, %v of the sound, gap %v", jitter, fps, sound, gap)
		}
		p.line(150e3)
		p.view(t, "first", 2*time.Second)
		if _, sound, gap := p.view(t, "150", 28*time.Second); sound < 0.98 || gap > time.Second {
			t.Errorf("jitter %v: %v of the sound, gap %v", jitter, sound, gap)
		}
		p.line(0)
		begun := p.net.Now
		for p.screen.encoding != 2 && p.net.Now.Sub(begun) < 40*time.Second {
			p.run(100 * time.Millisecond)
		}
		p.log(t, "free again")
		if took := p.net.Now.Sub(begun); took > 10*time.Second {
			t.Errorf("jitter %v: top layer after %v", jitter, took)
		}
	}
}

// TestOtherViewerNoticesNothing: of two viewers of a page one has a narrow line.
func TestOtherViewerNoticesNothing(t *testing.T) {
	good := newPage(t, 1, 90e3, 200e3, 550e3)
	client, v := good.server.addViewer(good.net, 1, pageLine, bothSections)
	v.core.Subscription(0).Attach(good.net.Now, good.camera.track)
	v.core.Subscription(1).Attach(good.net.Now, good.sound)
	bad := &screen{now: good.screen.now}
	client.core.Track(0).Simulcast = false
	route.NewSubscription(bad).Attach(good.net.Now, client.core.Track(0))
	good.view(t, "free", 10*time.Second)
	switches := func() uint64 { return good.server.core.Snapshot(good.net.Now).Sections[0].Share.Switches }
	before := switches()
	for _, rate := range []float64{600e3, 150e3, 0} {
		client.port.Conditions.Rate, client.port.Conditions.Queue = rate, 300*time.Millisecond
		bad.packets = [media.MaxEncodings]int{}
		fps, sound, gap := good.view(t, "good", 20*time.Second)
		if fps < 19.5 || gap > 150*time.Millisecond || sound < 0.999 || good.screen.packets[0]+good.screen.packets[1] > 0 {
			t.Errorf("the other at %v bit/s: %v pictures/s, gap %v, %v of the sound, packets of encodings %v", rate, fps, gap, sound, good.screen.packets)
		}
		if narrow := rate != 0; narrow != (bad.encoding != 2) {
			t.Errorf("at %v bit/s the other gets encoding %d", rate, bad.encoding)
		}
	}
	if n := switches() - before; n > 0 {
		t.Errorf("%d switches", n)
	}
}
