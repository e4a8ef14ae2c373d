package gateway

import (
	"bifrons/sdp"
	"bifrons/sfu"
)

// listener hears of a session, on a goroutine of the engine.
type listener struct {
	leg  *Leg
	kind sdp.Kind
}

// SourceEvent implements sfu.SourceHandler.
func (x *listener) SourceEvent(e sfu.Event) {
	h := &x.leg.handler
	switch {
	case e.Kind == sfu.EventClosed && h.Failed != nil:
		h.Failed(x.kind.String() + ": " + e.Cause.String())
	case e.Kind == sfu.EventDTMF && h.DTMF != nil:
		h.DTMF(e.Digit, e.Duration)
	case e.Kind == sfu.EventKeyframeRequest && h.Keyframe != nil:
		h.Keyframe()
	}
}

// SourceData implements sfu.SourceHandler: there is no such medium.
func (*listener) SourceData(int, bool, []byte) {}
