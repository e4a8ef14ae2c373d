package sfu

import (
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
)

// Totals are about all peer connections of the engine's life.
type Totals struct {
	Counters  peer.Counters
	Stages    [peer.NumStages]int // how many connections are at each stage now
	RTT, Loss media.Distribution  // see peer.Observations
}

// Totals adds up the connections. It waits for the shards.
func (e *Engine) Totals() (t Totals) {
	for _, st := range e.sites {
		n := st.shard.Totals()
		t.Counters.Add(&n.Counters)
		for i, k := range n.Stages {
			t.Stages[i] += k
		}
		t.RTT.Add(st.options.Observations.RTT)
		t.Loss.Add(st.options.Observations.Loss)
	}
	return t
}
