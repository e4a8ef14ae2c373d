package peer

import (
	"context"
	"fmt"
	"time"
)

// Plugins of the Janus API.
const (
	echoPlugin   = "janus.plugin.echotest"
	roomPlugin   = "janus.plugin.videoroom"
	streamPlugin = "janus.plugin.streaming"
	callPlugin   = "janus.plugin.videocall"
)

// Janus negotiates by the Janus API.
type Janus struct {
	*API
	Record bool // rooms that are made record, to the folder that the server runs in
	rooms  map[int]bool
}

// NewJanus is a session with a server.
func NewJanus(ctx context.Context, url string) (*Janus, error) {
	a, err := DialAPI(ctx, url)
	return &Janus{API: a, rooms: map[int]bool{}}, err
}

// leave detaches a handle, and with it the peer connection.
func (j *Janus) leave(handle uint64) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := j.request(ctx, "success", map[string]any{"janus": "detach", "handle_id": handle})
		return err
	}
}

// Echo is sent back what it sends.
func (j *Janus) Echo(ctx context.Context) (*Negotiation, error) {
	h, err := j.attach(ctx, echoPlugin)
	return &Negotiation{
		Offer: func(ctx context.Context, offer string) (string, error) {
			return j.described(ctx, h, map[string]any{"audio": true, "video": true}, "offer", offer)
		},
		Leave: j.leave(h),
	}, err
}

// Call has one new user call another. Both send; who is called hears of it when the
// other one offers.
func (j *Janus) Call(ctx context.Context, one, other uint32) (caller, callee *Negotiation, err error) {
	from, err := j.register(ctx, one)
	if err != nil {
		return nil, nil, err
	}
	to, err := j.register(ctx, other)
	if err != nil {
		return nil, nil, err
	}
	caller = &Negotiation{
		Offer: func(ctx context.Context, offer string) (string, error) {
			body := map[string]any{"request": "call", "username": username(other)}
			if _, err := j.message(ctx, "event", from, body, "offer", offer); err != nil {
				return "", err
			}
			return j.pushed(ctx, from)
		},
		Leave: j.leave(from),
	}
	callee = &Negotiation{
		SendBack: true,
		Join:     func(ctx context.Context) (string, error) { return j.pushed(ctx, to) },
		Answer: func(ctx context.Context, answer string) error {
			_, err := j.message(ctx, "event", to, map[string]any{"request": "accept"}, "answer", answer)
			return err
		},
		Leave: j.leave(to),
	}
	return caller, callee, nil
}

func username(id uint32) string { return fmt.Sprintf("user%d", id) }

// register makes a handle that can call and be called.
func (j *Janus) register(ctx context.Context, id uint32) (handle uint64, err error) {
	h, err := j.attach(ctx, callPlugin)
	if err != nil {
		return 0, err
	}
	j.listen(h)
	_, err = j.message(ctx, "event", h, map[string]any{"request": "register", "username": username(id)}, "", "")
	return h, err
}

// Publish implements Signaller. It makes the room where that is needed.
func (j *Janus) Publish(ctx context.Context, room int, id uint32) (*Negotiation, error) {
	h, err := j.attach(ctx, roomPlugin)
	if err != nil {
		return nil, err
	}
	if !j.rooms[room] {
		body := map[string]any{"request": "create", "room": room, "publishers": 100, "record": j.Record}
		if _, err := j.message(ctx, "success", h, body, "", ""); err != nil {
			return nil, err
		}
		j.rooms[room] = true
	}
	return &Negotiation{
		SendOnly: true,
		Offer: func(ctx context.Context, offer string) (string, error) {
			body := map[string]any{"request": "joinandconfigure", "ptype": "publisher", "room": room, "id": id, "bitrate": 0}
			return j.described(ctx, h, body, "offer", offer)
		},
		Leave: j.leave(h),
	}, nil
}

// Subscribe implements Signaller.
func (j *Janus) Subscribe(ctx context.Context, room int, publishers []uint32) (*Negotiation, error) {
	h, err := j.attach(ctx, roomPlugin)
	if err != nil {
		return nil, err
	}
	var streams []any
	for _, id := range publishers {
		streams = append(streams, map[string]any{"feed": id})
	}
	body := map[string]any{"request": "join", "ptype": "subscriber", "room": room, "streams": streams}
	n := j.offered(h, body)
	n.Layer = func(ctx context.Context, layer int) error {
		streams := []any{map[string]any{"mid": "1", "substream": layer}}
		_, err := j.message(ctx, "event", h, map[string]any{"request": "configure", "streams": streams}, "", "")
		return err
	}
	return n, nil
}

// offered is a negotiation in which the server offers, asked by body.
func (j *Janus) offered(h uint64, body map[string]any) *Negotiation {
	return &Negotiation{
		Join: func(ctx context.Context) (offer string, err error) {
			for { // until what is asked for can be had
				if offer, err = j.described(ctx, h, body, "", ""); err == nil || ctx.Err() != nil {
					return offer, err
				}
				select {
				case <-ctx.Done():
					return "", err
				case <-time.After(50 * time.Millisecond):
				}
			}
		},
		Answer: func(ctx context.Context, answer string) error {
			_, err := j.message(ctx, "event", h, map[string]any{"request": "start"}, "answer", answer)
			return err
		},
		Leave: j.leave(h),
	}
}

// Ports of the mountpoint.
const (
	mountpointAudio = 5502
	mountpointVideo = 5504
	mountpointID    = 4711
)

// Mount makes a mountpoint that is fed by RTP.
func (j *Janus) Mount(ctx context.Context) error {
	h, err := j.attach(ctx, streamPlugin)
	if err != nil {
		return err
	}
	_, err = j.message(ctx, "success", h, map[string]any{
		"request": "create", "type": "rtp", "id": mountpointID,
		"audio": true, "audioport": mountpointAudio, "audiopt": audioType, "audiocodec": "opus",
		"video": true, "videoport": mountpointVideo, "videopt": videoType, "videocodec": "vp8",
	}, "", "")
	return err
}

// Watch receives the mountpoint.
func (j *Janus) Watch(ctx context.Context) (*Negotiation, error) {
	h, err := j.attach(ctx, streamPlugin)
	return j.offered(h, map[string]any{"request": "watch", "id": mountpointID}), err
}

// Idle makes a handle and leaves it alone.
func (a *API) Idle(ctx context.Context) error {
	_, err := a.attach(ctx, echoPlugin)
	return err
}

// The requests that are made again and again: a question to a plugin, answered at
// once.
func question() map[string]any { return map[string]any{"request": "exists", "room": mountpointID} }

// Room makes a handle that can be asked.
func (a *API) Room(ctx context.Context) (handle uint64, err error) {
	return a.attach(ctx, roomPlugin)
}

// Ask asks it.
func (a *API) Ask(ctx context.Context, handle uint64) error {
	_, err := a.message(ctx, "success", handle, question(), "", "")
	return err
}
