package script

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
)

// handle is one session of a script. Plugin.mu guards the media, and the events
// pushed.
type handle struct {
	kit.Handle
	plugin *Plugin // fixed, like the following
	run    *run    // the script whose session it is
	id     int64

	recordings recording.Set // by sdp.Kind
	slow       atomic.Bool   // slowLink is on its way to the script

	outbox
	negotiation
	relaying
	raw
}

// event is one that a script has pushed.
type event struct {
	transaction string
	data        []byte
	jsep        *plugin.JSEP // nil = none
}

// outbox are the events of a script that were not sent yet.
type outbox struct {
	waiting   []event
	bytes     int  // of these
	answering bool // a message is at the script, whose acknowledgement goes first
}

// Message gives a message to the script and waits for its answer.
func (h *handle) Message(r *plugin.Request) plugin.Result {
	args := []Value{float64(h.id), r.Transaction, plainText(r.Body), nil}
	if r.JSEP != nil {
		args[3] = jsepText(r.JSEP)
		h.takeRemote(r.JSEP)
	}
	h.setAnswering(true)
	var o Outcome
	asked := h.plugin.ask(patience, func(*run) {
		if h.run.over.Load() {
			o.Failure = "the script has ended, attach again"
			return
		}
		o = h.plugin.lang.Outcome(h.run.call(cbHandleMessage, args...))
		if o.Wrong != nil {
			h.plugin.failed(callbacks[cbHandleMessage].name, o.Wrong)
		}
	})
	switch {
	case !asked:
		h.release()
		return plugin.Failure(ErrBusy.Error())
	case o.Failure != "":
		h.release()
		return plugin.Failure(o.Failure)
	case o.Data != "":
		h.release()
		data, err := object(o.Data)
		if err == nil {
			return plugin.Answer(data)
		}
		h.plugin.failed(callbacks[cbHandleMessage].name, err)
		if err == errNoObject {
			return plugin.Failure("Plugin returned an invalid JSON response")
		}
		return plugin.Failure(h.plugin.lang.Failure)
	}
	return plugin.Ack("", func() {
		h.setAnswering(false)
		h.flush()
	})
}

// plainText is JSON as scripts get it, with a blank behind colons and commas.
func plainText(v *json.Value) string {
	w := json.NewWriter(nil)
	w.Value("", v)
	return string(json.Relayout(nil, w.Bytes(), json.Plain))
}

func (h *handle) setAnswering(on bool) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	h.answering = on
}

// release sends the events that were pushed while a message was answered.
func (h *handle) release() {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if h.answering = false; len(h.waiting) > 0 {
		h.Host.Run(h.flush)
	}
}

// push queues an event, behind the acknowledgement of the message that is being answered.
func (h *handle) push(e event) error {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if len(h.waiting) >= maxPushes || h.bytes+len(e.data) > maxBytes {
		return errors.New("too many events wait to be sent")
	}
	h.waiting = append(h.waiting, e)
	h.bytes += len(e.data)
	if !h.answering {
		h.Host.Run(h.flush)
	}
	return nil
}

// flush sends the events that wait. It runs on the executor of the handle.
func (h *handle) flush() {
	h.plugin.mu.Lock()
	list := h.waiting
	h.waiting, h.bytes = nil, 0
	h.plugin.mu.Unlock()
	for _, e := range list {
		h.send(e)
	}
}

func (h *handle) send(e event) {
	if e.jsep == nil {
		_ = h.Host.Push(e.transaction, e.data, nil)
		return
	}
	h.completeLocal(e.jsep)
	if err := h.Host.Push(e.transaction, e.data, e.jsep); err != nil {
		h.plugin.Gateway.Logger().Warn("description of a script not sent", "plugin", h.plugin.pkg(), "handle", h.Host.HandleID(), "error", err)
		return
	}
	h.takeLocal(e.jsep)
}

// created makes the session known to the script.
func (h *handle) created() { h.tell(cbCreateSession) }

// tell calls a function of the script about the session.
func (h *handle) tell(c callback, args ...Value) {
	if h.run.has[c] {
		h.plugin.exec.Must(func() { _, _ = h.run.call(c, append([]Value{float64(h.id)}, args...)...) })
	}
}

// Up applies the settings, and tells the script.
func (h *handle) Up() {
	h.PeerChanged()
	h.mediaUp()
	h.tell(cbSetupMedia)
}

// Hangup resets everything to its start, and tells the script.
func (h *handle) Hangup(string) {
	h.PeerChanged()
	h.recordings.StopAll(nil)
	h.mediaDown()
	h.tell(cbHangupMedia)
}

// Detach is the end.
func (h *handle) Detach() {
	h.recordings.StopAll(nil)
	h.Detached()
	h.forget()
	h.tell(cbDestroySession)
}

// forget takes the session out of everything.
func (h *handle) forget() {
	p := h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sessions[h.id] == h {
		delete(p.sessions, h.id)
	}
	h.dropRecipients()
	for _, s := range h.senders {
		delete(s.recipients, h)
	}
	h.senders, h.waiting = nil, nil
}

// Event handles the events of the media engine.
func (h *handle) Event(e sfu.Event) {
	switch e.Kind {
	case sfu.EventSlowLink:
		h.slowLink(e)
	case sfu.EventLayer:
		h.layerChanged(e)
	}
}

// slowLink tells the script, unless it has not even heard of the time before.
func (h *handle) slowLink(e sfu.Event) {
	if !h.run.has[cbSlowLink] || h.slow.Swap(true) {
		return
	}
	video := h.kind(e.Section) == sdp.Video
	h.plugin.exec.Must(func() {
		h.slow.Store(false)
		_, _ = h.run.call(cbSlowLink, float64(h.id), e.Uplink, video)
	})
}

// queryPatience is how long an administrator waits for a script's description of a session.
const queryPatience = time.Second

// Query writes the script's answer about the session, if that is an object.
func (h *handle) Query(w *json.Writer) {
	var out []Value
	var err error
	if !h.plugin.ask(queryPatience, func(*run) { out, err = h.run.call(cbQuerySession, float64(h.id)) }) {
		w.Str("error", ErrBusy.Error())
		return
	}
	if err != nil {
		w.Str("error", err.Error())
		return
	}
	if data, err := object(text(out)); err == nil {
		w.Fields(data)
	}
}

// closePeer closes the peer connection.
func (h *handle) closePeer() error {
	h.ClosePeer()
	return nil
}

// end detaches the handle.
func (h *handle) end() error {
	h.Host.End()
	return nil
}

func (h *handle) String() string { return fmt.Sprint("session ", h.id) }
