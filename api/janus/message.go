package janus

import (
	"runtime/debug"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/api/schema"
)

// message passes a message to its handle. The messages of one handle are
// taken in order; the request is released when it is done.
func (c *Core) message(q *query) {
	if !q.handle.inbox.Do(func() { q.handle.take(q) }) {
		q.fail(ErrUnknown, "Too many messages are waiting")
		q.Release()
	}
}

var messageFields = []schema.Field{{Name: "body", Type: schema.Object, Required: true}}

// take runs a message up to its immediate answer.
func (h *Handle) take(q *query) {
	answered := false
	defer func() {
		if r := recover(); r != nil {
			h.log.Error("panic in a plugin", "plugin", h.pkg, "panic", r, "stack", string(debug.Stack()))
			if !answered {
				q.fail(ErrPluginMessage, "Plugin returned a severe (unknown) error")
				q.Release()
			}
		}
	}()
	later := h.answer(q, func(msg []byte) {
		answered = true
		q.reply(msg)
	})
	if !later {
		answered = true
		q.Release()
	}
}

// answer replies to a message; true if the request is still needed, because
// it was only acknowledged.
func (h *Handle) answer(q *query, reply func([]byte)) bool {
	if h.gone.Load() {
		reply(q.Fail(ErrPluginMessage, "No plugin to handle this message"))
		return false
	}
	if err := schema.Check(messageFields, q.Root, int(ErrMissingElement), int(ErrInvalidType)); err != nil {
		reply(q.Fail(Code(err.Code), err.Text))
		return false
	}
	r := &plugin.Request{Transaction: q.Transaction, Body: q.Root.Get("body")}
	if q.Root.Has("jsep") {
		j, err := h.takeJSEP(q.Root.Under("jsep"))
		if err != nil {
			reply(q.Fail(err.Code, err.Reason))
			return false
		}
		r.JSEP = j
	}
	res := h.ph.Message(r)
	if r.JSEP != nil {
		defer h.endpoint.CloseUnused()
	}
	switch {
	case res.Run != nil:
		return h.acknowledge(q, res, reply)
	case res.Failure != "":
		reply(q.Fail(ErrPluginMessage, res.Failure))
	case len(res.Data) == 0:
		reply(q.Fail(ErrPluginMessage, "Plugin didn't provide any content for this synchronous response"))
	default:
		reply(q.Reply("success", func(w *json.Writer) {
			h.sender(w)
			h.plugindata(w, res.Data)
		}))
	}
	return false
}

// acknowledge sends the ack before anything that the request brings about.
func (h *Handle) acknowledge(q *query, res plugin.Result, reply func([]byte)) bool {
	acked := make(chan struct{})
	ok := h.exec.Do(func() {
		<-acked
		defer q.Release()
		if !h.gone.Load() {
			res.Run()
		}
	})
	if !ok {
		reply(q.Fail(ErrPluginMessage, "Too many requests are waiting"))
		return false
	}
	defer close(acked)
	reply(q.Reply("ack", func(w *json.Writer) { w.OptStr("hint", res.Hint) }))
	return true
}
