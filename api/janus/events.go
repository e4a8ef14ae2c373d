package janus

import (
	"time"

	"bifrons/api/json"
	"bifrons/sfu"
)

func timeoutEvent(session uint64) []byte {
	w := json.NewWriter(nil)
	w.Object("")
	w.Str("janus", "timeout")
	w.Int("session_id", int64(session))
	w.End()
	return w.Bytes()
}

// event begins an event of the handle.
func (h *Handle) event(janus, transaction string) *json.Writer {
	w := json.NewWriter(make([]byte, 0, 256))
	header(w, janus, h.session.id, transaction)
	h.sender(w)
	return w
}

func (h *Handle) sender(w *json.Writer) {
	w.Uint("sender", h.id)
	if h.core.cfg.OpaqueIDInAPI {
		w.OptStr("opaque_id", h.opaqueID)
	}
}

func (h *Handle) plugindata(w *json.Writer, data []byte) {
	w.Object("plugindata")
	w.Str("plugin", h.pkg)
	w.Raw("data", data)
	w.End()
}

// send closes an event and delivers it.
func (h *Handle) send(w *json.Writer) {
	w.End()
	h.session.outbox.put(h, Event{Head: w.Bytes()})
}

// sendPluginEvent delivers an event of the plugin. The data stays as it is and
// where it is, for others who get the same.
func (h *Handle) sendPluginEvent(transaction, topic string, data []byte, jsep func(w *json.Writer)) {
	w := json.NewWriter(make([]byte, 0, 192))
	header(w, "event", h.session.id, transaction)
	h.sender(w)
	w.Object("plugindata")
	w.Str("plugin", h.pkg)
	w.Raw("data", nil)
	e := Event{Head: w.Bytes(), Data: data, Tail: eventTail, Topic: topic, Handle: h.id}
	if jsep != nil {
		w = json.NewWriter(append(make([]byte, 0, 1024), '}'))
		w.Object("jsep")
		jsep(w)
		w.End()
		w.End()
		e.Tail = w.Bytes()
	}
	h.session.outbox.put(h, e)
}

// eventTail closes plugindata and the event.
var eventTail = []byte("}}")

func (h *Handle) sendHangup(reason string) {
	w := h.event("hangup", "")
	w.Str("reason", reason)
	h.send(w)
}

func (h *Handle) sendMedia(mid, kind string, e sfu.Event) {
	seconds := 0
	if !e.Receiving && e.Silence > time.Second {
		seconds = int(e.Silence / time.Second)
	}
	w := h.event("media", "")
	w.Str("mid", mid)
	w.Str("type", kind)
	fields := func(w *json.Writer) {
		if e.Encoding >= 0 {
			w.Int("substream", int64(e.Encoding))
		}
		w.Bool("receiving", e.Receiving)
		if seconds > 0 {
			w.Int("seconds", int64(seconds))
		}
	}
	fields(w)
	h.send(w)
	h.notify(NotifyMedia, SubMediaState, func(w *json.Writer) {
		w.Str("media", kind)
		w.Str("mid", mid)
		fields(w)
	})
}

func (h *Handle) sendSlowLink(mid, kind string, e sfu.Event) {
	w := h.event("slowlink", "")
	w.Str("mid", mid)
	w.Str("media", kind)
	w.Bool("uplink", e.Uplink)
	w.Int("lost", int64(e.Lost))
	h.send(w)
	h.notify(NotifyMedia, SubSlowLink, func(w *json.Writer) {
		w.Str("mid", mid)
		w.Str("media", kind)
		link := "downlink"
		if e.Uplink {
			link = "uplink"
		}
		w.Str("slow_link", link)
		w.Int("lost_lastsec", int64(e.Lost))
	})
}

// sendCandidate sends one local candidate by trickle, or the end of them if
// text is "".
func (h *Handle) sendCandidate(mid string, index int, text string) {
	w := h.event("trickle", "")
	w.Object("candidate")
	if text == "" {
		w.Bool("completed", true)
	} else {
		w.Str("sdpMid", mid)
		w.Int("sdpMLineIndex", int64(index))
		w.Str("candidate", "candidate:"+text)
	}
	w.End()
	h.send(w)
	if text != "" {
		h.notifyCandidate(SubLocalCandidate, "local-candidate", text)
	}
}
