package sip

import (
	"bifrons/api/kit"
	"bifrons/api/kit/gateway"
	"bifrons/api/schema"
)

// Error codes.
const (
	errInvalidRequest = 442
	errMissingElement = 443
	errInvalidElement = 444
	errRegistered     = 445
	errAddress        = 446
	errWrongState     = 447
	errMissingSDP     = 448
	errStack          = 449
	errIO             = 450
	errRecording      = 451
	errTooStrict      = 452
	errHelper         = 453
	errNoSuchCall     = 454
	errNoSuchStream   = 455
	errUnknown        = 499
)

var codes = gateway.Codes{
	Codes:   kit.Codes{Missing: errMissingElement, Invalid: errInvalidElement, Unknown: errInvalidRequest, BadSDP: errMissingSDP},
	NoMedia: errMissingSDP, IO: errIO, Strict: errTooStrict, State: errWrongState,
}

// table has the requests of the plugin. Where a request's state is looked at first, as clients expect, its function
// checks its fields.
var table = newTable()

func newTable() *kit.Table[*handle] {
	t := &kit.Table[*handle]{
		Key: "sip", Codes: codes.Codes, LateErrors: true, UnknownText: "Unknown request (%s)", Common: (*handle).writeCommon,
	}
	headers := schema.NotNull(schema.Typed(schema.Object, "headers"))
	must := func(names ...string) []schema.Field { return schema.Must(schema.Typed(schema.String, names...)) }
	for _, row := range []struct {
		name   string
		run    kit.Run[*handle]
		fields []schema.Field
	}{
		{"register", (*handle).register, registerFields},
		{"unregister", (*handle).unregister, nil},
		{"subscribe", (*handle).subscribe, subscribeFields},
		{"unsubscribe", (*handle).unsubscribe, append(must("event"), schema.Typed(schema.String, "to")...)},
		{"call", (*handle).dial, nil},
		{"accept", (*handle).accept, acceptFields},
		{"progress", (*handle).progress, acceptFields},
		{"decline", (*handle).decline, declineFields},
		{"update", (*handle).update, nil},
		{"hold", (*handle).putOnHold, append(schema.Typed(schema.String, "direction"), headers...)},
		{"unhold", (*handle).unhold, headers},
		{"transfer", (*handle).transfer, append(must("uri"), schema.Typed(schema.String, "replace")...)},
		{"hangup", (*handle).hangUp, headers},
		{"info", (*handle).info, append(must("type", "content"), headers...)},
		{"message", (*handle).message, messageFields},
		{"dtmf_info", (*handle).dtmf, append(append(must("digit"), schema.Typed(schema.Uint, "duration")...), headers...)},
		{"send_ringing", (*handle).ring, nil},
		{"keyframe", (*handle).keyframe, schema.Typed(schema.Bool, "user", "peer")},
		{"recording", (*handle).record, append(append(must("action"), schema.Typed(schema.Bool, "send_peer_pli")...), gateway.RecordFields...)},
		{"rtp_forward", (*handle).rtpForward, gateway.ForwardFields},
		{"stop_rtp_forward", (*handle).stopForward, gateway.StopForwardFields},
		{"listforwarders", (*handle).listForwarders, nil},
		{"reset", (*handle).reset, nil},
	} {
		t.AddAsync(row.name, row.run, row.fields...)
	}
	return t
}
