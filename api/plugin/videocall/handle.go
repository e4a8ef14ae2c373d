package videocall

import (
	"sync/atomic"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
)

// handle is one client: a user, once it is registered. Plugin.mu guards what is not
// fixed.
type handle struct {
	kit.Handle
	plugin *Plugin // fixed

	name       string // "" may be one
	registered bool

	call *call // the one that it makes, is called for or is in; nil = none

	// An earlier call has to be over entirely before the client hears of
	// another one; so has its connection, see HangingUp.
	left    *call // the last one, nil once there is another
	notices int   // that are on their way
	ringing bool  // deliver is on its way

	updates []*plugin.JSEP // that are on their way

	settings
	slow int // slow links so far

	sends      []recording.Medium // in the call, the first of each kind
	recordings recording.Set      // of these, by sdp.Kind; begun by the executor

	// other is whom data goes to, nil unless the call is accepted.
	other atomic.Pointer[handle]
}

// settings are what a client can set, and the state of its connection. They last
// until hangup.
type settings struct {
	sending       mline.Sending
	layers        mline.Layers // of the other side's video
	remoteBitrate uint64
	estimation    mline.Estimation

	recording wish
}

// reset goes back to how everything starts.
func (h *handle) reset() {
	h.settings = settings{sending: mline.NewSending(), layers: mline.NewLayers()}
}

// Message takes a request.
func (h *handle) Message(r *plugin.Request) plugin.Result { return table.Message(h.Host, h, r) }

// TakesOffer reports whether the client may make an offer: not before the call's first one
// is answered, nor while a further one of the other side is not.
func (h *handle) TakesOffer() bool {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	c := h.call
	switch {
	case c == nil:
		return true
	case !c.accepted:
		return !c.knows(h)
	}
	return c.offering != c.opposite(h)
}

// Up limits the client's bitrate.
func (h *handle) Up() {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if peer := h.Host.Peer(); peer != nil {
		peer.SetBitrateCap(h.sending.Bitrate)
		h.estimation.Tell(peer, true, 0)
	}
}

// Data goes to the other side, if that has data channels by now.
func (h *handle) Data(label, protocol string, binary bool, payload []byte) {
	h.recordings.Message(int(sdp.Application), binary, payload)
	if other := h.other.Load(); other != nil {
		h.plugin.SendData(other.Host.Peer(), kit.Message{Label: label, Protocol: protocol, Binary: binary, Payload: payload})
	}
}

// Event handles the events of the media engine.
func (h *handle) Event(e sfu.Event) {
	switch e.Kind {
	case sfu.EventBitrate:
		h.plugin.mu.Lock()
		h.remoteBitrate = e.Bitrate
		h.plugin.mu.Unlock()
	case sfu.EventSlowLink:
		h.slowLink(e)
	case sfu.EventLayer:
		h.layer(e)
	case sfu.EventPaused:
		h.push(func(w *json.Writer) {
			w.Str("event", "bwe")
			mline.WritePaused(w, e.Paused)
		})
	}
}

// slowLink tells a client that its packets get lost on the way to us.
func (h *handle) slowLink(e sfu.Event) {
	h.plugin.mu.Lock()
	h.slow++
	bitrate := h.sending.Bitrate
	video := h.call.kind(e.Section) == sdp.Video
	h.plugin.mu.Unlock()
	if e.Uplink {
		return
	}
	h.push(func(w *json.Writer) { kit.WriteSlowLink(w, video, bitrate) })
}

// layer tells the client which encoding of the caller's video it gets.
func (h *handle) layer(e sfu.Event) {
	h.plugin.mu.Lock()
	codec := h.call.videoCodec()
	var news []mline.Event
	if as := h.call.layering(h, e.Section); as != mline.Single {
		news = h.layers.Changed(e.Layer, as)
	}
	h.plugin.mu.Unlock()
	h.pushLayers(codec, news)
}

func (h *handle) pushLayers(codec string, news []mline.Event) {
	for _, e := range news {
		h.push(func(w *json.Writer) {
			w.Str("event", "simulcast")
			w.OptStr("videocodec", codec)
			e.Write(w)
		})
	}
}

// push sends an event of the plugin's own.
func (h *handle) push(fields func(w *json.Writer)) { h.Host.Push("", result(fields), nil) }

// notify informs the event handlers of an event.
func (h *handle) notify(fields func(w *json.Writer)) {
	h.plugin.Events.Notify(h.Host, fields)
}

// Hangup ends the call whose connection is gone. Settings do not outlive it.
func (h *handle) Hangup(string) {
	h.recordings.StopAll(nil)
	p := h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	h.reset()
	closing := h.HangingUp()
	h.PeerChanged()
	if c := h.call; c != nil && c.knows(h) {
		c.end(h, true, reasonLost)
	} else if closing {
		h.remind(reasonLost)
	}
	h.ring()
}

// Detach is the end, also of the call whose offer has not been sent yet. The name is
// free.
func (h *handle) Detach() {
	h.recordings.StopAll(nil)
	p := h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	h.Detached()
	if p.users[h.name] == h {
		delete(p.users, h.name)
	}
	if h.call != nil {
		h.call.end(h, true, reasonLost)
	}
	h.left = nil
}

// Query writes plugin_specific.
func (h *handle) Query(w *json.Writer) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	c := h.call
	state := "idle"
	if c != nil {
		state = "incall"
	}
	w.Str("state", state)
	if h.registered {
		w.Str("username", h.name)
	}
	if c != nil {
		c.query(h, w)
	}
	h.recordings.Write(w)
	w.Bit("incall", c != nil)
	if c != nil && c.e2ee {
		w.Bool("e2ee", true)
	}
	h.WriteState(w)
}
