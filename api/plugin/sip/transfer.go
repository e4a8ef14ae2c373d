package sip

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin/sip/ua"
	"bifrons/api/schema"
)

// transfers are those that the client may still follow or decline. The executor changes them.
type transfers map[int64]*ua.Transfer

// maxTransfers is how many wait for a client. The oldest one is declined for another one.
const maxTransfers = 16

// add keeps a transfer, and returns its number.
func (t *transfers) add(x *ua.Transfer) int64 {
	if *t == nil {
		*t = make(transfers)
	}
	id := int64(x.ID())
	if len(*t) >= maxTransfers {
		oldest := id
		for k := range *t {
			oldest = min(oldest, k)
		}
		if old := t.take(oldest); old != nil {
			_ = old.Decline(603)
		}
	}
	(*t)[id] = x
	return id
}

// take finds a transfer, which is decided then; nil if there is none.
func (t *transfers) take(id int64) *ua.Transfer {
	x := (*t)[id]
	delete(*t, id)
	return x
}

// transfer has the other side call somebody else.
func (h *handle) transfer(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	uri, replace := r.Body.Str("uri"), r.Body.Str("replace")
	switch {
	case !h.established():
		return kit.Response{}, notInCall()
	case !ua.Valid(uri, false):
		return kit.Fail(errAddress, "Invalid user address %s", uri)
	}
	var other *ua.Call
	if replace != "" {
		if other = h.account.Find(replace); other == nil {
			return kit.Fail(errNoSuchCall, "No such call-ID %s", replace)
		}
	}
	if fault := h.call.Refer(uri, other, nil); fault != nil {
		return kit.Response{}, failure(fault, uri)
	}
	writeEvent(w, "transferring", nil)
	return kit.Response{}, nil
}

// referred tells the client that it is asked to call somebody else.
func (h *handle) referred(t *ua.Transfer, x ua.Referral) {
	id := h.transfers.add(t)
	h.tell("transfer", func(w *json.Writer) {
		w.Int("refer_id", id)
		w.Str("refer_to", x.To)
		w.OptStr("referred_by", x.ReferredBy)
		w.OptStr("replaces", x.Replaces)
		h.writeHeaders(w, x.Headers)
	})
}
