package signalling

import (
	"slices"
	"time"

	"bifrons/sfu"
)

// Candidate is a client's candidate as it was trickled (RFC 8840).
type Candidate struct {
	End        bool   // no more will come, for all sections if it names none
	Ufrag      string // of its generation, "" if that is not said
	MID        string // of its section, if HasMID
	HasMID     bool
	Section    int64 // index of its section, if HasSection
	HasSection bool
	Text       string // as in a=candidate, with or without the name
}

// earlyCandidate is one that came before there was a description for it.
type earlyCandidate struct {
	Candidate
	at time.Time
}

// MaxCandidates is how many candidates wait for their description.
const MaxCandidates = 128

// AddCandidates adds candidates of the client to the connection, or keeps them for its
// next description; early tells that the latter happens to all. The client trickles
// from now on, even if there are none. Those that are of no use are left out. The error is
// ErrClosing.
func (e *Endpoint) AddCandidates(list []Candidate) (early bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.conn
	if c != nil && c.closing.Load() {
		return false, ErrClosing
	}
	e.trickles = true
	early = c == nil || c.offer != nil || c.offered != nil
	for _, one := range list {
		if early || !c.trickle(one) {
			e.keep(one)
		}
	}
	return early, nil
}

// maxCandidate is the length in bytes of a candidate that is worth keeping.
const maxCandidate = 1024

// keep remembers a candidate until there is a description for it. The oldest give way.
// e.mu is held.
func (e *Endpoint) keep(c Candidate) {
	if len(c.Text)+len(c.MID)+len(c.Ufrag) > maxCandidate {
		return
	}
	if len(e.early) == MaxCandidates {
		e.early = slices.Delete(e.early, 0, 1)
	}
	e.early = append(e.early, earlyCandidate{c, e.cfg.Now()})
}

// applyEarly adds the candidates that were kept. e.mu is held.
func (c *Connection) applyEarly() {
	e := c.e
	oldest := e.cfg.Now().Add(-e.cfg.CandidatesTimeout)
	e.early = slices.DeleteFunc(e.early, func(one earlyCandidate) bool {
		return !one.at.After(oldest) || c.trickle(one.Candidate)
	})
}

// trickle adds a candidate. Only those of the section whose transport is everybody's
// count. It reports whether it is done with: one of another generation may be of the
// next one, whose description is still on its way. e.mu is held.
func (c *Connection) trickle(t Candidate) bool {
	switch {
	case c.unused:
	case t.HasMID && t.MID != c.transport.MID:
	case t.HasSection && t.Section != int64(c.transport.Section):
	case t.Ufrag != "" && t.Ufrag != c.transport.Ufrag:
		return false
	case t.End:
		c.complete = true
		c.peer.EndOfCandidates()
	default:
		c.addCandidate(t.Text)
	}
	return true
}

// addCandidate adds a candidate of the client if it can be used. e.mu is held.
func (c *Connection) addCandidate(text string) {
	parsed, err := sfu.ParseCandidate(text)
	if err != nil || parsed.Component != 1 || !c.usable(&parsed) {
		return
	}
	if ufrag := sfu.CandidateUfrag(text); ufrag != "" && ufrag != c.transport.Ufrag {
		return // of another generation
	}
	if parsed.Name != "" && c.e.cfg.Engine.Config().IgnoreMDNS {
		return
	}
	c.peer.AddCandidate(parsed)
	if o := c.e.client.Observer; o != nil {
		o.Taken(parsed.String())
	}
}

// usable recognises candidates of transports that we know, or a relay for which it
// does not matter.
func (c *Connection) usable(r *sfu.Candidate) bool {
	switch r.Transport {
	case "udp":
		return true
	case "tcp":
		return c.e.cfg.Engine.Config().ICETCP
	}
	return r.Transport == "tls" && r.Type == sfu.Relayed
}
