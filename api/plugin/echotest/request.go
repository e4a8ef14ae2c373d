package echotest

import (
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// Error codes.
const (
	errNoMessage      = 411
	errInvalidElement = 413
	errInvalidSDP     = 414
)

var table = kit.Table[*handle]{
	Key: "echotest", Hint: "I'm taking my time!",
	Codes: kit.Codes{Missing: errNoMessage, Invalid: errInvalidElement, Unknown: errInvalidElement, BadSDP: errInvalidSDP},
	Rows: []kit.Row[*handle]{{
		Async: true,
		Fields: []schema.Field{
			{Name: "audio", Type: schema.Bool},
			{Name: "video", Type: schema.Bool},
			{Name: "audiocodec", Type: schema.String},
			{Name: "videocodec", Type: schema.String},
			{Name: "videoprofile", Type: schema.String},
			{Name: "opusred", Type: schema.Bool},
			{Name: "bitrate", Type: schema.Uint},
			{Name: "substream", Type: schema.Uint},
			{Name: "temporal", Type: schema.Uint},
			{Name: "fallback", Type: schema.Uint},
			{Name: "svc", Type: schema.Bool},
			{Name: "spatial_layer", Type: schema.Uint},
			{Name: "temporal_layer", Type: schema.Uint},
			{Name: "record", Type: schema.Bool},
			{Name: "filename", Type: schema.String},
			{Name: "min_delay", Type: schema.Int},
			{Name: "max_delay", Type: schema.Int},
		},
		Run: (*handle).run,
	}},
}

// usable are the fields of which a request without SDP needs one.
var usable = []string{"audio", "video", "videocodec", "videoprofile", "opusred", "bitrate", "substream", "temporal",
	"fallback", "spatial_layer", "temporal_layer", "record", "min_delay", "max_delay"}

var layerFields = []string{"substream", "temporal", "spatial_layer", "temporal_layer"}

// run does a request: settings first, then the SDP.
func (h *handle) run(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if err := check(r); err != nil {
		return kit.Response{}, err
	}
	before := h.settings
	h.mu.Lock()
	h.settings.set(r.Body)
	h.mu.Unlock()
	var answer *plugin.JSEP
	if r.JSEP != nil {
		answer = h.answer(r)
	}
	h.apply(r.Body, &before)
	h.notify()
	w.Str("echotest", "event")
	w.Str("result", "ok")
	resp := kit.Response{JSEP: answer}
	if answer != nil {
		resp.After = h.subscribe
	}
	return resp, nil
}

// check looks at what the table's types do not tell.
func check(r *kit.Request) *schema.Error {
	for _, name := range layerFields {
		if n, ok := r.Body.Number(name); ok && n > 2 {
			return &schema.Error{Code: errInvalidElement, Text: "Invalid value (" + name + " should be 0, 1 or 2)"}
		}
	}
	if r.Body.Is("record") {
		return &schema.Error{Code: errInvalidElement, Text: "Recording is not available in this build"}
	}
	if r.JSEP != nil {
		return nil
	}
	for _, name := range usable {
		if r.Body.Has(name) {
			return nil
		}
	}
	return &schema.Error{Code: errInvalidElement, Text: "Message error: no supported attributes found"}
}

// set takes over what a request says.
func (s *settings) set(body kit.Args) {
	if on, ok := body.Flag("audio"); ok {
		s.audio = on
	}
	if on, ok := body.Flag("video"); ok {
		s.video = on
	}
	if n, ok := body.Number("bitrate"); ok {
		s.bitrate = uint64(n)
	}
	if n, ok := body.Number("fallback"); ok {
		s.fallback = n
	}
	setLayer(&s.target.Substream, body, "substream")
	setLayer(&s.target.Spatial, body, "spatial_layer")
	setLayer(&s.target.Temporal, body, "temporal")
	setLayer(&s.target.Temporal, body, "temporal_layer")
	if n, ok := body.Number("min_delay"); ok {
		s.setDelay(int(n), max(s.maxDelay, int(n)))
	}
	if n, ok := body.Number("max_delay"); ok {
		least := s.minDelay
		if least < 0 || int(n) < least {
			least = int(n)
		}
		s.setDelay(least, int(n))
	}
}

func setLayer(p *int8, body kit.Args, name string) {
	if n, ok := body.Number(name); ok {
		*p = int8(n)
	}
}

// setDelay sets both ends of the playout delay; a negative one takes both back.
func (s *settings) setDelay(least, most int) {
	const limit = 1<<12 - 1 // of the header extension
	if least < 0 || most < 0 {
		least, most = -1, -1
	}
	s.minDelay, s.maxDelay = min(least, limit), min(most, limit)
}

// apply brings new settings to the peer connection.
func (h *handle) apply(body kit.Args, before *settings) {
	peer := h.host.Peer()
	if peer == nil {
		return
	}
	s := &h.settings
	if body.Has("bitrate") {
		peer.SetBitrateCap(s.bitrate)
	}
	for i := range h.sections {
		if h.sections[i].subscribed {
			peer.SetPaused(i, h.paused(i))
		}
	}
	if s.video && !before.video {
		h.requestKeyframes(peer)
	}
	if s.minDelay != before.minDelay || s.maxDelay != before.maxDelay {
		h.delay(peer)
	}
	h.retarget(peer, body)
}

func (h *handle) paused(i int) bool {
	if h.sections[i].kind == sdp.Video {
		return !h.settings.video
	}
	return !h.settings.audio
}

func (h *handle) requestKeyframes(peer *sfu.Peer) {
	for i := range h.sections {
		if h.sections[i].subscribed && h.sections[i].kind == sdp.Video {
			peer.RequestKeyframe(i)
		}
	}
}

func (h *handle) delay(peer *sfu.Peer) {
	for i := range h.sections {
		if h.sections[i].subscribed && h.sections[i].kind == sdp.Video {
			peer.SetPlayoutDelay(i, h.settings.minDelay, h.settings.maxDelay)
		}
	}
}

// retarget brings new layer targets to the layered sections. The client hears
// at once of a layer that it has already.
func (h *handle) retarget(peer *sfu.Peer, body kit.Args) {
	s := &h.settings
	asked, keyframe := false, false
	for _, name := range append(layerFields, "fallback") {
		asked = asked || body.Has(name)
	}
	if !asked || s.layered == single {
		return
	}
	for i := range h.sections {
		if h.sections[i].subscribed && h.sections[i].layered != single {
			peer.SetTarget(i, h.target(i), h.fallback())
		}
	}
	have := map[string]int8{"substream": s.current.Substream, "temporal": s.current.Temporal}
	if s.layered == svc {
		have = map[string]int8{"spatial_layer": s.current.Spatial, "temporal_layer": s.current.Temporal}
	}
	for _, name := range layerFields {
		wanted, ok := body.Number(name)
		current, known := have[name]
		switch {
		case !ok || !known:
		case int64(current) == wanted:
			h.push(func(w *json.Writer) {
				w.Str("videocodec", s.videoCodec)
				w.Int(name, wanted)
			})
		default:
			keyframe = true
		}
	}
	if keyframe {
		h.requestKeyframes(peer)
	}
}

// target is the layer target of a section; what is not layered has none.
func (h *handle) target(i int) media.Layer {
	t := h.settings.target
	switch h.sections[i].layered {
	case simulcast:
		return media.Layer{Substream: t.Substream, Spatial: -1, Temporal: t.Temporal}
	case svc:
		return media.Layer{Substream: -1, Spatial: t.Spatial, Temporal: t.Temporal}
	}
	return media.NoLayer
}

func (h *handle) fallback() time.Duration {
	return time.Duration(h.settings.fallback) * time.Microsecond
}
