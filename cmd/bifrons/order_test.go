package main

import (
	"fmt"
	"slices"
	"testing"

	api "bifrons/api/client"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// orderWatcher is a client in one session: a participant who does not publish and a
// subscriber to the only one who does.
type orderWatcher struct {
	t           testing.TB
	participant *handle
	subscriber  *viewer
	events      <-chan message // by the transport that is looked at
	got         []message
}

// tap keeps the events of a client, whatever their handle. It is for api.New.
func tap() (events chan message, keep func(*api.Message)) {
	events = make(chan message, 1024)
	return events, func(m *api.Message) {
		if m.Sender != 0 && m.Janus != "success" {
			events <- m.Object()
		}
	}
}

// newOrderWatcher lets a client subscribe to participant 1 of room 1. Events then come
// by the transport: "websocket", or "http" with polls of up to maxev events.
func newOrderWatcher(v *roomServer, transport string, maxev int) *orderWatcher {
	v.t.Helper()
	events, keep := tap()
	own := &roomServer{t: v.t, s: v.s, c: dialURL(v.t, v.s.url("ws"), keep)}
	a := &orderWatcher{t: v.t, events: events}
	a.participant = own.c.attach(roomPackage)
	a.participant.message(message{"request": "join", "ptype": "publisher", "room": 1, "id": 2}, nil)
	a.participant.awaitData("videoroom", "joined")
	a.subscriber = own.view(1, webrtctest.Options{}, 1)
	for len(events) > 0 { // of how it came to that
		<-events
	}
	if transport == "http" {
		events, keep := tap()
		a.events = events
		poll := newClient(v.t, api.HTTP(v.s.url("http")+"janus", api.HTTPOptions{Poll: maxev}), keep)
		ctx, cancel := inTime()
		defer cancel()
		if err := poll.Claim(ctx, own.c.Session()); err != nil {
			v.t.Fatal(err)
		}
	}
	return a
}

// outline names an event by its handle and what it says; "" leaves it out.
func (a *orderWatcher) outline(m message) string {
	who := "participant"
	if sender, _ := m["sender"].(float64); uint64(sender) == a.subscriber.h.ID() {
		who = "subscriber"
	}
	d := m.data()
	for _, key := range []string{"unpublished", "leaving", "kicked", "moderation"} {
		if d[key] != nil {
			return fmt.Sprintf("%s %s %v", who, key, d[key])
		}
	}
	switch d["videoroom"] {
	case "updated":
		if m.sdp() == "" {
			return who + " updated without offer"
		}
		return who + " updated"
	case "destroyed":
		return who + " destroyed"
	}
	return ""
}

// await waits for an event by its outline, and returns those up to it in order.
func (a *orderWatcher) await(last string, times int) []string {
	a.t.Helper()
	for {
		var list []string
		seen := 0
		for _, m := range a.got {
			text := a.outline(m)
			if text == "" {
				continue
			}
			list = append(list, text)
			if text == last {
				if seen++; seen == times {
					return list
				}
			}
		}
		a.got = append(a.got, waittest.Next(a.t, "more events", a.events))
	}
}

// TestOrderAcrossHandles has a publisher go in several ways, and looks at
// what a client hears of it by two handles of one session.
func TestOrderAcrossHandles(t *testing.T) {
	transports := []struct {
		name  string
		maxev int
	}{{"websocket", 0}, {"http", 1}, {"http", 10}}
	const updated = "subscriber updated"
	for _, c := range []struct {
		name  string
		act   func(t *testing.T, v *roomServer, p *speaker)
		last  string
		times int
		want  []string
	}{
		{"unpublish", func(_ *testing.T, _ *roomServer, p *speaker) {
			p.h.message(message{"request": "unpublish"}, nil)
		}, "participant unpublished 1", 2, []string{updated, "participant unpublished 1", "participant unpublished 1"}},
		{"connection lost", func(_ *testing.T, _ *roomServer, p *speaker) {
			p.h.send(message{"janus": "hangup"})
		}, "participant unpublished 1", 1, []string{updated, "participant unpublished 1"}},
		{"handle detached", func(_ *testing.T, _ *roomServer, p *speaker) {
			p.h.send(message{"janus": "detach"})
		}, "participant leaving 1", 1, []string{updated, "participant unpublished 1", "participant leaving 1"}},
		{"session destroyed", func(_ *testing.T, _ *roomServer, p *speaker) {
			p.h.request(message{"janus": "destroy"})
		}, "participant leaving 1", 1, []string{updated, "participant unpublished 1", "participant leaving 1"}},
		{"leave", func(_ *testing.T, _ *roomServer, p *speaker) {
			p.h.message(message{"request": "leave"}, nil)
		}, "participant leaving 1", 1, []string{"participant leaving 1"}},
		{"kick", func(_ *testing.T, v *roomServer, _ *speaker) {
			v.c.attach(roomPackage).message(message{"request": "kick", "room": 1, "id": 1}, nil)
		}, "participant kicked 1", 1, []string{"participant kicked 1"}},
		{"moderation", func(_ *testing.T, v *roomServer, p *speaker) {
			v.c.attach(roomPackage).message(message{"request": "moderate", "room": 1, "id": 1, "mid": "0", "mute": true}, nil)
			p.h.message(message{"request": "unpublish"}, nil)
		}, "participant unpublished 1", 1, []string{"participant moderation muted", updated, "participant unpublished 1"}},
		{"room destroyed", func(_ *testing.T, v *roomServer, _ *speaker) {
			v.c.attach(roomPackage).message(message{"request": "destroy", "room": 1}, nil)
		}, "participant destroyed", 1, []string{"participant destroyed"}},
	} {
		for _, by := range transports {
			t.Run(fmt.Sprintf("%s/%s %d", c.name, by.name, by.maxev), func(t *testing.T) {
				v := newRoomServer(t, 1)
				p := v.enter(1, 1, webrtctest.Options{})
				a := newOrderWatcher(v, by.name, by.maxev)
				c.act(t, v, p)
				if got := a.await(c.last, c.times); !slices.Equal(got, c.want) {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		}
	}
}
