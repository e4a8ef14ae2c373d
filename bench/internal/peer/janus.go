package peer

import (
	"context"
	"fmt"
	"time"

	"bifrons/api/client"
)

// Plugins of the Janus API.
const (
	echoPlugin   = "janus.plugin.echotest"
	roomPlugin   = "janus.plugin.videoroom"
	streamPlugin = "janus.plugin.streaming"
	callPlugin   = "janus.plugin.videocall"
	mixPlugin    = "janus.plugin.audiobridge"
)

// Janus negotiates by the Janus API.
type Janus struct {
	*API
	Record bool // rooms that are made record, to the folder that the server runs in
	rooms  map[int]bool
	mixes  map[int]bool
}

// NewJanus is a session with a server.
func NewJanus(ctx context.Context, url string) (*Janus, error) {
	a, err := DialAPI(ctx, url)
	return &Janus{API: a, rooms: map[int]bool{}, mixes: map[int]bool{}}, err
}

// Echo gets its own media back.
func (j *Janus) Echo(ctx context.Context) (*Negotiation, error) { return j.EchoBy(ctx, echoPlugin) }

// EchoBy is Echo by another plugin, which understands the requests of the EchoTest.
func (j *Janus) EchoBy(ctx context.Context, plugin string) (*Negotiation, error) {
	h, err := j.attach(ctx, plugin)
	return &Negotiation{
		Offer: func(ctx context.Context, offer string) (string, error) {
			return described(ctx, h, client.Object{"audio": true, "video": true}, jsep("offer", offer))
		},
		Leave: h.Detach,
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
			body := client.Object{"request": "call", "username": username(other)}
			if _, err := from.Ask(ctx, body, jsep("offer", offer)); err != nil {
				return "", err
			}
			return pushed(ctx, from)
		},
		Leave: from.Detach,
	}
	callee = &Negotiation{
		SendBack: true,
		Join:     func(ctx context.Context) (string, error) { return pushed(ctx, to) },
		Answer: func(ctx context.Context, answer string) error {
			_, err := to.Ask(ctx, client.Object{"request": "accept"}, jsep("answer", answer))
			return err
		},
		Leave: to.Detach,
	}
	return caller, callee, nil
}

func username(id uint32) string { return fmt.Sprintf("user%d", id) }

// register makes a handle that can call and be called.
func (j *Janus) register(ctx context.Context, id uint32) (*client.Handle, error) {
	h, err := j.Attach(ctx, callPlugin)
	if err != nil {
		return nil, err
	}
	_, err = h.Ask(ctx, client.Object{"request": "register", "username": username(id)}, nil)
	return h, err
}

// Publish implements Signaller. It makes the room where that is needed.
func (j *Janus) Publish(ctx context.Context, room int, id uint32) (*Negotiation, error) {
	h, err := j.attach(ctx, roomPlugin)
	if err != nil {
		return nil, err
	}
	if !j.rooms[room] {
		body := client.Object{"request": "create", "room": room, "publishers": 100, "record": j.Record}
		if _, err := h.Ask(ctx, body, nil); err != nil {
			return nil, err
		}
		j.rooms[room] = true
	}
	return &Negotiation{
		SendOnly: true,
		Offer: func(ctx context.Context, offer string) (string, error) {
			body := client.Object{"request": "joinandconfigure", "ptype": "publisher", "room": room, "id": id, "bitrate": 0}
			return described(ctx, h, body, jsep("offer", offer))
		},
		Leave: h.Detach,
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
		streams = append(streams, client.Object{"feed": id})
	}
	body := client.Object{"request": "join", "ptype": "subscriber", "room": room, "streams": streams}
	n := j.offered(h, body)
	n.Layer = func(ctx context.Context, layer int) error {
		streams := []any{client.Object{"mid": "1", "substream": layer}}
		_, err := h.Ask(ctx, client.Object{"request": "configure", "streams": streams}, nil)
		return err
	}
	return n, nil
}

// offered is a negotiation in which the server offers, asked by body.
func (j *Janus) offered(h *client.Handle, body client.Object) *Negotiation {
	return &Negotiation{
		Join: func(ctx context.Context) (offer string, err error) {
			for { // until the requested state is reached
				if offer, err = described(ctx, h, body, nil); err == nil || ctx.Err() != nil {
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
			_, err := h.Ask(ctx, client.Object{"request": "start"}, jsep("answer", answer))
			return err
		},
		Leave: h.Detach,
	}
}

// Ports of the first mountpoint. Each of the others has higher ones.
const (
	mountpointAudio = 5502
	mountpointVideo = 5504
	mountpointID    = 4711
	mountpointPorts = 4
)

// Mount makes a mountpoint that is fed by RTP, number n from 0 on.
func (j *Janus) Mount(ctx context.Context, n int) error {
	h, err := j.attach(ctx, streamPlugin)
	if err != nil {
		return err
	}
	_, err = h.Ask(ctx, client.Object{
		"request": "create", "type": "rtp", "id": mountpointID + n,
		"audio": true, "audioport": mountpointAudio + mountpointPorts*n, "audiopt": audioType, "audiocodec": "opus",
		"video": true, "videoport": mountpointVideo + mountpointPorts*n, "videopt": videoType, "videocodec": "vp8",
	}, nil)
	return err
}

// Watch receives a mountpoint.
func (j *Janus) Watch(ctx context.Context, n int) (*Negotiation, error) {
	h, err := j.attach(ctx, streamPlugin)
	return j.offered(h, client.Object{"request": "watch", "id": mountpointID + n}), err
}

// Idle makes a handle and leaves it alone.
func (a *API) Idle(ctx context.Context) error {
	_, err := a.attach(ctx, echoPlugin)
	return err
}

// The requests that are made again and again: a question to a plugin, answered at
// once.
func question() client.Object { return client.Object{"request": "exists", "room": mountpointID} }

// Room makes a handle that can be asked.
func (a *API) Room(ctx context.Context) (*client.Handle, error) {
	return a.attach(ctx, roomPlugin)
}

// Ask asks it.
func (a *API) Ask(ctx context.Context, h *client.Handle) error {
	_, err := h.Ask(ctx, question(), nil)
	return err
}
