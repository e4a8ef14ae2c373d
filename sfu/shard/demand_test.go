package shard

import (
	"fmt"
	"testing"
	"time"

	"bifrons/ice"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/route"
	"bifrons/sfu/simnet"
)

// call is a publisher without layers and its viewers, whose lines are estimated.
type call struct {
	net       *simnet.Network
	publisher *side // the client
	server    *side // its peer
	home      *side // on the shard of the viewers
	camera    *camera
	clients   []*side
	viewers   []*side // their peers
	screens   []*screen
}

// addViewer makes a remote, and the estimated peer for it on the shard of a side.
func (s *side) addViewer(n *simnet.Network, i int, away simnet.Conditions, sections func(mine, theirs uint32) []media.Section) (client, v *side) {
	s.t.Helper()
	opt := options()
	opt.TWCCPeriod = 100 * time.Millisecond
	client = newSide(s.t, n, fmt.Sprintf("192.0.2.3:%d", 7000+i), true, away, opt)
	v = &side{t: s.t, shard: s.shard, port: s.port, got: map[uint64]int{}}
	v.creds = ice.Credentials{Ufrag: fmt.Sprintf("viewer%d", i), Pwd: "password-of-a-viewer-xx"}
	v.core = s.shard.Add(peer.Config{ICE: v.creds, Candidates: []ice.Candidate{
		{Foundation: "1", Component: 1, Transport: "udp", Priority: 1 << 30, Addr: s.port.Addr},
	}}, v)
	connect(n, client, v)
	client.core.SetSections(n.Now, sections(300, 400))
	v.core.SetSections(n.Now, sections(400, 300))
	v.estimate(n.Now)
	return client, v
}

// newCall makes a call; with apart, the viewers are on another shard.
func newCall(t testing.TB, viewers int, apart bool) *call {
	n := simnet.New(3)
	away := simnet.Conditions{Delay: 20 * time.Millisecond}
	opt := options()
	opt.TWCCPeriod = 100 * time.Millisecond
	c := &call{net: n}
	c.publisher = newSide(t, n, "192.0.2.2:6000", true, away, opt)
	c.server = newSide(t, n, "192.0.2.1:5000", false, away, options())
	connect(n, c.publisher, c.server)
	c.publisher.core.SetSections(n.Now, []media.Section{videoSection(100, 200, true)})
	c.server.core.SetSections(n.Now, []media.Section{videoSection(200, 100, true)})
	home := c.server
	if apart {
		home = newSide(t, n, "192.0.2.1:5001", false, away, options())
	}
	for i := range viewers {
		client, v := home.addViewer(n, i, away, func(mine, theirs uint32) []media.Section {
			return []media.Section{videoSection(mine, theirs, true)}
		})
		if c.home = home; apart {
			c.server.shard.Subscribe(c.server.core.Track(0), home.shard, func(now mono.Time, t *route.Track) {
				v.core.Subscription(0).Attach(now, t)
			})
			c.settle()
		} else {
			v.core.Subscription(0).Attach(n.Now, c.server.core.Track(0))
		}
		s := &screen{now: func() mono.Time { return n.Now }}
		route.NewSubscription(s).Attach(n.Now, client.core.Track(0))
		c.clients, c.viewers, c.screens = append(c.clients, client), append(c.viewers, v), append(c.screens, s)
	}
	c.camera = newCamera(n.Now, c.publisher, 0, 300e3)
	return c
}

// settle lets the shards run their mailboxes.
func (c *call) settle() {
	for range 3 {
		c.server.shard.Inject(c.net.Now, nil)
		c.home.shard.Inject(c.net.Now, nil)
		c.net.RunFor(time.Millisecond)
	}
}

// run has the publisher send as fast as it may, at most that fast.
func (c *call) run(d time.Duration, most float64) {
	for end := c.net.Now.Add(d); c.net.Now < end; {
		bps := c.camera.rates[0] * 1.05 // as fast as an encoder goes up
		if remb := c.publisher.core.Snapshot(c.net.Now).REMB; remb != 0 {
			bps = min(bps, float64(remb))
		}
		c.camera.rates[0] = min(bps, most)
		c.camera.picture(c.net.Now)
		c.net.RunFor(c.camera.every)
		c.settle()
	}
}

// TestPublisherFollowsViewers: a publisher without layers is asked for what its best viewer
// can take, and never for more than the cap.
func TestPublisherFollowsViewers(t *testing.T) {
	const most = 1_500_000
	for _, apart := range []bool{false, true} {
		c := newCall(t, 2, apart)
		narrow := func(i int, rate float64) {
			c.clients[i].port.Conditions.Rate, c.clients[i].port.Conditions.Queue = rate, 300*time.Millisecond
		}
		step := func(what string, low, high float64) {
			t.Helper()
			c.run(10*time.Second, most)
			for _, s := range c.screens {
				s.gap, s.bytes = 0, 0
			}
			c.run(5*time.Second, most)
			for i, v := range c.viewers {
				l := v.core.Snapshot(c.net.Now)
				t.Logf("apart %v, %s, viewer %d: target %d (%v), want %d, share %+v, %d bit/s, gap %v", apart, what, i,
					l.Line.Target, l.Line.Reason, l.Line.Want, *l.Sections[0].Share, c.screens[i].bytes*8/5, c.screens[i].gap)
			}
			if bps := c.camera.rates[0]; bps < low || bps > high {
				t.Errorf("apart %v, %s: the publisher sends %.0f bit/s, want %.0f to %.0f", apart, what, bps, low, high)
			}
		}
		narrow(0, 5e6)
		narrow(1, 5e6)
		step("free", 0.9*most, most)
		narrow(1, 600e3)
		step("one narrow", 0.9*most, most)
		if c.screens[0].gap > 500*time.Millisecond {
			t.Errorf("apart %v: the good line had no picture for %v", apart, c.screens[0].gap)
		}
		narrow(0, 600e3)
		step("both narrow", 250e3, 800e3) // what is sent for it is less, by the time of a round
		if c.screens[0].gap > time.Second {
			t.Errorf("apart %v: no picture for %v", apart, c.screens[0].gap)
		}
		c.server.core.SetBitrateCap(c.net.Now, 300_000)
		narrow(0, 5e6)
		step("cap", 250e3, 300e3)
		c.server.core.SetBitrateCap(c.net.Now, 0)
		step("free again", 0.8*most, most)
	}
}

// TestEchoFollowsItsLine: who sends and gets one stream without layers is asked for what the way
// back carries.
func TestEchoFollowsItsLine(t *testing.T) {
	c := newCall(t, 0, false)
	n := c.net
	c.home = c.server
	c.server.core.Subscription(0).Attach(n.Now, c.server.core.Track(0))
	c.server.estimate(n.Now)
	shown := &screen{now: func() mono.Time { return n.Now }}
	route.NewSubscription(shown).Attach(n.Now, c.publisher.core.Track(0))
	c.camera = newCamera(n.Now, c.publisher, 0, 300e3)
	const most = 1_500_000
	for _, step := range []struct{ line, low, high float64 }{
		{5e6, 0.9 * most, most}, {600e3, 250e3, 650e3}, {250e3, 100e3, 260e3}, {5e6, 0.8 * most, most},
	} {
		c.publisher.port.Conditions.Rate, c.publisher.port.Conditions.Queue = step.line, 300*time.Millisecond
		c.run(10*time.Second, most)
		shown.gap, shown.bytes = 0, 0
		c.run(10*time.Second, most)
		l := c.server.core.Snapshot(n.Now).Line
		t.Logf("line %.0f: %.0f bit/s are sent, %d come back, gap %v, target %d (%v), want %d", step.line, c.camera.rates[0], shown.bytes*8/10, shown.gap, l.Target, l.Reason, l.Want)
		if bps := c.camera.rates[0]; bps < step.low || bps > step.high || shown.gap > time.Second {
			t.Errorf("line of %.0f bit/s: %.0f are sent, want %.0f to %.0f; no picture for %v", step.line, bps, step.low, step.high, shown.gap)
		}
	}
}
