package shard

import (
	"bifrons/rtp/mono"
	"bifrons/sfu/peer"
)

// Totals are about all peers of a shard.
type Totals struct {
	Counters peer.Counters // sums, ended peers included
	Stages   [peer.NumStages]int
}

// Totals adds up the peers. It waits for the loop; after its end the result is
// the zero value.
func (s *Shard) Totals() (t Totals) {
	s.Call(func(mono.Time) {
		t.Counters = s.ended
		for p := range s.peers {
			c := p.Counters()
			t.Counters.Add(&c)
			if !p.Closed() {
				t.Stages[p.Stage()]++
			}
		}
	})
	return t
}
