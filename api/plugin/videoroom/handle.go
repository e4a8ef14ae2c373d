package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/sfu"
)

// Message takes a request.
func (h *handle) Message(r *plugin.Request) plugin.Result {
	return h.plugin.table.Message(h.Host, h, r)
}

// Establish prepares the role for those who act as soon as the client hears that
// its peer connection is up.
func (h *handle) Establish() {
	h.is().establish()
}

// Up tells the role that media may flow.
func (h *handle) Up() {
	h.PeerChanged()
	h.is().connected()
}

// Event passes an event of the peer connection on.
func (h *handle) Event(e sfu.Event) {
	h.is().event(e)
}

// Data passes a data channel message on.
func (h *handle) Data(label, _ string, binary bool, payload []byte) {
	h.is().data(label, binary, payload)
}

// DataReady tells the role that data channels are writable.
func (h *handle) DataReady() {
	h.is().dataReady()
}

// Hangup tells the role that the peer connection is gone.
func (h *handle) Hangup(reason string) {
	h.PeerChanged()
	h.is().hangup(reason)
}

// Detach is the end.
func (h *handle) Detach() {
	h.Detached()
	h.is().detach()
}

// Query writes plugin_specific.
func (h *handle) Query(w *json.Writer) {
	h.is().query(w)
	h.WriteState(w)
}

// nobody is the role before joining; roles embed it for what they do not care about.
type nobody struct{}

func (nobody) establish()                {}
func (nobody) connected()                {}
func (nobody) event(sfu.Event)           {}
func (nobody) data(string, bool, []byte) {}
func (nobody) dataReady()                {}
func (nobody) hangup(string)             {}
func (nobody) detach()                   {}
func (nobody) query(*json.Writer)        {}

// A participant without a handle hears of nothing.

// push sends an event without description that answers no request. The fields
// go after "videoroom": kind.
func (h *handle) push(kind string, fields func(w *json.Writer)) {
	if h == nil {
		return
	}
	h.Host.Push("", event(kind, fields), nil)
}

// event is the data of an event.
func event(kind string, fields func(w *json.Writer)) []byte {
	return object(func(w *json.Writer) {
		w.Str("videoroom", kind)
		fields(w)
	})
}

// notify sends an event about the handle to the event handlers. The fields go
// after "event": name.
func (h *handle) notify(name string, fields func(w *json.Writer)) {
	if h != nil {
		h.plugin.events.Notify(h.Host, func(w *json.Writer) {
			w.Str("event", name)
			fields(w)
		})
	}
}

// notifyRaw sends an event that is complete to the event handlers.
func (h *handle) notifyRaw(data []byte) {
	if h != nil && h.plugin.events.Wanted() {
		h.Host.Notify(data)
	}
}
