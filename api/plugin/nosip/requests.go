package nosip

import (
	"strings"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/gateway"
	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// Error codes.
const (
	errInvalidRequest = 442
	errMissingElement = 443
	errInvalidElement = 444
	errWrongState     = 445
	errMissingSDP     = 446
	errInvalidSDP     = 447
	errIO             = 448
	errRecording      = 449
	errTooStrict      = 450
	errNoSuchStream   = 451
	errUnknown        = 499
)

var codes = gateway.Codes{
	Codes:   kit.Codes{Missing: errMissingElement, Invalid: errInvalidElement, Unknown: errInvalidRequest, BadSDP: errMissingSDP},
	NoMedia: errInvalidSDP, IO: errIO, Strict: errTooStrict, State: errWrongState,
}

// descriptionFields are those of requests with a description.
var descriptionFields = append(schema.Typed(schema.String, "info", "srtp", "srtp_profile"), schema.Field{Name: "update", Type: schema.Bool})

var table = kit.Table[*handle]{
	Key:        "nosip",
	Codes:      codes.Codes,
	LateErrors: true, UnknownText: "Unknown request (%s)",
	Rows: []kit.Row[*handle]{
		{Name: "generate", Async: true, Fields: descriptionFields, Run: (*handle).generate},
		{Name: "process", Async: true, Run: (*handle).process, Fields: append([]schema.Field{
			{Name: "type", Type: schema.String, Required: true}, {Name: "sdp", Type: schema.String, Required: true},
		}, descriptionFields...)},
		{Name: "hangup", Async: true, Run: (*handle).hangup},
		{Name: "recording", Async: true, Run: (*handle).record, Fields: append([]schema.Field{
			{Name: "action", Type: schema.String, Required: true},
		}, gateway.RecordFields...)},
		{Name: "keyframe", Async: true, Fields: schema.Typed(schema.Bool, "user", "peer"), Run: (*handle).keyframe},
		{Name: "rtp_forward", Async: true, Fields: gateway.ForwardFields, Run: (*handle).rtpForward},
		{Name: "stop_rtp_forward", Async: true, Fields: gateway.StopForwardFields, Run: (*handle).stopForward},
		{Name: "listforwarders", Async: true, Run: (*handle).listForwarders},
	},
}

// answer writes the event of a request that has worked.
func answer(w *json.Writer, event string, fields func(w *json.Writer)) {
	kit.WriteResult(w, "nosip", func(w *json.Writer) {
		w.Str("event", event)
		if fields != nil {
			fields(w)
		}
	})
}

// generate makes the plain description of the client's.
func (h *handle) generate(r *kit.Request, w *json.Writer) (resp kit.Response, err *schema.Error) {
	if err := codes.CheckBrowser(r.JSEP); err != nil {
		return resp, err
	}
	s, err := codes.ReadSRTP(r.Body)
	if err != nil {
		return resp, err
	}
	d := r.JSEP.SDP
	if waits, secure := h.leg.Waiting(); d.Type == sdp.TypeAnswer && s.Required && waits && !secure {
		return kit.Fail(errTooStrict, "Can't generate answer: SDES-SRTP required, but the remote SDP has none")
	}
	if err := codes.ReadSuite(r.Body, &s); err != nil {
		return resp, err
	}
	h.log("generate", r.Body)
	make := h.leg.Offer
	if d.Type == sdp.TypeAnswer {
		make, resp.After = h.leg.Answer, h.leg.Connect
	}
	text, err := make(d, s)
	if err != nil {
		return kit.Response{}, err
	}
	answer(w, "generated", func(w *json.Writer) {
		w.Str("type", d.Type.String())
		w.Str("sdp", text)
		w.OptTrue("update", r.JSEP.Update)
		w.Str("unique_id", h.id)
	})
	if !r.JSEP.Update {
		h.notify("generated", d.Type, text)
	}
	return resp, nil
}

// process takes a plain description in; the client gets it.
func (h *handle) process(r *kit.Request, w *json.Writer) (resp kit.Response, err *schema.Error) {
	typ, text := r.Body.Lower("type"), r.Body.Str("sdp")
	switch {
	case typ != "offer" && typ != "answer":
		return kit.Fail(errMissingSDP, "Missing or invalid SDP type")
	case strings.Contains(text, "m=application"):
		return resp, codes.NoData()
	}
	s, err := codes.ReadSRTP(r.Body)
	if err != nil {
		return resp, err
	}
	if err := codes.ReadSuite(r.Body, &s); err != nil {
		return resp, err
	}
	h.log("process", r.Body)
	update := r.Body.Is("update") || h.leg.Running()
	take := h.leg.TakeOffer
	if typ == "answer" {
		take, resp.After = h.leg.TakeAnswer, h.leg.Connect
	}
	remote, err := take(text, s)
	if err != nil {
		return kit.Response{}, err
	}
	answer(w, "processed", func(w *json.Writer) {
		switch {
		case remote.SRTP && remote.Required:
			w.Str("srtp", "sdes_mandatory")
		case remote.SRTP:
			w.Str("srtp", "sdes_optional")
		}
		w.OptTrue("update", update)
		w.Str("unique_id", h.id)
	})
	if !update {
		h.notify("processed", remote.SDP.Type, text)
	}
	resp.JSEP = &plugin.JSEP{SDP: remote.SDP}
	return resp, nil
}

// log logs the description that an application gave with a request.
func (h *handle) log(request string, body kit.Args) {
	if info := body.Str("info"); info != "" {
		h.plugin.Gateway.Logger().Debug("NoSIP", "session", h.Host.SessionID(), "handle", h.Host.HandleID(), "request", request, "info", info)
	}
}

// notify informs event handlers of a description.
func (h *handle) notify(event string, t sdp.Type, text string) {
	h.plugin.Events.Notify(h.Host, func(w *json.Writer) {
		w.Str("event", event)
		w.Str("type", t.String())
		w.Str("sdp", text)
		w.Str("unique_id", h.id)
	})
}

// hangup ends the call, if there is one.
func (h *handle) hangup(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	h.leg.Close()
	h.ClosePeer()
	answer(w, "hangingup", nil)
	return kit.Response{}, nil
}

// record begins or ends recordings.
func (h *handle) record(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	var err *schema.Error
	switch r.Body.Lower("action") {
	case "start":
		who := recording.Owner{Events: &h.plugin.Events, Host: h.Host}
		err = h.leg.Record(who, r.Body, recording.Base("nosip", h.Host.HandleID()), errRecording)
	case "stop":
		err = h.leg.StopRecording(r.Body, errRecording)
	default:
		err = kit.Errorf(errInvalidElement, "Invalid action (should be start|stop)")
	}
	if err != nil {
		return kit.Response{}, err
	}
	answer(w, "recordingupdated", nil)
	return kit.Response{}, nil
}

// keyframe asks one side, or both, for a key frame.
func (h *handle) keyframe(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	h.leg.RequestKeyframes(r.Body.Is("user"), r.Body.Is("peer"))
	answer(w, "keyframesent", nil)
	return kit.Response{}, nil
}

// rtpForward sends streams on.
func (h *handle) rtpForward(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return kit.Response{}, h.plugin.forwards().Begin(h.leg, r.Body, w)
}

// stopForward ends a forwarder.
func (h *handle) stopForward(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return kit.Response{}, h.plugin.forwards().Stop(h.leg, r.Body, errNoSuchStream, w)
}

// listForwarders lists the forwarders.
func (h *handle) listForwarders(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	h.plugin.forwards().List(h.leg, w)
	return kit.Response{}, nil
}
