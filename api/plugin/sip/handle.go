package sip

import (
	"math/rand/v2"
	"sync"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/gateway"
	"bifrons/api/plugin"
	"bifrons/api/plugin/sip/ua"
)

// handle is one telephone: an account, or a helper on that of another handle, with one call at a time. All that
// changes is changed by the executor.
type handle struct {
	kit.Handle
	plugin *Plugin      // fixed
	id     string       // fixed; unique_id
	leg    *gateway.Leg // fixed

	// mu guards the fields below for readers on other goroutines.
	mu       sync.Mutex
	account  *ua.Account // nil = there is none
	settings ua.AccountConfig
	number   uint32   // master_id, the master's if it is a helper; 0 = none
	helper   bool     // it has no account of its own
	helpers  int      // that it has
	prefixes []string // of headers that the client wants to see, nil = none
	quiet    bool     // does not ring by itself
	call     *call    // nil = there is none

	referrals []int64 // the executor's alone; numbers of transfers that it was asked for
}

// Message takes a request.
func (h *handle) Message(r *plugin.Request) plugin.Result { return table.Message(h.Host, h, r) }

// TakesAnswerAgain reports whether accept may repeat the answer of progress.
func (h *handle) TakesAnswerAgain() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.call != nil && h.call.State() == ua.Progressing
}

// set changes the fields that others may read.
func (h *handle) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// failed ends a call whose media cannot go on. It is called by the engine.
func (h *handle) failed(why string) {
	h.plugin.Gateway.Logger().Warn("the media of a call have ended by themselves", "session", h.Host.SessionID(), "handle", h.Host.HandleID(), "reason", why)
	h.Host.Run(h.ClosePeer)
}

// Hangup ends the call.
func (h *handle) Hangup(string) {
	h.PeerChanged()
	h.lost()
}

// Detach is the end.
func (h *handle) Detach() {
	h.Detached()
	h.dismiss()
	h.leg.Close()
}

// dismiss gives the account back, with everything that hangs on it.
func (h *handle) dismiss() {
	a := h.account
	if a == nil {
		return
	}
	if !h.helper {
		h.plugin.strike(h.number)
	} else if m := h.plugin.master(h.number); m != nil {
		m.set(func() { m.helpers-- })
	}
	for _, id := range h.referrals {
		h.plugin.transfers.drop(id)
	}
	h.referrals = nil
	h.set(func() { h.account, h.helper, h.number, h.helpers = nil, false, 0, 0 })
	a.Close()
}

func randomID() uint32 { return rand.Uint32() >> 1 }

// writeCommon writes the fields that all events of a handle share.
func (h *handle) writeCommon(w *json.Writer) {
	if h.call != nil {
		w.Str("call_id", h.call.ID())
	}
}

// push tells the client something about its call, as part of the request that began it.
func (h *handle) push(event string, j *plugin.JSEP, fields func(w *json.Writer)) error {
	transaction := ""
	if h.call != nil {
		transaction = h.call.transaction
	}
	return h.Host.Push(transaction, json.Object(func(w *json.Writer) {
		writeEvent(w, event, fields)
		h.writeCommon(w)
	}), j)
}

// writeEvent writes the result of a request, or an event.
func writeEvent(w *json.Writer, event string, fields func(w *json.Writer)) {
	kit.WriteResult(w, "sip", func(w *json.Writer) {
		w.Str("event", event)
		if fields != nil {
			fields(w)
		}
	})
}

// notify informs event handlers.
func (h *handle) notify(event string, fields func(w *json.Writer)) {
	h.plugin.Events.Notify(h.Host, func(w *json.Writer) {
		w.Str("event", event)
		fields(w)
	})
}

// writeHeaders writes those header fields that the client wants to see.
func (h *handle) writeHeaders(w *json.Writer, list ua.Headers) {
	if h.prefixes == nil {
		return
	}
	w.Object("headers")
	for _, f := range list.Matching(h.prefixes) {
		w.Str(f.Name, f.Value)
	}
	w.End()
}
