package janus

import (
	"slices"
	"time"

	"bifrons/api/json"
	"bifrons/sfu"
)

// candidate is a client's candidate as it was trickled.
type candidate struct {
	end      bool   // no more will come
	none     bool   // and nothing else
	ufrag    string // of its generation, "" if that is not said
	mid      string
	hasMID   bool
	index    int64
	hasIndex bool
	text     string
}

// earlyCandidate is one that came before there was a description for it.
type earlyCandidate struct {
	candidate
	at time.Time
}

func (c *Core) trickle(q *query) {
	one, many := q.Root.Get("candidate"), q.Root.Get("candidates")
	switch {
	case one == nil && many == nil:
		q.fail(ErrMissingElement, "Missing mandatory element (candidate|candidates)")
		return
	case one != nil && many != nil:
		q.fail(ErrInvalidJSON, "Can't have both candidate and candidates")
		return
	case many != nil && !json.IsArray(many):
		q.fail(ErrInvalidType, "candidates is not an array")
		return
	case q.handle.gone.Load():
		q.fail(ErrPluginMessage, "No plugin to handle this trickle candidate")
		return
	}
	if err := q.handle.takeCandidates(one, json.Array(many)); err != nil {
		q.fail(err.Code, err.Reason)
		return
	}
	q.ok("ack", nil)
}

// takeCandidates adds candidates to the connection, or keeps them for it. Only
// errors of a single one that is not kept are reported.
func (h *Handle) takeCandidates(one *json.Value, many []*json.Value) *Error {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.conn
	if c != nil && c.closing.Load() {
		return &Error{ErrWebRTCState, errCleaning.Error()}
	}
	h.trickle = true
	early := c == nil || c.offer != nil || c.offered != nil
	if one != nil {
		many = []*json.Value{one}
	}
	for _, v := range many {
		parsed, err := parseTrickle(v)
		switch {
		case err != nil && one != nil && !early:
			return err
		case err != nil:
		case early:
			h.keep(parsed)
		default:
			if !c.trickle(parsed) {
				h.keep(parsed)
			}
		}
	}
	return nil
}

// maxCandidate is the length in bytes of a candidate that is worth keeping.
const maxCandidate = 1024

// keep remembers a candidate until there is a description for it. The oldest give way.
// h.mu is held.
func (h *Handle) keep(c candidate) {
	if len(c.text)+len(c.mid)+len(c.ufrag) > maxCandidate {
		return
	}
	if len(h.early) == maxCandidates {
		h.early = slices.Delete(h.early, 0, 1)
	}
	h.early = append(h.early, earlyCandidate{c, h.core.cfg.Now()})
}

// applyEarly adds the candidates that were kept. h.mu is held.
func (c *connection) applyEarly() {
	h := c.h
	oldest := h.core.cfg.Now().Add(-h.core.cfg.CandidatesTimeout)
	h.early = slices.DeleteFunc(h.early, func(e earlyCandidate) bool { return !e.at.After(oldest) || c.trickle(e.candidate) })
}

// trickle adds a candidate. Only those of the section whose transport is everybody's
// count. It reports whether it is done with: one of another generation may be of the
// next one, whose description is still on its way. h.mu is held.
func (c *connection) trickle(t candidate) bool {
	switch {
	case c.unused || t.none:
	case t.hasMID && t.mid != c.transport.MID:
	case t.hasIndex && t.index != int64(c.transport.Section):
	case t.ufrag != "" && t.ufrag != c.transport.Ufrag:
		return false
	case t.end:
		c.complete = true
		c.peer.EndOfCandidates()
	default:
		c.addCandidate(t.text)
	}
	return true
}

// addCandidate adds a candidate of the client if it can be used. h.mu is held.
func (c *connection) addCandidate(text string) {
	parsed, err := sfu.ParseCandidate(text)
	if err != nil || parsed.Component != 1 || !c.usable(&parsed) {
		return
	}
	if ufrag := sfu.CandidateUfrag(text); ufrag != "" && ufrag != c.transport.Ufrag {
		return // of another generation
	}
	if parsed.Name != "" && c.h.core.cfg.Media.IgnoreMDNS {
		return
	}
	c.peer.AddCandidate(parsed)
	c.h.notifyCandidate(SubRemoteCandidate, "remote-candidate", parsed.String())
}

// usable tells candidates of transports that we know, or a relay for which it
// does not matter.
func (c *connection) usable(r *sfu.Candidate) bool {
	switch r.Transport {
	case "udp":
		return true
	case "tcp":
		return c.h.core.cfg.Media.ICETCP
	}
	return r.Transport == "tls" && r.Type == sfu.Relayed
}

// parseTrickle reads one trickled candidate.
func parseTrickle(v *json.Value) (candidate, *Error) {
	if !json.IsObject(v) {
		return candidate{end: true}, nil
	}
	mid, index, text := v.Get("sdpMid"), v.Get("sdpMLineIndex"), v.Get("candidate")
	var c candidate
	switch completed := v.Get("completed"); {
	case completed == nil:
	case !json.IsBool(completed) || json.True(completed):
		return candidate{end: true}, nil
	case json.IsNull(text):
		return candidate{none: true}, nil
	}
	switch {
	case json.IsNull(mid) && json.IsNull(index):
		return c, &Error{ErrMissingElement, "Trickle error: missing mandatory element (sdpMid or sdpMLineIndex)"}
	case !json.IsNull(mid):
		if c.mid, c.hasMID = json.String(mid); !c.hasMID {
			return c, &Error{ErrInvalidType, "Trickle error: invalid element type (sdpMid should be a string)"}
		}
	}
	if !json.IsNull(index) {
		if c.index, c.hasIndex = json.Int(index); !c.hasIndex || c.index < 0 {
			return c, &Error{ErrInvalidType, "Trickle error: invalid element type (sdpMLineIndex should be a positive integer)"}
		}
	}
	var ok bool
	switch c.text, ok = json.String(text); {
	case json.IsNull(text):
		return c, &Error{ErrMissingElement, "Trickle error: missing mandatory element (candidate)"}
	case !ok:
		return c, &Error{ErrInvalidType, "Trickle error: invalid element type (candidate should be a string)"}
	}
	c.end = c.text == "" // RFC 8838, 13, in the words of W3C's addIceCandidate
	c.ufrag, _ = json.String(v.Get("usernameFragment"))
	if ufrag := sfu.CandidateUfrag(c.text); ufrag != "" {
		c.ufrag = ufrag
	}
	return c, nil
}
