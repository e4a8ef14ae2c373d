package script

import (
	"slices"
	"time"

	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
)

// relaying is a session's recipients and input. Media that the script does not want to see
// goes by subscriptions of the engine, past the script.
type relaying struct {
	up    bool // the peer connection is established
	ready bool // so are its data channels

	accepts, sends [3]bool // by medium: it may get it, its own is forwarded
	recipients     map[*handle]struct{}
	senders        []*handle // whose recipient it is, the last one added last

	bitrate uint64        // bit/s, 0 = no limit
	period  time.Duration // of requests for key frames, 0 = none
	layers  mline.Layers
	outs    [2]mline.Output // of audio and video
}

// place is where a kind of media is among others.
func place(k sdp.Kind) int {
	switch k {
	case sdp.Audio:
		return 0
	case sdp.Video:
		return 1
	}
	return 2
}

// kinds are the media that go by subscriptions.
var kinds = [2]sdp.Kind{sdp.Audio, sdp.Video}

// configure lets a medium reach a session, or pass on from it.
func (h *handle) configure(k sdp.Kind, in, on bool) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if in {
		h.relaying.accepts[place(k)] = on
		h.sync()
		return
	}
	h.relaying.sends[place(k)] = on
	h.syncRecipients()
}

// addRecipient forwards the media of a session to another one, or to itself.
func (h *handle) addRecipient(to *handle) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if h.IsDetached() || to.IsDetached() {
		return
	}
	if _, ok := h.recipients[to]; ok {
		return
	}
	if h.recipients == nil {
		h.recipients = make(map[*handle]struct{})
	}
	h.recipients[to] = struct{}{}
	to.senders = append(to.senders, h)
	to.sync()
}

// removeRecipient takes that back.
func (h *handle) removeRecipient(to *handle) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	h.drop(to)
}

// drop is removeRecipient. The caller holds the lock, here and below.
func (h *handle) drop(to *handle) {
	if _, ok := h.recipients[to]; !ok {
		return
	}
	delete(h.recipients, to)
	to.senders = slices.DeleteFunc(to.senders, func(s *handle) bool { return s == h })
	to.sync()
}

func (h *handle) dropRecipients() {
	for to := range h.recipients {
		h.drop(to)
	}
}

func (h *handle) syncRecipients() {
	for to := range h.recipients {
		to.sync()
	}
}

// sync gives the engine the state of the media to a session, and of the packets from it
// that the script wants to see.
func (h *handle) sync() {
	peer := h.Host.Peer()
	if peer == nil {
		return
	}
	for n, k := range kinds {
		out := &h.outs[n]
		i := h.find(k, (*section).accepting)
		if i != out.Section {
			out.Sync(peer, mline.Input{}, false, &h.layers, mline.NoDelay)
			*out = mline.Output{Section: max(i, 0)}
		}
		if i < 0 {
			continue
		}
		from, held := h.input(n, k)
		out.Sync(peer, from, held, &h.layers, mline.NoDelay)
	}
	h.syncTaps(peer)
	h.syncRecordings()
}

// input is the source of the media of a kind for a session: the feed of the script, or
// of those whose recipient it is, the last one added that sends any.
func (h *handle) input(n int, k sdp.Kind) (from mline.Input, held bool) {
	if f := h.feeds[n]; f != nil {
		return mline.Input{Origin: f.source}, false
	}
	if h.run.has[cbIncomingRTP] {
		return mline.Input{}, true
	}
	held = true
	for _, s := range slices.Backward(h.senders) {
		peer := s.Host.Peer()
		i := s.find(k, (*section).sending)
		if peer == nil || i < 0 || from.Origin != nil && !s.relaying.sends[n] {
			continue
		}
		from = mline.Input{Origin: peer, Section: i, Layering: s.sections[i].layering}
		if s.relaying.sends[n] {
			held = false
			break
		}
	}
	return from, held || !h.relaying.accepts[n]
}

// mediaUp applies the settings made before there was a connection.
func (h *handle) mediaUp() {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	h.up = true
	if peer := h.Host.Peer(); peer != nil {
		peer.SetBitrateCap(h.bitrate)
		peer.SetKeyframePeriod(h.period)
		mline.Estimation{}.Tell(peer, true, 0)
	}
	h.sync()
	h.syncRecipients()
}

// mediaDown goes back to how everything starts.
func (h *handle) mediaDown() {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	h.dropRecipients()
	h.closeTaps()
	h.closeFeeds()
	senders := h.senders
	h.relaying = relaying{layers: mline.NewLayers(), senders: senders}
	h.negotiation = negotiation{}
}

// setBitrate limits the client's bitrate.
func (h *handle) setBitrate(bps int64) error {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	h.bitrate = uint64(max(bps, 0))
	if peer := h.Host.Peer(); peer != nil {
		peer.SetBitrateCap(h.bitrate)
	}
	return nil
}

// setKeyframePeriod asks the client for key frames now and then.
func (h *handle) setKeyframePeriod(seconds int64) error {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	h.period = time.Duration(min(max(seconds, 0), 86400)) * time.Second
	if peer := h.Host.Peer(); peer != nil {
		peer.SetKeyframePeriod(h.period)
	}
	return nil
}

func (h *handle) setSubstream(n int64) error { return h.retarget(n, -1) }

func (h *handle) setTemporal(n int64) error { return h.retarget(-1, n) }

// retarget chooses the layers that a session gets; values out of bounds change nothing.
func (h *handle) retarget(substream, temporal int64) error {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	h.layers.WantSimulcast(substream, temporal)
	h.outs[1].Retarget(h.Host.Peer(), &h.layers)
	return nil
}

// requestKeyframe asks the client for key frames.
func (h *handle) requestKeyframe() error {
	if peer := h.Host.Peer(); peer != nil {
		peer.RequestKeyframe(-1)
	}
	return nil
}

// layerChanged tells the script which layers a session gets.
func (h *handle) layerChanged(e sfu.Event) {
	h.plugin.mu.Lock()
	before := h.layers.Current
	h.layers.Current = e.Layer
	simulcast := e.Section == h.outs[1].Section && h.outs[1].Input().Layering == mline.Simulcast
	h.plugin.mu.Unlock()
	if !simulcast {
		return
	}
	if n := e.Layer.Encoding; n >= 0 && n != before.Encoding {
		h.tell(cbSubstreamChanged, float64(n))
	}
	if n := e.Layer.Temporal; n >= 0 && n != before.Temporal {
		h.tell(cbTemporalLayerChanged, float64(n))
	}
}

// DataReady lets the script send.
func (h *handle) DataReady() {
	h.plugin.mu.Lock()
	h.ready = true
	h.plugin.mu.Unlock()
	h.tell(cbDataReady)
}

// Data goes to the script, or if that does not want it to the recipients.
func (h *handle) Data(label, protocol string, binary bool, payload []byte) {
	h.recordings.Message(int(sdp.Application), binary, payload)
	c := cbIncomingBinaryData
	if !binary {
		if c = cbIncomingTextData; !h.run.has[c] {
			c = cbIncomingData
		}
	}
	if h.run.has[c] {
		text := string(payload)
		h.plugin.ask(patience, func(*run) {
			_, _ = h.run.call(c, float64(h.id), Bytes{Data: text, Binary: binary}, float64(len(text)), label, protocol)
		})
		return
	}
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if !h.relaying.sends[place(sdp.Application)] {
		return
	}
	for to := range h.recipients {
		if to.ready && to.relaying.accepts[place(sdp.Application)] {
			h.plugin.SendData(to.Host.Peer(), kit.Message{Label: kit.DataLabel, Binary: binary, Payload: payload})
		}
	}
}

// Bytes is a string for a script with data of a client: text, or bytes without any
// meaning.
type Bytes struct {
	Data   string
	Binary bool
}

func (c *Call) relayText() (Value, error) { return c.relayData(false) }

func (c *Call) relayBinary() (Value, error) { return c.relayData(true) }

func (c *Call) relayData(binary bool) (Value, error) {
	h, err := c.session(0)
	if err != nil {
		return nil, err
	}
	payload, err := c.buffer(1, 2)
	if err != nil {
		return nil, err
	}
	m := kit.Message{Label: kit.DataLabel, Protocol: c.text(4), Binary: binary, Payload: payload}
	if c.text(3) != "" {
		m.Label = c.text(3)
	}
	return done, h.sendData(m)
}

func (h *handle) sendData(m kit.Message) error {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	peer := h.Host.Peer()
	if peer == nil || !h.ready {
		return errNotReady
	}
	return peer.SendData(m.Label, m.Protocol, m.Binary, m.Payload)
}

var _ plugin.DataReader = (*handle)(nil)
