package voicemail

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// Error codes.
const (
	errInvalidRequest   = 462
	errMissingElement   = 463
	errInvalidElement   = 464
	errAlreadyRecording = 465
	errIO               = 466
	errInvalidState     = 468
)

var table = kit.Table[*handle]{
	Key:        "voicemail",
	Codes:      kit.Codes{Missing: errMissingElement, Invalid: errInvalidElement, Unknown: errInvalidRequest, BadSDP: errInvalidElement},
	LateErrors: true,
	Rows: []kit.Row[*handle]{
		{Name: "record", Async: true, Run: (*handle).record},
		{Name: "update", Async: true, Run: (*handle).update},
		{Name: "stop", Async: true, Run: (*handle).stopNow},
	},
}

// record begins a message.
func (h *handle) record(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if h.take != nil || h.over {
		return kit.Fail(errAlreadyRecording, "Already recording")
	}
	if err := check(r.JSEP); err != nil {
		return kit.Response{}, err
	}
	if err := h.open(); err != nil {
		h.plugin.Gateway.Logger().Warn("no message recorded", "handle", h.Host.HandleID(), "error", err)
		return kit.Fail(errIO, "Couldn't open output file")
	}
	h.notify("starting")
	if h.Host.Up() {
		status(w, "started")
	} else {
		status(w, "starting")
	}
	return h.answer(r.JSEP), nil
}

// update renegotiates.
func (h *handle) update(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if h.take == nil {
		return kit.Fail(errInvalidState, "Not recording")
	}
	if err := check(r.JSEP); err != nil {
		return kit.Response{}, err
	}
	status(w, "updating")
	return h.answer(r.JSEP), nil
}

// stopNow ends the message.
func (h *handle) stopNow(r *kit.Request, _ *json.Writer) (kit.Response, *schema.Error) {
	h.stop(r.Transaction)
	return kit.Response{Silent: true}, nil
}

// check returns the reason why a description cannot be used.
func check(j *plugin.JSEP) *schema.Error {
	switch {
	case j == nil:
		return nil
	case j.E2EE:
		return kit.Errorf(errInvalidElement, "Media encryption unsupported by this plugin")
	case j.SDP.Type != sdp.TypeOffer:
		return kit.Errorf(errInvalidElement, "Not an offer")
	}
	return nil
}

// answer takes the first audio of an offer, if it may be Opus.
func (h *handle) answer(offer *plugin.JSEP) kit.Response {
	if offer == nil {
		return kit.Response{After: h.connect}
	}
	h.section = -1
	d := sdp.Answer(offer.SDP, sdp.AnswerOptions{
		Name: "VoiceMail " + h.id,
		Choose: func(i int, s *sdp.Section) sdp.SectionChoice {
			if _, ok := s.FindCodec(sdp.Opus, ""); s.Kind != sdp.Audio || !ok || h.section >= 0 {
				return sdp.SectionChoice{Reject: true}
			}
			h.section = i
			return sdp.SectionChoice{Codecs: []string{sdp.Opus}, NoSend: true}
		},
	})
	return kit.Response{JSEP: &plugin.JSEP{SDP: d}, After: h.connect}
}
