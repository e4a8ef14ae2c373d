package janus

import (
	"errors"
	"strings"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/api/signalling"
	"bifrons/sdp"
)

var jsepFields = []schema.Field{
	{Name: "type", Type: schema.String, Required: true},
	{Name: "sdp", Type: schema.String, Required: true},
	{Name: "trickle", Type: schema.Bool},
	{Name: "rid_order", Type: schema.String},
	{Name: "force_relay", Type: schema.Bool},
	{Name: "e2ee", Type: schema.Bool},
	{Name: "svc", Type: schema.Array},
}

// takeJSEP takes in a client's description and makes the one that the plugin gets to
// see of it.
func (h *Handle) takeJSEP(v json.Args) (*plugin.JSEP, *Error) {
	if !v.IsObject() {
		return nil, &Error{ErrInvalidObject, "Invalid jsep object"}
	}
	if err := schema.Check(jsepFields, v, int(ErrMissingElement), int(ErrInvalidType)); err != nil {
		return nil, &Error{Code(err.Code), schema.Cap("JSEP error: " + strings.ToLower(err.Text[:1]) + err.Text[1:])}
	}
	typ, text := v.Str("type"), v.Str("sdp")
	o := signalling.Options{
		Trickle:  v.FlagOr("trickle", true),
		Relay:    h.core.cfg.AllowForceRelay && v.Is("force_relay"),
		E2EE:     v.Is("e2ee"),
		Text:     text,
		RIDOrder: v.Str("rid_order"),
	}

	kind := sdp.TypeOffer
	switch strings.ToLower(typ) {
	case "offer":
	case "answer":
		kind = sdp.TypeAnswer
	default:
		return nil, &Error{ErrJSEPType, "JSEP error: unknown message type '" + typ + "'"}
	}
	if err := h.endpoint.Expect(kind); err != nil {
		if r := h.repeated(err, text); r != nil {
			return &plugin.JSEP{SDP: r.SDP, E2EE: o.E2EE, Simulcast: r.Simulcast}, nil
		}
		return nil, signallingError(err)
	}
	if kind == sdp.TypeOffer && !plugin.TakesOffer(h.ph) {
		return nil, errNoPeer
	}
	d, err := sdp.Parse(text)
	if err != nil {
		return nil, &Error{ErrJSEPInvalid, err.Error()}
	}
	d.Type = kind
	svc := parseSVC(v, d)
	for i := range svc {
		o.Scalable = append(o.Scalable, svc[i].Index)
	}
	h.notifyJSEP("remote", typ, text)
	r, err := h.endpoint.SetRemote(d, o)
	if err != nil {
		if connect, ok := errors.AsType[*signalling.ConnectError](err); ok {
			h.log.Warn("no peer connection", "error", connect.Err)
		}
		return nil, signallingError(err)
	}
	return &plugin.JSEP{SDP: r.SDP, E2EE: o.E2EE, Update: r.Update, Simulcast: r.Simulcast, SVC: svc}, nil
}

// repeated is the client's latest answer, if that is sent once more to a plugin that takes it.
func (h *Handle) repeated(err error, text string) *signalling.Remote {
	if err != signalling.ErrUnexpectedAnswer || !plugin.TakesAnswerAgain(h.ph) {
		return nil
	}
	return h.endpoint.Repeated(text)
}

// Errors of signalling that clients read.
var (
	errCleaning   = &Error{ErrWebRTCState, "Still cleaning a previous session"}
	errGone       = &Error{ErrWebRTCState, "Invalid PeerConnection"}
	errUnexpected = &Error{ErrUnexpectedAnswer, "Unexpected ANSWER (did we offer?)"}
	errNoOffer    = &Error{ErrWebRTCState, "There is no offer to answer"}
	errNoPeer     = &Error{ErrUnknown, "Error setting ICE locally"}
)

// signallingError is an error of package signalling as the Janus API reports it.
func signallingError(err error) *Error {
	if unusable, ok := errors.AsType[*signalling.UnusableError](err); ok {
		code := ErrJSEPInvalid
		if unusable.Later && errors.Is(err, sdp.ErrProcessing) {
			code = ErrUnexpectedAnswer
		}
		return &Error{code, unusable.Error()}
	}
	if _, ok := errors.AsType[*signalling.ConnectError](err); ok {
		return errNoPeer
	}
	switch err {
	case signalling.ErrClosing:
		return errCleaning
	case signalling.ErrClosed:
		return errGone
	case signalling.ErrUnexpectedAnswer:
		return errUnexpected
	case signalling.ErrNoOffer:
		return errNoOffer
	}
	return &Error{ErrUnknown, err.Error()}
}

// parseSVC reads the svc array of a jsep; senseless values are left out.
func parseSVC(jsep json.Args, d *sdp.Description) []plugin.SVC {
	var list []plugin.SVC
	for _, e := range jsep.Items("svc") {
		mode := e.Str("svc")
		if mode == "" {
			continue
		}
		i := -1
		if mid, ok := e.Text("mid"); ok {
			if n, found := d.SectionByMID(mid); found {
				i = n
			}
		} else if n, ok := e.Number("mindex"); ok && n < int64(len(d.Sections)) {
			i = int(n)
		}
		if i < 0 || d.Sections[i].Kind != sdp.Video {
			continue
		}
		list = append(list, plugin.SVC{Index: i, MID: d.Sections[i].MID, Mode: mode})
	}
	return list
}

// Tell sends a plugin's news.
func (h *Handle) Tell(topic string, data []byte) {
	if !h.gone.Load() {
		h.sendPluginEvent("", topic, data, nil)
	}
}

// Push sends a plugin's event, with a description if j is not nil.
func (h *Handle) Push(transaction string, data []byte, j *plugin.JSEP) error {
	if h.gone.Load() {
		return nil
	}
	if j == nil {
		h.sendPluginEvent(transaction, "", data, nil)
		return nil
	}
	err := h.endpoint.SetLocal(j.SDP, signalling.LocalOptions{E2EE: j.E2EE, Restart: j.Restart}, func(text string) {
		typ := j.SDP.Type.String()
		h.sendPluginEvent(transaction, "", data, func(w *json.Writer) {
			w.Str("type", typ)
			w.Str("sdp", text)
			if j.E2EE {
				w.Bool("e2ee", true)
			}
		})
		h.notifyJSEP("local", typ, text)
	})
	if err != nil {
		return pushError(err)
	}
	return nil
}

// pushError is an error of SetLocal with the text that plugins pass on.
func pushError(err error) error {
	connect, ok := errors.AsType[*signalling.ConnectError](err)
	switch {
	case !ok:
		return signallingError(err)
	case connect.Err == signalling.ErrNoEngine:
		return errNoEngine
	case connect.Err == signalling.ErrClosed:
		return errGone
	}
	return connect.Err
}

var errNoEngine = errors.New("janus: no media engine")
