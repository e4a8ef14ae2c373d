package sfu

import (
	"bifrons/rtp/mono"
	"bifrons/sfu/route"
	"bifrons/sfu/shard"
)

// Tap hands the packets of a track of an origin to a goroutine of its user, the
// consumer; see package shard.
type Tap = shard.Tap

// Packet is one received RTP packet as a Tap gives it; see package route.
type Packet = route.Packet

// Tap starts to take the packets of one encoding of an origin's track, -1 = of
// all. It ends with the track, and at once if there is none.
func (e *Engine) Tap(o Origin, track, encoding int) (*Tap, error) {
	st := o.home()
	t := st.shard.NewTap(encoding)
	if !st.shard.Post(func(mono.Time) { t.Attach(o.track(track)) }) {
		return nil, ErrClosed
	}
	return t, nil
}
