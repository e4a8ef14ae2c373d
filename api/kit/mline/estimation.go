package mline

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sfu"
)

// EstimationFields are those of requests on all that goes to a client, beside those of Fields.
var EstimationFields = []schema.Field{{Name: "bwe", Type: schema.Bool}}

// Estimation has a client's settings on whether its video is fitted to the capacity of its line
// and the maximum of that. The zero value leaves both open.
type Estimation struct {
	Asked, On bool   // On is the client's wish
	Max       uint64 // bit/s, 0 = no bound
}

// Estimates reports whether a request says anything on all that goes to the client. With a
// mid it is about one m-line.
func Estimates(request kit.Args) bool {
	return request.Has("bwe") || request.Has("max_bitrate") && !request.Has("mid")
}

// Set applies the settings of a request for everything that goes to the client.
func (e *Estimation) Set(request kit.Args) {
	if on, ok := request.Flag("bwe"); ok {
		e.Asked, e.On = true, on
	}
	if n, ok := request.Number("max_bitrate"); ok && n >= 0 && !request.Has("mid") {
		e.Max = uint64(n)
	}
}

// Tell passes the settings to the engine, which keeps sending. A nil peer is skipped.
// usual counts where the client asked for nothing; within bounds what e allows.
func (e Estimation) Tell(peer *sfu.Peer, usual bool, within uint64) {
	if peer == nil {
		return
	}
	on, most := usual, e.Max
	if e.Asked {
		on = e.On
	}
	if within > 0 && (most == 0 || within < most) {
		most = within
	}
	peer.SetEstimation(sfu.Estimation{On: on, Max: most})
}

// WritePaused writes the field of the event that the line to a client does not carry the
// video of an m-line any more, or does again.
func WritePaused(w *json.Writer, paused bool) {
	if paused {
		w.Str("bwe", "paused")
	} else {
		w.Str("bwe", "resumed")
	}
}
