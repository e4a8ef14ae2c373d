package shard

import (
	"testing"
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
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
	return newPageOf(t, seed, bothSections, rates...)
}

// newPageOf makes a page with further sections.
func newPageOf(t testing.TB, seed uint64, sections func(mine, theirs uint32) []media.Section, rates ...float64) *page {
	t.Helper()
	p := &page{viewing: newViewingOn(t, seed, pageLine, sections, rates...)}
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

// TestSteadyOnNarrowLine: on a line that stays as it is the picture does so too, also
// behind token buckets, which let what is short through as if the line were free.
func TestSteadyOnNarrowLine(t *testing.T) {
	for _, tt := range []struct{ bucket, most int }{{0, 1}, {3000, 2}, {5000, 10}, {6000, 16}, {16000, 44}} { // bytes
		sum := 0
		for seed := range uint64(4) {
			p := newPage(t, seed, 90e3, 240e3, 580e3)
			p.client.port.Conditions.Bucket = tt.bucket
			p.client.port.Conditions.Jitter += 5 * time.Millisecond
			p.run(15 * time.Second)
			p.line(600e3)
			p.run(2 * time.Second)
			encoding := func() int8 { return p.server.core.Snapshot(p.net.Now).Sections[0].Layer.Encoding }
			changes, last := 0, encoding()
			for end := p.net.Now.Add(30 * time.Second); p.net.Now < end; p.run(20 * time.Millisecond) {
				if e := encoding(); e != last {
					changes, last = changes+1, e
				}
			}
			p.log(t, "at the end")
			sum += changes
		}
		t.Logf("bucket of %d bytes: %d changes", tt.bucket, sum)
		if sum > tt.most {
			t.Errorf("bucket of %d bytes: %d changes in 4 times 30 s, want %d at most", tt.bucket, sum, tt.most)
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

// crowded is a page with more streams of video than one.
type crowded struct {
	*page
	cameras []*camera // the first is that of the page
	screens []*screen
	last    []mono.Time // picture of each
}

// newCrowded makes one of so many encodings for each; a stream of one encoding is a
// screen, with five pictures a second.
func newCrowded(t testing.TB, seed uint64, rates ...[]float64) *crowded {
	t.Helper()
	sections := func(mine, theirs uint32) (list []media.Section) {
		list = bothSections(mine, theirs)
		for i := range len(rates) - 1 {
			n := uint32(20 * (i + 1))
			s := videoSection(mine+n, theirs+n, true)
			s.Index = len(list)
			s.MID = string(rune('0' + s.Index))
			list = append(list, s)
		}
		return list
	}
	c := &crowded{page: newPageOf(t, seed, sections, rates[0]...)}
	c.cameras, c.screens = []*camera{c.camera}, []*screen{c.screen}
	for i, r := range rates[1:] {
		x := newCamera(c.net.Now, c.server, i+2, r...)
		x.every, x.keySize, x.layered = c.camera.every, c.camera.keySize, len(r) > 1
		if !x.layered {
			x.every = 200 * time.Millisecond
		}
		s := &screen{now: c.screen.now}
		c.client.core.Track(i + 2).Simulcast = false
		route.NewSubscription(s).Attach(c.net.Now, c.client.core.Track(i+2))
		c.cameras, c.screens = append(c.cameras, x), append(c.screens, s)
	}
	c.last = make([]mono.Time, len(rates))
	return c
}

// run has everything send for some time.
func (c *crowded) run(d time.Duration) {
	for end := c.net.Now.Add(d); c.net.Now < end; c.page.run(20 * time.Millisecond) {
		for i, x := range c.cameras[1:] {
			if c.net.Now.Sub(c.last[i]) >= x.every {
				c.last[i] = c.net.Now
				x.picture(c.net.Now)
			}
		}
	}
}

// tops reports whether each stream comes with its highest encoding, and is not paused.
func (c *crowded) tops() bool {
	sections := c.server.core.Snapshot(c.net.Now).Sections
	for i, s := range c.screens {
		at := 0
		if i > 0 {
			at = i + 1
		}
		if int(s.encoding) != len(c.cameras[i].rates)-1 || sections[at].Share.Paused {
			return false
		}
	}
	return true
}

// TestCrowdOnNarrowLine: a viewer of three publishers, and one of a screen beside a camera,
// keep sound and what fits of the pictures.
func TestCrowdOnNarrowLine(t *testing.T) {
	camera := []float64{90e3, 200e3, 550e3}
	for _, tt := range []struct {
		name        string
		streams     [][]float64
		some, tight float64 // bit/s: the lowest layers of all fit, and do not
	}{
		{"three publishers", [][]float64{camera, camera, camera}, 600e3, 120e3},
		{"a screen beside a camera", [][]float64{camera, {250e3}}, 600e3, 150e3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCrowded(t, 1, tt.streams...)
			c.run(10 * time.Second)
			if !c.tops() {
				t.Errorf("not everything is there on a free line")
			}
			look := func(what string, settled time.Duration) (worst time.Duration) {
				c.run(settled)
				sent, heard := c.sent, c.ear.packets[0]
				for _, s := range c.screens {
					s.gap, s.pictures = 0, 0
				}
				c.run(20 * time.Second)
				for i, s := range c.screens {
					t.Logf("%s: stream %d: %.1f pictures/s, gap %v, encoding %d", what, i, float64(s.pictures)/20, s.gap, s.encoding)
					worst = max(worst, s.gap)
				}
				l := c.server.core.Snapshot(c.net.Now).Line
				sound := float64(c.ear.packets[0]-heard) / float64(c.sent-sent)
				t.Logf("%s: %.3f of the sound, target %d (%v), want %d", what, sound, l.Target, l.Reason, l.Want)
				if sound < 0.98 {
					t.Errorf("%s: %v of the sound", what, sound)
				}
				return worst
			}
			c.line(tt.some)
			if gap := look("some", 2*time.Second); gap > time.Second || c.server.has(peer.EventPaused) {
				t.Errorf("gap %v, or paused, where the lowest layers fit", gap)
			}
			c.line(tt.tight)
			resent := func() uint64 { return c.server.core.Snapshot(c.net.Now).Line.Resent.Bytes }
			before := resent()
			look("tight", 8*time.Second) // until video has to pause
			if n := resent() - before; n > uint64(tt.tight/8*28/4) {
				t.Errorf("%d bytes were sent again into a full queue", n)
			} else {
				t.Logf("%d bytes were sent again", n)
			}
			c.line(0)
			begun := c.net.Now
			for !c.tops() && c.net.Now.Sub(begun) < 30*time.Second {
				c.run(100 * time.Millisecond)
			}
			took := c.net.Now.Sub(begun)
			t.Logf("everything again after %v", took)
			if took > 10*time.Second {
				t.Errorf("everything after %v", took)
			}
		})
	}
}

// TestVariableCapacity is RFC 8867, 5.1, with a whole peer whose viewer gets simulcast: no
// freezes, the sound, and most of what the layers allow.
func TestVariableCapacity(t *testing.T) {
	p := newPage(t, 1, 130e3, 450e3, 1500e3)
	got, best := 0.0, 0.0
	for _, s := range []struct{ capacity, best, seconds float64 }{ // best is the highest layer that fits with sound
		{1e6, 450e3, 40}, {2.5e6, 1500e3, 20}, {0.6e6, 450e3, 20}, {1e6, 450e3, 20},
	} {
		p.line(s.capacity)
		_, sound, gap := p.view(t, "first", 2*time.Second)
		d := time.Duration(s.seconds)*time.Second - 2*time.Second
		bytes := p.screen.bytes
		fps, later, longer := p.view(t, "then", d)
		got += float64(bytes+p.screen.bytes) * 8
		best += s.best * s.seconds
		if max(gap, longer) > time.Second || fps < 12 || later < 0.99 || sound < 0.8 {
			t.Errorf("%v bit/s: gap %v, %v pictures/s, %v and %v of the sound", s.capacity, max(gap, longer), fps, sound, later)
		}
	}
	if use := got / best; use < 0.85 {
		t.Errorf("%.2f of what layers allow", use)
	} else {
		t.Logf("%.2f of what layers allow", use)
	}
}
