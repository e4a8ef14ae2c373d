package peer

import (
	"context"
	"fmt"
	"time"
)

const roomPlugin = "janus.plugin.videoroom"

// Room is a room of a server with one light publisher, whose number is 1.
type Room struct {
	api       *API
	id        int
	o         Options
	publisher *light
}

// OpenRoom makes a room and connects its publisher.
func OpenRoom(ctx context.Context, api *API, id int, o Options) (*Room, error) {
	o.window = new(Window)
	r := &Room{api: api, id: id, o: o}
	h, err := api.attach(ctx, roomPlugin)
	if err != nil {
		return nil, err
	}
	if _, err := api.message(ctx, "success", h, map[string]any{"request": "create", "room": id}, "", ""); err != nil {
		return nil, err
	}
	o.ID = 1
	p, err := dialLight(ctx, o, 0, func(ctx context.Context, l local) (remote, error) {
		body := map[string]any{"request": "joinandconfigure", "ptype": "publisher", "room": id, "id": o.ID, "bitrate": 0}
		answer, err := api.described(ctx, h, body, "offer", l.offer("sendonly"))
		if err != nil {
			return remote{}, err
		}
		return parseRemote(answer)
	})
	if err != nil {
		return nil, fmt.Errorf("publisher: %w", err)
	}
	r.publisher = p.(*light)
	return r, nil
}

// Fill connects n subscribers, patient with them until dialing ends. The load
// runs until ctx or Close ends it, which ends the publisher too.
func (r *Room) Fill(dialing, ctx context.Context, n int) (*Load, error) {
	return fill(dialing, ctx, r.publisher, r.o, n, r.subscribe)
}

// fill connects n receivers of what one peer sends.
func fill(dialing, ctx context.Context, sender Peer, o Options, n int, connect func(context.Context, uint32) (Peer, error)) (*Load, error) {
	l := &Load{media: o.Media, done: make(chan struct{}), senders: []Peer{sender}}
	l.peers = append(l.peers, sender)
	for i := range n {
		p, err := connect(dialing, uint32(i)+2)
		if err != nil {
			for _, p := range l.peers {
				p.Close()
			}
			return nil, fmt.Errorf("subscriber %d: %w", i+1, err)
		}
		l.receivers = append(l.receivers, p)
		l.peers = append(l.peers, p)
	}
	l.start(ctx)
	return l, nil
}

func (r *Room) subscribe(ctx context.Context, id uint32) (Peer, error) {
	h, err := r.api.attach(ctx, roomPlugin)
	if err != nil {
		return nil, err
	}
	o := r.o
	o.ID = id
	return dialListener(ctx, r.api, h, o, func(ctx context.Context) (string, error) { return r.attached(ctx, h) })
}

// dialListener connects a light peer that sends no media to a handle whose
// offers ask gets. It counts what the peer 1 sends.
func dialListener(ctx context.Context, api *API, h uint64, o Options, ask func(context.Context) (string, error)) (Peer, error) {
	p, err := dialLight(ctx, o, 1, func(ctx context.Context, l local) (remote, error) {
		offer, err := ask(ctx)
		if err != nil {
			return remote{}, err
		}
		if _, err := api.message(ctx, "event", h, map[string]any{"request": "start"}, "answer", l.answer(offer)); err != nil {
			return remote{}, err
		}
		server, err := parseRemote(offer)
		server.offered = true
		return server, err
	})
	if err != nil {
		return nil, err
	}
	p.(*light).listener = true
	return p, nil
}

// attached joins as a subscriber, as soon as the publisher can be had.
func (r *Room) attached(ctx context.Context, handle uint64) (offer string, err error) {
	body := map[string]any{"request": "join", "ptype": "subscriber", "room": r.id, "streams": []any{map[string]any{"feed": 1}}}
	for {
		if offer, err = r.api.described(ctx, handle, body, "", ""); err == nil || ctx.Err() != nil {
			return offer, err
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
