package ice

// Snapshot is the state of an agent at one moment.
type Snapshot struct {
	State             State
	Cause             Cause // of the state Failed
	Lite, Controlling bool
	Local, Remote     []Candidate // peer reflexive ones included

	// The candidates of the path for media, if Selected.
	Selected                      bool
	SelectedLocal, SelectedRemote Candidate
}

// Snapshot returns the agent's present state; the slices are the caller's.
func (a *Agent) Snapshot() Snapshot {
	s := Snapshot{State: a.state, Cause: a.cause, Lite: a.cfg.Lite, Controlling: a.controlling}
	for _, c := range a.locals {
		s.Local = append(s.Local, *c)
	}
	for _, c := range a.remotes {
		s.Remote = append(s.Remote, *c)
	}
	s.SelectedLocal, s.SelectedRemote, s.Selected = a.SelectedPair()
	return s
}
