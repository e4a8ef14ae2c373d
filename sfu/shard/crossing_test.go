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

// conference is a publisher on one shard and viewers on two others.
type conference struct {
	net       *simnet.Network
	publisher *side // client
	home      *side // its peer on the server
	source    *source
	viewers   []*side // clients
	away      []*side // their peers on the server
}

func newConference(t testing.TB, l simnet.Conditions) *conference {
	n := simnet.New(30)
	c := &conference{net: n}
	c.home = newSide(t, n, "192.0.2.1:5000", false, l, options())
	c.publisher = newSide(t, n, "192.0.2.9:6000", true, l, options())
	connect(n, c.publisher, c.home)
	c.publisher.core.SetSections(n.Now, []media.Section{videoSection(100, 200, true)})
	c.home.core.SetSections(n.Now, []media.Section{videoSection(200, 100, true)})
	c.source = newSource(n.Now, c.publisher)
	for i, addr := range []string{"192.0.2.1:5001", "192.0.2.1:5002"} {
		server := newSide(t, n, addr, false, l, options())
		client := newSide(t, n, []string{"192.0.2.10:6001", "192.0.2.11:6002"}[i], true, l, options())
		connect(n, client, server)
		client.core.SetSections(n.Now, []media.Section{videoSection(300, 400, true)})
		server.core.SetSections(n.Now, []media.Section{videoSection(400, 300, true)})
		client.collect(n.Now)
		c.viewers, c.away = append(c.viewers, client), append(c.away, server)
	}
	return c
}

// subscribe lets a viewer see the publisher.
func (c *conference) subscribe(i int) {
	to := c.away[i]
	c.home.shard.Post(func(mono.Time) {
		c.home.shard.Subscribe(c.home.core.Track(0), to.shard, func(now mono.Time, t *route.Track) {
			to.core.Subscription(0).Attach(now, t)
		})
	})
	c.settle()
}

// settle lets all shards run their mailboxes.
func (c *conference) settle() {
	for range 3 {
		for _, s := range append([]*side{c.home}, c.away...) {
			s.shard.Inject(c.net.Now, nil)
		}
		c.net.RunFor(time.Millisecond)
	}
}

func (c *conference) run(d time.Duration) {
	for end := c.net.Now.Add(d); c.net.Now < end; {
		c.source.frame(c.net.Now, 3)
		c.net.RunFor(33 * time.Millisecond)
		c.settle()
	}
}

func TestTrackCrossesShards(t *testing.T) {
	for _, l := range []simnet.Conditions{{}, {Loss: 0.05, Delay: 10 * time.Millisecond}} {
		c := newConference(t, l)
		c.subscribe(0)
		c.subscribe(1)
		c.run(10 * time.Second)
		c.net.RunFor(2 * time.Second)
		for i, v := range c.viewers {
			missing := 0
			for seq := uint64(1); seq <= c.source.seq; seq++ {
				if v.got[seq] == 0 {
					missing++
				}
				if v.got[seq] > 1 {
					t.Fatalf("viewer %d got packet %d %d times", i, seq, v.got[seq])
				}
			}
			if limit := int(c.source.seq) / 200; missing > limit {
				t.Errorf("loss %v: viewer %d misses %d of %d packets", l.Loss, i, missing, c.source.seq)
			}
		}
		if n := c.home.shard.Stats().Drops[media.DropCrossing]; n > 0 {
			t.Errorf("%d packets found the other shard behind", n)
		}
	}
}

func TestReplicaIsGivenUp(t *testing.T) {
	c := newConference(t, simnet.Conditions{})
	c.subscribe(0)
	c.run(time.Second)
	if len(c.home.shard.exports) != 1 || len(c.away[0].shard.replicas) != 1 {
		t.Fatal("no replica")
	}
	c.away[0].core.Unsubscribe(0)
	c.run(3 * time.Second)
	if len(c.home.shard.exports) != 0 || len(c.away[0].shard.replicas) != 0 {
		t.Error("a replica without subscriptions was kept")
	}
	before := len(c.viewers[0].got)
	c.subscribe(0)
	c.source.key = true
	c.run(time.Second)
	if before == 0 || len(c.viewers[0].got) == before {
		t.Error("nothing came after subscribing again")
	}
}

func TestSourceEnds(t *testing.T) {
	c := newConference(t, simnet.Conditions{})
	c.subscribe(0)
	c.run(time.Second)
	c.home.core.Close(c.net.Now, peer.ReasonICEFailed)
	c.home.shard.Touch(c.home.core)
	c.settle()
	if c.away[0].core.Subscription(0).Track() != nil {
		t.Error("the viewer is still subscribed to what has ended")
	}
	if len(c.home.shard.exports) != 0 || len(c.away[0].shard.replicas) != 0 {
		t.Error("the replica was kept")
	}
}
