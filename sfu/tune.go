package sfu

import "bifrons/rtp/mono"

// Config is the configuration of the engine, with the defaults; a nil Engine has only these.
// Changes by Tune are not in there.
func (e *Engine) Config() Config {
	if e == nil {
		return Defaults()
	}
	return e.cfg
}

// Tuning returns the settings in effect.
func (e *Engine) Tuning() Tuning {
	e.tuneMu.Lock()
	defer e.tuneMu.Unlock()
	return e.tuning
}

// Tune changes settings, for existing connections as well as for
// later ones. change is called once.
func (e *Engine) Tune(change func(t *Tuning)) {
	e.tuneMu.Lock()
	defer e.tuneMu.Unlock()
	change(&e.tuning)
	t := e.tuning
	for _, st := range e.sites {
		st.shard.Post(func(mono.Time) { st.options.Tuning = t })
	}
}
