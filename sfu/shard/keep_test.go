package shard

import (
	"testing"
	"time"

	"bifrons/sfu/route"
	"bifrons/sfu/simnet"
)

// TestKeptAcrossShards subscribes from another shard long after the only key
// frame: everything from there on arrives.
func TestKeptAcrossShards(t *testing.T) {
	c := newConference(t, simnet.Conditions{})
	c.home.core.Track(0).Keep = route.Keep{Time: time.Minute}
	c.run(3 * time.Second) // longer than packets are kept for retransmission
	for i := range c.viewers {
		c.subscribe(i)
		c.run(time.Second)
		for seq := uint64(1); seq <= c.source.seq; seq++ {
			if c.viewers[i].got[seq] != 1 {
				t.Fatalf("viewer %d got packet %d of %d %d times", i, seq, c.source.seq, c.viewers[i].got[seq])
			}
		}
	}
	// The replica is given up and made again.
	c.away[0].core.Unsubscribe(0)
	c.run(3 * time.Second)
	c.subscribe(0)
	before := c.source.seq
	c.run(time.Second)
	for seq := before; seq <= c.source.seq; seq++ {
		if c.viewers[0].got[seq] == 0 {
			t.Fatalf("packet %d did not come after subscribing again", seq)
		}
	}
}
