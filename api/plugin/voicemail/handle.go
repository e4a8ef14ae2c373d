package voicemail

import (
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/rtp/mono"
	"bifrons/sfu"
)

// handle is one client, which leaves one message. All but Query runs on its executor.
type handle struct {
	kit.Handle
	plugin *Plugin
	id     string // of the file

	section int // that the client speaks in, -1 = none
	last    *take
	over    bool // the message is there, or will be; nothing follows

	mu   sync.Mutex
	take *take // the current one, nil = none. Changed by the executor, under mu
}

// take is one recording.
type take struct {
	file        *sfu.Recording
	begun       mono.Time
	since       atomic.Pointer[time.Time] // when the connection came up, nil = it has not
	transaction string                    // of the request that has stopped it
}

// path is that of the file.
func (h *handle) path() string { return filepath.Join(h.plugin.folder, name(h.id)) }

// Message takes a request.
func (h *handle) Message(r *plugin.Request) plugin.Result { return table.Message(h.Host, h, r) }

// open begins a recording. connect says where its packets come from.
func (h *handle) open() error {
	if !h.settled() {
		return errors.New("the message before is still being written")
	}
	t := &take{begun: mono.Now()}
	owner := recording.Owner{Events: &h.plugin.Events, Host: h.Host}
	file, err := h.plugin.Gateway.Engine().Record(sfu.RecordConfig{
		Path:    h.path(),
		Format:  &limited{RecordFormat: sfu.OpusFormat("bifrons"), handle: h, take: t},
		Tracks:  []sfu.RecordTrack{{ClockRate: 48000}},
		Trouble: owner.Tell,
		Ended:   func() { h.Host.Run(func() { h.ended(t) }) },
	})
	if err != nil {
		return err
	}
	t.file = file
	if h.Host.Up() {
		t.started()
	}
	h.setTake(t)
	return nil
}

// settled waits until the recording before has ended, which has the same name.
func (h *handle) settled() bool {
	if h.last == nil {
		return true
	}
	limit := time.NewTimer(maxSettling)
	defer limit.Stop()
	select {
	case <-h.last.file.Done():
		return true
	case <-limit.C:
		return false
	}
}

// maxSettling is how long that may take.
const maxSettling = 5 * time.Second

func (h *handle) setTake(t *take) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.take = t
}

// started begins to count the time of a message.
func (t *take) started() {
	now := time.Now()
	t.since.CompareAndSwap(nil, &now)
}

// connect has the client's audio recorded.
func (h *handle) connect() {
	peer := h.Host.Peer()
	switch {
	case h.take == nil || h.section < 0:
	case peer != nil:
		h.take.file.SetOrigin(0, peer, h.section)
	case !h.Host.Up(): // the answer was of no use
		h.section = -1
		h.close()
	}
}

// close ends the recording.
func (h *handle) close() {
	if h.take != nil {
		h.take.file.Close()
		h.last = h.take
		h.setTake(nil)
	}
}

// stop ends the message; the client hears of it when the file is whole.
func (h *handle) stop(transaction string) {
	if h.over {
		return
	}
	h.over = true
	if h.take == nil {
		h.done(transaction)
		return
	}
	h.take.transaction = transaction
	h.close()
}

// ended follows the end of a file.
func (h *handle) ended(t *take) {
	if h.over && h.last == t {
		h.done(t.transaction)
	}
}

// done tells the client where the message is, and lets it go.
func (h *handle) done(transaction string) {
	h.Host.Push(transaction, json.Object(func(w *json.Writer) {
		status(w, "done")
		w.Str("recording", h.plugin.base+"/"+name(h.id))
	}), nil)
	h.notify("done")
	h.Host.End()
}

func status(w *json.Writer, text string) {
	w.Str("voicemail", "event")
	w.Str("status", text)
}

func (h *handle) notify(event string) {
	h.plugin.Events.Notify(h.Host, func(w *json.Writer) { w.Str("event", event) })
}

// Establish tells the client that it is recorded from now on.
func (h *handle) Establish() {
	h.PeerChanged()
	if h.take == nil {
		return
	}
	h.take.started()
	h.Host.Push("", json.Object(func(w *json.Writer) { status(w, "started") }), nil)
}

// Hangup ends the recording.
func (h *handle) Hangup(string) {
	h.PeerChanged()
	h.section = -1
	h.close()
}

// Detach is the end.
func (h *handle) Detach() {
	h.Detached()
	h.close()
}

// Query writes plugin_specific.
func (h *handle) Query(w *json.Writer) {
	h.mu.Lock()
	t := h.take
	h.mu.Unlock()
	if t == nil {
		w.Str("state", "idle")
	} else {
		w.Str("state", "recording")
		w.Raw("id", []byte(h.id))
		w.Int("start_time", int64(t.begun)/int64(time.Microsecond))
		w.Str("filename", h.path())
	}
	h.WriteState(w)
}

// limited is a format whose take is stopped by the first packet after its time.
type limited struct {
	sfu.RecordFormat
	handle *handle
	take   *take
	full   bool
}

// Packet implements sfu.RecordFormat.
func (l *limited) Packet(dst []byte, p *sfu.RecordPacket) []byte {
	if since := l.take.since.Load(); !l.full && since != nil && time.Since(*since) >= l.handle.plugin.longest {
		l.full = true
		l.handle.Host.Run(func() {
			if l.handle.take == l.take {
				l.handle.stop("")
			}
		})
	}
	if l.full {
		return dst
	}
	return l.RecordFormat.Packet(dst, p)
}
