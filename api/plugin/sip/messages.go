package sip

import (
	"bytes"
	"fmt"
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin/sip/ua"
	"bifrons/api/schema"
)

// info sends an INFO request.
func (h *handle) info(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return h.sendInfo(r, w, "infosent", r.Body.Str("type"), r.Body.Str("content"))
}

// dtmf sends a digit by INFO.
func (h *handle) dtmf(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	digit, ms := r.Body.Str("digit"), r.Body.Num("duration")
	if !h.established() {
		return kit.Response{}, notInCall()
	}
	if len(digit) != 1 {
		return kit.Fail(errInvalidElement, "Invalid element (digit should be one character)")
	}
	if ms <= 0 || ms > maxDigit {
		ms = usualDigit
	}
	return h.sendInfo(r, w, "dtmfsent", "application/dtmf-relay", fmt.Sprintf("Signal=%s\r\nDuration=%d", digit, ms))
}

// How long a digit lasts, in milliseconds.
const (
	usualDigit = 160
	maxDigit   = 5000
)

func (h *handle) sendInfo(r *kit.Request, w *json.Writer, event, kind, body string) (kit.Response, *schema.Error) {
	if !h.established() {
		return kit.Response{}, notInCall()
	}
	if fault := h.call.Info(kind, body, headers(r.Body, "headers")); fault != nil {
		return kit.Response{}, failure(fault, "")
	}
	writeEvent(w, event, nil)
	return kit.Response{}, nil
}

var messageFields = append(schema.Must(schema.Typed(schema.String, "content")), schema.NotNull(
	schema.Typed(schema.String, "content_type", "uri", "call_id"), schema.Typed(schema.Object, "headers"))...)

// message sends a text, within the call or to anybody.
func (h *handle) message(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	kind, list, uri := r.Body.Str("content_type"), headers(r.Body, "headers"), r.Body.Str("uri")
	if kind == "" {
		kind = "text/plain"
	}
	id := ""
	if uri == "" {
		if !h.established() && h.status() != "inviting" {
			return kit.Response{}, notInCall()
		}
		if fault := h.call.Message(kind, r.Body.Str("content"), list); fault != nil {
			return kit.Response{}, failure(fault, "")
		}
		id = h.call.ID()
	} else {
		switch {
		case !h.usable():
			return kit.Fail(errWrongState, "Wrong state (register first)")
		case !ua.Valid(uri, false):
			return kit.Fail(errAddress, "Invalid user address %s", uri)
		}
		var fault error
		id, fault = h.account.Message(ua.MessageConfig{URI: uri, Type: kind, Body: r.Body.Str("content"), Headers: list, CallID: r.Body.Str("call_id")})
		if fault != nil {
			return kit.Response{}, failure(fault, uri)
		}
	}
	writeEvent(w, "messagesent", func(w *json.Writer) { w.Str("call_id", id) })
	return kit.Response{}, nil
}

var subscribeFields = append(schema.Must(schema.Typed(schema.String, "event")), schema.NotNull(
	schema.Typed(schema.String, "to", "accept", "call_id", "content", "content_type"),
	schema.Typed(schema.Int, "subscribe_ttl"), schema.Typed(schema.Object, "headers"))...)

// subscribe asks for the news of something.
func (h *handle) subscribe(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	body := r.Body
	to, id := body.Str("to"), body.Str("call_id")
	switch {
	case !h.usable():
		return kit.Fail(errWrongState, "Wrong state (not registered)")
	case to != "" && !ua.Valid(to, false):
		return kit.Fail(errAddress, "Invalid user address %s", to)
	}
	cfg := ua.SubscribeConfig{Event: body.Str("event"), To: to, Accept: body.Str("accept"), CallID: id, Headers: headers(body, "headers")}
	if n := body.Num("subscribe_ttl"); n > 0 {
		cfg.TTL = time.Duration(min(n, maxTTL)) * time.Second
	}
	if kind := body.Str("content_type"); kind != "" && body.Has("content") {
		cfg.Type, cfg.Body = kind, body.Str("content")
	}
	if _, fault := h.account.Subscribe(cfg); fault != nil {
		return kit.Response{}, failure(fault, to)
	}
	writeEvent(w, "subscribing", func(w *json.Writer) { w.OptStr("call_id", id) })
	return kit.Response{}, nil
}

// unsubscribe asks for no more of them.
func (h *handle) unsubscribe(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if h.account == nil || h.account.Unsubscribe(r.Body.Str("event"), r.Body.Str("to")) != nil {
		return kit.Fail(errWrongState, "Wrong state (not subscribed)")
	}
	writeEvent(w, "unsubscribing", nil)
	return kit.Response{}, nil
}

// got reports a text or an INFO request.
func (h *handle) got(event string, x ua.Content) {
	h.tell(event, func(w *json.Writer) {
		w.Str("sender", x.From)
		w.OptStr("displayname", display(x.DisplayName))
		if event == "info" {
			w.Str("type", x.Type)
		}
		w.Str("content", x.Body)
		h.writeHeaders(w, x.Headers)
		if event == "message" {
			w.Str("content_type", x.Type)
		}
	})
}

// delivered reports the outcome of a text.
func (h *handle) delivered(x ua.Result) {
	transaction := ""
	if h.call != nil {
		transaction = h.call.transaction
	}
	h.of(transaction, x.CallID, "messagedelivery", func(w *json.Writer) {
		w.Int("code", int64(x.Code))
		w.Str("reason", x.Reason)
	})
}

// notified reports news.
func (h *handle) notified(x ua.Notification) {
	h.of("", x.CallID, "notify", func(w *json.Writer) {
		w.Str("notify", x.Event)
		w.OptStr("substate", x.SubState)
		w.OptStr("content-type", x.Type)
		w.Str("content", x.Body)
		h.writeHeaders(w, x.Headers)
	})
}

// subscribed reports the outcome of a subscription.
func (h *handle) subscribed(x ua.Subscribed) {
	event := "subscribe_failed"
	if x.OK {
		event = "subscribe_succeeded"
	}
	h.of("", x.CallID, event, func(w *json.Writer) {
		w.Int("code", int64(x.Code))
		h.writeHeaders(w, x.Headers)
		if x.OK {
			w.Int("expires", int64(x.Expires/time.Second))
		}
		w.Str("reason", x.Reason)
	})
}

// of tells the client something that has a Call-ID of its own.
func (h *handle) of(transaction, callID, event string, fields func(w *json.Writer)) {
	h.Host.Push(transaction, json.Object(func(w *json.Writer) {
		writeEvent(w, event, fields)
		w.Str("call_id", callID)
	}), nil)
}

// trace informs event handlers of a message.
func (h *handle) trace(out bool, message string) {
	event := "sip-in"
	if out {
		event = "sip-out"
	}
	h.notify(event, func(w *json.Writer) { w.Str("sip", string(bytes.ToValidUTF8([]byte(message), []byte("?")))) })
}
