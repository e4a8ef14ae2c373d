package sip

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin/sip/ua"
	"bifrons/api/schema"
)

var declineFields = schema.NotNull(schema.Typed(schema.Int, "code", "refer_id"), schema.Typed(schema.Object, "headers"))

// decline refuses a call, or a transfer.
func (h *handle) decline(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	code, given := r.Body.Number("code")
	if !given {
		code = 603
	}
	if id := r.Body.Num("refer_id"); id > 0 {
		if code <= 399 || code > 699 {
			code = 603
		}
		t := h.plugin.transfers.find(h.number, id)
		if t == nil || t.Decline(int(code)) != nil {
			return kit.Fail(errWrongState, "Wrong state (no transfer?)")
		}
		h.plugin.transfers.drop(id)
		fields := func(w *json.Writer) {
			w.Int("refer_id", id)
			w.Int("code", code)
		}
		writeEvent(w, "declining", fields)
		h.notify("declined", fields)
		return kit.Response{}, nil
	}
	if s := h.status(); s != "invited" && s != "progress" {
		return kit.Response{Silent: true}, nil
	}
	if code <= 399 || code > 699 {
		code = 486
	}
	c := h.call
	if fault := c.Decline(int(code), headers(r.Body, "headers")); fault != nil {
		return kit.Response{}, failure(fault, "")
	}
	writeEvent(w, "declining", func(w *json.Writer) {
		w.Int("code", code)
		w.Str("call_id", c.ID())
	})
	h.notify("declined", func(w *json.Writer) {
		w.Str("callee", c.peer)
		w.Str("call-id", c.ID())
		w.Int("code", code)
	})
	return kit.Response{}, nil
}

// hangUp ends a call.
func (h *handle) hangUp(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	s := h.status()
	if !h.established() && s != "inviting" && s != "progress" {
		return kit.Response{Silent: true}, nil
	}
	if fault := h.call.Hangup(headers(r.Body, "headers")); fault != nil {
		return kit.Response{}, failure(fault, "")
	}
	writeEvent(w, "hangingup", nil)
	return kit.Response{}, nil
}

// ring tells the caller that it rings.
func (h *handle) ring(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if s := h.status(); s != "invited" && s != "progress" {
		return kit.Response{}, notInCall()
	}
	if fault := h.call.Ring(); fault != nil {
		return kit.Response{}, failure(fault, "")
	}
	w.Str("sip", "event")
	return kit.Response{}, nil
}

// lost ends a call whose client has lost its connection.
func (h *handle) lost() {
	c := h.call
	if c == nil {
		h.leg.Close()
		return
	}
	if c.State() >= ua.Closing {
		return
	}
	if c.State() == ua.Invited {
		_ = c.Decline(480, nil)
	} else {
		_ = c.Hangup(nil)
	}
	h.tell("hangingup", nil)
}

// ended reports that the call is over.
func (h *handle) ended(e ua.End) {
	fields := func(w *json.Writer) {
		w.Int("code", int64(e.Code))
		w.Str("reason", e.Reason)
		w.OptStr("reason_header", e.ReasonText)
		w.OptStr("reason_header_protocol", e.ReasonProtocol)
		w.OptStr("reason_header_cause", e.ReasonCause)
		h.writeHeaders(w, e.Headers)
	}
	// The end of the connection waits behind this. Who calls again as soon as the client hears of the hangup comes after it.
	h.ClosePeer()
	h.push("hangup", nil, fields)
	id := h.call.ID()
	h.notify("hangup", func(w *json.Writer) {
		w.Str("call-id", id)
		fields(w)
	})
	h.begin(nil)
	h.leg.Close()
}
