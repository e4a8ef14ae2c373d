package janus

import (
	"bifrons/api/json"
	"bifrons/api/signalling"
	"bifrons/sfu"
)

func (c *Core) trickle(q *query) {
	one, many := q.Root.Under("candidate"), q.Root.Under("candidates")
	switch {
	case one.Value == nil && many.Value == nil:
		q.fail(ErrMissingElement, "Missing mandatory element (candidate|candidates)")
		return
	case one.Value != nil && many.Value != nil:
		q.fail(ErrInvalidJSON, "Can't have both candidate and candidates")
		return
	case many.Value != nil && !json.IsArray(many.Value):
		q.fail(ErrInvalidType, "candidates is not an array")
		return
	case q.handle.gone.Load():
		q.fail(ErrPluginMessage, "No plugin to handle this trickle candidate")
		return
	}
	if err := q.handle.takeCandidates(one, q.Root.Items("candidates")); err != nil {
		q.fail(err.Code, err.Reason)
		return
	}
	q.ok("ack", nil)
}

// takeCandidates gives candidates to the endpoint. Only errors of a single one that
// is not kept for later are reported.
func (h *Handle) takeCandidates(one json.Args, many []json.Args) *Error {
	if one.Value != nil {
		many = []json.Args{one}
	}
	var list []signalling.Candidate
	var wrong *Error
	for _, v := range many {
		c, ok, err := parseTrickle(v)
		switch {
		case err != nil:
			wrong = err
		case ok:
			list = append(list, c)
		}
	}
	early, err := h.endpoint.AddCandidates(list)
	switch {
	case err != nil:
		return signallingError(err)
	case one.Value != nil && !early:
		return wrong
	}
	return nil
}

// parseTrickle reads one trickled candidate; ok is false if there is nothing in it.
func parseTrickle(v json.Args) (c signalling.Candidate, ok bool, err *Error) {
	if !v.IsObject() {
		return signalling.Candidate{End: true}, true, nil
	}
	switch done, is := v.Flag("completed"); {
	case v.Get("completed") == nil:
	case done || !is:
		return signalling.Candidate{End: true}, true, nil
	case !v.Has("candidate"):
		return c, false, nil
	}
	hasIndex := v.Has("sdpMLineIndex")
	switch {
	case !v.Has("sdpMid") && !hasIndex:
		return c, false, &Error{ErrMissingElement, "Trickle error: missing mandatory element (sdpMid or sdpMLineIndex)"}
	case v.Has("sdpMid"):
		if c.MID, c.HasMID = v.Text("sdpMid"); !c.HasMID {
			return c, false, &Error{ErrInvalidType, "Trickle error: invalid element type (sdpMid should be a string)"}
		}
	}
	if hasIndex {
		if c.Section, c.HasSection = v.Number("sdpMLineIndex"); !c.HasSection || c.Section < 0 {
			return c, false, &Error{ErrInvalidType, "Trickle error: invalid element type (sdpMLineIndex should be a positive integer)"}
		}
	}
	switch c.Text, ok = v.Text("candidate"); {
	case !v.Has("candidate"):
		return c, false, &Error{ErrMissingElement, "Trickle error: missing mandatory element (candidate)"}
	case !ok:
		return c, false, &Error{ErrInvalidType, "Trickle error: invalid element type (candidate should be a string)"}
	}
	c.End = c.Text == "" // RFC 8838, 13, in the words of W3C's addIceCandidate
	c.Ufrag = v.Str("usernameFragment")
	if ufrag := sfu.CandidateUfrag(c.Text); ufrag != "" {
		c.Ufrag = ufrag
	}
	return c, true, nil
}
