package sfu

import (
	"testing"
	"time"

	"bifrons/rtp/mono"
)

func TestTune(t *testing.T) {
	e := newEngine(t, func(c *Config) { c.Shards, c.Peers.NoMediaTimer = 2, 0 })
	if got := e.Tuning(); got != (Tuning{MinNackQueue: 200 * time.Millisecond}) {
		t.Errorf("at the start %+v", got)
	}
	want := Tuning{MinNackQueue: 500 * time.Millisecond, NackOptimizations: true, NoMediaTimer: 3 * time.Second, SlowlinkThreshold: 7}
	e.Tune(func(t *Tuning) { *t = want })
	if got := e.Tuning(); got != want {
		t.Errorf("then %+v", got)
	}
	for i, st := range e.sites {
		st.shard.Call(func(mono.Time) {
			if o := st.options; !o.NackOptimizations || o.NoMediaTimer != 3*time.Second || o.SlowlinkThreshold != 7 {
				t.Errorf("shard %d has %+v", i, *o)
			}
		})
	}
}
