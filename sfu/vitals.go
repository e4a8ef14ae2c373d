package sfu

import (
	"bifrons/rtp/mono"
)

// vitalsAtOnce is how many connections one command to a shard looks at: some 20 us, in
// which packets wait.
const vitalsAtOnce = 64

// Vitals says how peer connections fare, in their order; the zero value for nil. Each
// shard looks at a few at a time, so that packets do not wait for it.
func (e *Engine) Vitals(peers []*Peer) []Vitals {
	all := make([]Vitals, len(peers))
	bySite := make(map[*site][]int, len(e.sites))
	for i, p := range peers {
		if p != nil {
			bySite[p.site] = append(bySite[p.site], i)
		}
	}
	for st, list := range bySite {
		for len(list) > 0 {
			n := min(len(list), vitalsAtOnce)
			some := list[:n]
			st.shard.Call(func(now mono.Time) {
				for _, i := range some {
					all[i] = peers[i].core.Vitals(now)
					all[i].Age = now.Sub(peers[i].created)
				}
			})
			list = list[n:]
		}
	}
	return all
}
