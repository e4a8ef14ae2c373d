package peer

import (
	"context"

	"bifrons/api/client"
)

// Mixed says how somebody is in a room whose audio is mixed.
type Mixed struct {
	Rate    int // of the room, Hz
	Bitrate int // of its incoming media, 0 = as the server likes
	Loss    int // of packets on the way to it that are expected, percent
}

// Mix is in a room whose audio is mixed. It makes the room where that is needed, for which
// calls must not overlap.
func (j *Janus) Mix(ctx context.Context, room int, id uint32, m Mixed) (*Negotiation, error) {
	h, err := j.attach(ctx, mixPlugin)
	if err != nil {
		return nil, err
	}
	if !j.mixes[room] {
		body := client.Object{"request": "create", "room": room, "sampling_rate": m.Rate}
		if _, err := h.Ask(ctx, body, nil); err != nil {
			return nil, err
		}
		j.mixes[room] = true
	}
	join := client.Object{"request": "join", "room": room, "id": id, "expected_loss": m.Loss}
	if m.Bitrate > 0 {
		join["bitrate"] = m.Bitrate
	}
	return &Negotiation{
		Offer: func(ctx context.Context, offer string) (string, error) {
			if _, err := h.Ask(ctx, join, nil); err != nil {
				return "", err
			}
			return described(ctx, h, client.Object{"request": "configure", "muted": false}, jsep("offer", offer))
		},
		Leave: h.Detach,
	}, nil
}
