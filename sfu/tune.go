package sfu

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/peer"
)

// Tuning is the settings that can be changed while the engine runs. They are
// those of Config, but zero means zero.
type Tuning struct {
	MinNackQueue      time.Duration
	NackOptimizations bool
	NoMediaTimer      time.Duration // 0 = off
	SlowlinkThreshold int           // 0 = off
}

func (c *Config) tuning() Tuning {
	return Tuning{c.MinNackQueue, c.NackOptimizations, max(c.NoMediaTimer, 0), c.SlowlinkThreshold}
}

func (t *Tuning) apply(o *peer.Options) {
	o.NackOptimizations, o.NoMediaTimer, o.SlowlinkThreshold = t.NackOptimizations, t.NoMediaTimer, t.SlowlinkThreshold
}

// Tuning returns the settings in effect.
func (e *Engine) Tuning() Tuning {
	e.tuneMu.Lock()
	defer e.tuneMu.Unlock()
	return e.tuning
}

// Tune changes settings, for the connections that there are as well as for
// later ones. change is called once.
func (e *Engine) Tune(change func(t *Tuning)) {
	e.tuneMu.Lock()
	defer e.tuneMu.Unlock()
	change(&e.tuning)
	t := e.tuning
	for _, st := range e.sites {
		st.shard.Post(func(mono.Time) { t.apply(st.options) })
	}
}
