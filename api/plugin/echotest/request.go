package echotest

import (
	"fmt"
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
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
		Fields: slices.Concat(mline.SendingFields, []schema.Field{
			{Name: "audiocodec", Type: schema.String},
			{Name: "videocodec", Type: schema.String},
			{Name: "videoprofile", Type: schema.String},
			{Name: "opusred", Type: schema.Bool},
			{Name: "svc", Type: schema.Bool},
		}, recording.Fields, []schema.Field{{Name: "record_format", Type: schema.String}}, mline.Fields, mline.DelayFields, mline.EstimationFields),
		Run: (*handle).run,
	}},
}

// usable are the fields of which a request without SDP needs one.
var usable = []string{"audio", "video", "videocodec", "videoprofile", "opusred", "bitrate", "substream", "temporal",
	"fallback", "spatial_layer", "temporal_layer", "record", "min_delay", "max_delay", "bwe", "max_bitrate", "priority"}

// run does a request: settings first, then the SDP.
func (h *handle) run(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if err := check(r); err != nil {
		return kit.Response{}, err
	}
	before, change := h.settings, mline.Read(r.Body)
	now := before
	now.set(r.Body, change)
	h.become(now)
	if r.JSEP == nil { // with the new settings, as they decide what is held
		if err := h.record(r.Body, h.Host.Peer()); err != nil {
			h.become(before)
			return kit.Fail(errInvalidElement, "Recording failed (%v)", err)
		}
	}
	var answer *plugin.JSEP
	if r.JSEP != nil {
		answer = h.answer(r)
	}
	resp := kit.Response{JSEP: answer}
	if answer != nil { // the peer connection has its sections when the answer is on its way
		if err := h.record(r.Body, nil); err != nil {
			resp.Warning = fmt.Sprintf("Recording failed (%v)", err)
		}
	}
	h.apply(r.Body, change, &before)
	h.notify()
	w.Str("echotest", "event")
	w.Str("result", "ok")
	if answer != nil {
		resp.After = h.subscribe
	}
	return resp, nil
}

// become gives the handle other settings.
func (h *handle) become(s settings) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settings = s
}

// check checks what the types of the table do not express.
func check(r *kit.Request) *schema.Error {
	if err := mline.Check(r.Body, errInvalidElement); err != nil {
		return err
	}
	if format := r.Body.Lower("record_format"); !recording.Format(format) {
		return &schema.Error{Code: errInvalidElement, Text: "Invalid record_format (should be mjr|webm|mkv|mp4)"}
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

// set applies the settings of a request.
func (s *settings) set(body kit.Args, change mline.Change) {
	s.sending.Set(body)
	s.layers.Set(change)
	s.delay.Set(change.Delay)
	s.estimation.Set(body)
}

// apply brings new settings to the peer connection.
func (h *handle) apply(body kit.Args, change mline.Change, before *settings) {
	peer := h.Host.Peer()
	if peer == nil {
		return
	}
	s := &h.settings
	if body.Has("bitrate") {
		peer.SetBitrateCap(s.sending.Bitrate)
	}
	if mline.Estimates(body) {
		s.estimation.Tell(peer, true, 0)
	}
	for i := range h.sections { // those of a new offer begin when its answer is on its way
		out := &h.sections[i].out
		out.Hold(peer, h.paused(i))
		out.Weigh(peer, &s.layers)
		if s.delay != before.delay {
			out.SetDelay(peer, h.delay(i))
		}
	}
	h.recordings.MuteKinds(s.sending.Mutes)
	if s.sending.Video && !before.sending.Video {
		h.requestKeyframes(peer)
	}
	h.retarget(peer, change)
}

func (h *handle) paused(i int) bool { return h.settings.sending.Mutes(h.sections[i].kind) }

func (h *handle) requestKeyframes(peer *sfu.Peer) {
	for i := range h.sections {
		if x := &h.sections[i]; x.kind == sdp.Video && x.out.Input().Origin != nil {
			peer.RequestKeyframe(i)
		}
	}
}

// delay is the playout delay of a section.
func (h *handle) delay(i int) mline.Delay {
	if h.sections[i].kind == sdp.Video {
		return h.settings.delay
	}
	return mline.NoDelay
}

// retarget brings new layer targets to the layered sections. The client hears
// at once of a layer that it has already.
func (h *handle) retarget(peer *sfu.Peer, change mline.Change) {
	s := &h.settings
	if s.layered == mline.Single || !change.Retargets() {
		return
	}
	for i := range h.sections {
		h.sections[i].out.Retarget(peer, &s.layers)
	}
	outcome := s.layers.Outcome(change, s.layered)
	for _, e := range outcome.Reached {
		h.push(func(w *json.Writer) {
			w.Str("videocodec", s.codecs.Video)
			e.Write(w)
		})
	}
	if outcome.Keyframe || outcome.Temporal {
		h.requestKeyframes(peer)
	}
}
