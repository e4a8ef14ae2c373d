package janus

import (
	"bifrons/api/json"
	"bifrons/api/signalling"
	"bifrons/sfu"
)

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

// takeCandidates gives candidates to the endpoint. Only errors of a single one that
// is not kept for later are reported.
func (h *Handle) takeCandidates(one *json.Value, many []*json.Value) *Error {
	if one != nil {
		many = []*json.Value{one}
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
	case one != nil && !early:
		return wrong
	}
	return nil
}

// parseTrickle reads one trickled candidate; ok is false if there is nothing in it.
func parseTrickle(v *json.Value) (c signalling.Candidate, ok bool, err *Error) {
	if !json.IsObject(v) {
		return signalling.Candidate{End: true}, true, nil
	}
	mid, index, text := v.Get("sdpMid"), v.Get("sdpMLineIndex"), v.Get("candidate")
	switch completed := v.Get("completed"); {
	case completed == nil:
	case !json.IsBool(completed) || json.True(completed):
		return signalling.Candidate{End: true}, true, nil
	case json.IsNull(text):
		return c, false, nil
	}
	switch {
	case json.IsNull(mid) && json.IsNull(index):
		return c, false, &Error{ErrMissingElement, "Trickle error: missing mandatory element (sdpMid or sdpMLineIndex)"}
	case !json.IsNull(mid):
		if c.MID, c.HasMID = json.String(mid); !c.HasMID {
			return c, false, &Error{ErrInvalidType, "Trickle error: invalid element type (sdpMid should be a string)"}
		}
	}
	if !json.IsNull(index) {
		if c.Section, c.HasSection = json.Int(index); !c.HasSection || c.Section < 0 {
			return c, false, &Error{ErrInvalidType, "Trickle error: invalid element type (sdpMLineIndex should be a positive integer)"}
		}
	}
	switch c.Text, ok = json.String(text); {
	case json.IsNull(text):
		return c, false, &Error{ErrMissingElement, "Trickle error: missing mandatory element (candidate)"}
	case !ok:
		return c, false, &Error{ErrInvalidType, "Trickle error: invalid element type (candidate should be a string)"}
	}
	c.End = c.Text == "" // RFC 8838, 13, in the words of W3C's addIceCandidate
	c.Ufrag, _ = json.String(v.Get("usernameFragment"))
	if ufrag := sfu.CandidateUfrag(c.Text); ufrag != "" {
		c.Ufrag = ufrag
	}
	return c, true, nil
}
