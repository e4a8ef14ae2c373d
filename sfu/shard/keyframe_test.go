package shard

import (
	"testing"
	"time"

	"bifrons/sfu/simnet"
)

// TestLostStartOfKeyframe: the first packet of the key frame that a paused
// subscription waits for has to be repeated.
func TestLostStartOfKeyframe(t *testing.T) {
	n := simnet.New(20)
	client, server, src := echo(t, n, simnet.Link{Delay: 10 * time.Millisecond}, options(), true)
	run(n, src, time.Second)
	sub := server.core.Subscription(0)
	sub.SetPaused(n.Now, true)
	run(n, src, time.Second)
	sub.SetPaused(n.Now, false)
	start := src.seq + 1
	src.key = true
	server.port.Link.Loss = 1
	src.frame(n.Now, 1)
	server.port.Link.Loss = 0
	src.frame(n.Now, 5)
	n.RunFor(10 * time.Millisecond)
	run(n, src, 2*time.Second)
	n.RunFor(time.Second)
	for seq := start; seq <= src.seq; seq++ {
		if client.got[seq] != 1 {
			t.Errorf("packet %d, the %dth of the picture, came %d times", seq, seq-start+1, client.got[seq])
		}
	}
	if c := client.core.Counters(); c.NACKsOut != 0 {
		t.Errorf("the client asked for %d packets", c.NACKsOut)
	}
}
