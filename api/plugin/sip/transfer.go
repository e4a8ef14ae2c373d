package sip

import (
	"sync"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin/sip/ua"
	"bifrons/api/schema"
)

// transfers are those that clients may still follow or decline, by number. A master and its helpers have theirs in common: as
// a handle has one call, another one follows the transfer of a call that goes on.
type transfers struct {
	mu  sync.Mutex
	all map[int64]referral
}

type referral struct {
	*ua.Transfer
	family uint32 // the master's number
}

// maxTransfers is how many of a handle wait for a client. The oldest one is declined for another one.
const maxTransfers = 16

// add keeps a transfer, and returns its number.
func (t *transfers) add(family uint32, x *ua.Transfer) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = make(map[int64]referral)
	}
	for {
		id := int64(randomID())
		if _, there := t.all[id]; id != 0 && !there {
			t.all[id] = referral{x, family}
			return id
		}
	}
}

// find is a transfer, nil if there is none.
func (t *transfers) find(family uint32, id int64) *ua.Transfer {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x := t.all[id]; x.family == family {
		return x.Transfer
	}
	return nil
}

// drop forgets a transfer, which is decided.
func (t *transfers) drop(id int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, id)
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
	id := h.plugin.transfers.add(h.number, t)
	if h.referrals = append(h.referrals, id); len(h.referrals) > maxTransfers {
		oldest := h.referrals[0]
		if t := h.plugin.transfers.find(h.number, oldest); t != nil {
			_ = t.Decline(603)
		}
		h.plugin.transfers.drop(oldest)
		h.referrals = h.referrals[1:]
	}
	h.tell("transfer", func(w *json.Writer) {
		w.Int("refer_id", id)
		w.Str("refer_to", x.To)
		w.OptStr("referred_by", x.ReferredBy)
		w.OptStr("replaces", x.Replaces)
		h.writeHeaders(w, x.Headers)
	})
}
