// Package echotest is the plugin that sends clients their own media back.
package echotest

import (
	"sync"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/kit/recording"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// Package is the name that clients attach to.
const Package = "janus.plugin.echotest"

// prefix is put before text that is echoed on a data channel.
const prefix = "Janus EchoTest here! You wrote: "

// Plugin is the EchoTest plugin.
type Plugin struct{ kit.Plugin[*handle] }

// New makes the plugin, with a folder where janus.plugin.echotest.jcfg is.
func New(folder string) *Plugin {
	p := &Plugin{}
	p.File = kit.File{Folder: folder, Package: Package, General: p.Events.General}
	p.NewHandle = p.newHandle
	return p
}

// Info describes the plugin.
func (p *Plugin) Info() module.Info {
	return module.Info{
		Package: Package, Name: "JANUS EchoTest plugin", Author: module.Author,
		Description:   "This is a trivial EchoTest plugin for Janus, just used to showcase the plugin interface.",
		VersionString: "0.0.7", Version: 7,
	}
}

// Admin answers with the request.
func (p *Plugin) Admin(request *json.Value) ([]byte, error) {
	w := json.NewWriter(nil)
	w.Value("", request)
	return w.Bytes(), nil
}

func (p *Plugin) newHandle(host plugin.Host) *handle {
	h := &handle{Handle: kit.Handle{Host: host}, plugin: p}
	h.reset()
	return h
}

// handle is one client's echo. The executor changes it; mu is for those who
// look at it from elsewhere.
type handle struct {
	kit.Handle
	plugin *Plugin

	mu       sync.Mutex
	settings settings
	sections []section
	slow     int // slow links so far

	recordings recording.Set // by sdp.Kind
}

// settings are what a client can set, and state that lasts until hangup.
type settings struct {
	sending mline.Sending
	layers  mline.Layers
	delay   mline.Delay

	estimation mline.Estimation

	codecs        mline.Codecs
	layered       mline.Layering
	total         media.Layer // of the video that the client sends
	remoteBitrate uint64
	e2ee          bool

	recording string // prefix of the names of recordings, "" = nothing is to be recorded
	format    string // of recordings, as requests have it
}

// section is one m-line of the client's.
type section struct {
	kind    sdp.Kind
	medium  *recording.Medium // media from the client, nil = none that can be recorded
	active  bool              // media flows in both directions
	layered mline.Layering
	out     mline.Output
}

// reset goes back to how everything starts.
func (h *handle) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settings = settings{sending: mline.NewSending(), layers: mline.NewLayers(), delay: mline.NoDelay}
	h.sections = nil
}

// Message takes a message; there is one request, and it has no name.
func (h *handle) Message(r *plugin.Request) plugin.Result {
	return table.Async(h.Host, h, r, &table.Rows[0])
}

// Up starts the limit and the first picture.
func (h *handle) Up() {
	if peer := h.Host.Peer(); peer != nil {
		peer.SetBitrateCap(h.settings.sending.Bitrate)
		h.settings.estimation.Tell(peer, true, 0)
		peer.RequestKeyframe(-1)
	}
}

// Data sends a message back.
func (h *handle) Data(label, protocol string, binary bool, payload []byte) {
	h.recordings.Message(int(sdp.Application), binary, payload)
	if !binary {
		payload = append([]byte(prefix), payload...)
	}
	h.plugin.SendData(h.Host.Peer(), kit.Message{Label: label, Protocol: protocol, Binary: binary, Payload: payload})
}

// Hangup forgets everything.
func (h *handle) Hangup(string) {
	h.recordings.StopAll(nil)
	h.reset()
	h.push(func(w *json.Writer) { w.Str("result", "done") })
}

// Detach is the end.
func (h *handle) Detach() {
	h.recordings.StopAll(nil)
	h.Detached()
}

// Event handles the events of the media engine.
func (h *handle) Event(e sfu.Event) {
	switch e.Kind {
	case sfu.EventBitrate:
		h.mu.Lock()
		h.settings.remoteBitrate = e.Bitrate
		h.mu.Unlock()
	case sfu.EventSlowLink:
		h.slowLink(e)
	case sfu.EventLayer:
		h.layer(e)
	case sfu.EventPaused:
		h.push(func(w *json.Writer) { mline.WritePaused(w, e.Paused) })
	}
}

func (h *handle) slowLink(e sfu.Event) {
	h.mu.Lock()
	h.slow++
	s := h.settings
	video := e.Section < len(h.sections) && h.sections[e.Section].kind == sdp.Video
	h.mu.Unlock()
	if e.Uplink {
		return
	}
	h.push(func(w *json.Writer) { kit.WriteSlowLink(w, video, s.sending.Bitrate) })
}

// layer tells the client which layer it gets back.
func (h *handle) layer(e sfu.Event) {
	h.mu.Lock()
	h.settings.layers.Current, h.settings.total = e.Layer, e.Layers
	s := h.settings
	h.mu.Unlock()
	if s.layered == mline.Single {
		return
	}
	h.push(func(w *json.Writer) {
		w.Str("videocodec", s.codecs.Video)
		if s.layered == mline.Simulcast {
			optLayer(w, "substream", e.Layer.Encoding)
			optLayer(w, "temporal", e.Layer.Temporal)
		} else {
			optLayer(w, "spatial_layer", e.Layer.Spatial)
			optLayer(w, "temporal_layer", e.Layer.Temporal)
			optTotal(w, "tot_spatial_layers", s.total.Spatial)
		}
		optTotal(w, "tot_temporal_layers", s.total.Temporal)
	})
}

func optLayer(w *json.Writer, key string, n int8) {
	if n >= 0 {
		w.Int(key, int64(n))
	}
}

func optTotal(w *json.Writer, key string, n int8) {
	if n > 0 {
		w.Int(key, int64(n))
	}
}

// push sends an event of the plugin's own.
func (h *handle) push(fields func(w *json.Writer)) {
	w := json.NewWriter(nil)
	w.Object("")
	w.Str("echotest", "event")
	fields(w)
	w.End()
	h.Host.Push("", w.Bytes(), nil)
}

// notify informs the event handlers of the settings of the echo.
func (h *handle) notify() {
	if !h.plugin.Events.Wanted() {
		return
	}
	s := &h.settings
	w := json.NewWriter(nil)
	w.Object("")
	s.sending.Write(w, mline.Codecs{})
	if s.layered == mline.Simulcast {
		w.Object("simulcast")
		w.Int("substream", int64(s.layers.Current.Encoding))
		w.Int("temporal-layer", int64(s.layers.Current.Temporal))
		w.End()
	}
	h.recordings.Write(w)
	w.End()
	h.Host.Notify(w.Bytes())
}

// Query writes plugin_specific.
func (h *handle) Query(w *json.Writer) {
	h.mu.Lock()
	s, slow := h.settings, h.slow
	h.mu.Unlock()
	s.sending.Write(w, s.codecs)
	w.Uint("peer-bitrate", s.remoteBitrate)
	switch s.layered {
	case mline.Simulcast:
		w.Bool("simulcast", true)
	case mline.SVC:
		w.Bool("svc", true)
	}
	s.layers.WriteFlat(w, s.layered)
	h.recordings.Write(w)
	if s.e2ee {
		w.Bool("e2ee", true)
	}
	w.Int("slowlink_count", int64(slow))
	h.WriteState(w)
}
