package main

import (
	"encoding/json"
	"fmt"
	nethttp "net/http"
	"slices"
	"strings"
	"testing"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// orderWatcher is a client in one session: a participant who does not publish and a
// subscriber to the only one who does.
type orderWatcher struct {
	t           testing.TB
	c           *client
	participant *handle
	subscriber  *viewer
	poll        string // URL of the long poll, "" = events come by the WebSocket
	past        int    // events of the WebSocket that were looked at
	got         []message
}

// newOrderWatcher lets a client subscribe to participant 1 of room 1. Events then come
// by the transport: "websocket", or "http" with polls of up to maxev events.
func newOrderWatcher(v *roomServer, transport string, maxev int) *orderWatcher {
	v.t.Helper()
	own := &roomServer{t: v.t, s: v.s, c: dial(v.t, v.s)}
	a := &orderWatcher{t: v.t, c: own.c}
	a.participant = own.c.attach(roomPackage)
	a.participant.message(message{"request": "join", "ptype": "publisher", "room": 1, "id": 2}, nil)
	a.participant.awaitData("videoroom", "joined")
	a.subscriber = own.view(1, webrtctest.Options{}, 1)
	own.c.mu.Lock()
	a.past = len(own.c.order)
	own.c.mu.Unlock()
	if transport == "http" {
		base := fmt.Sprintf("http://127.0.0.1:%d/janus", v.s.port("http"))
		session := fmt.Sprintf("%s/%d", base, own.c.session)
		res, err := nethttp.Post(session, "application/json", strings.NewReader(`{"janus":"claim","transaction":"claim"}`))
		if err != nil {
			v.t.Fatal(err)
		}
		res.Body.Close()
		a.poll = fmt.Sprintf("%s?maxev=%d", session, maxev)
	}
	return a
}

// next takes what has come since the last call, waiting for something.
func (a *orderWatcher) next() []message {
	a.t.Helper()
	if a.poll == "" {
		var fresh []message
		waittest.Until(a.t, "more events", func() bool {
			a.c.mu.Lock()
			defer a.c.mu.Unlock()
			fresh = slices.Clone(a.c.order[a.past:])
			a.past = len(a.c.order)
			return len(fresh) > 0
		})
		return fresh
	}
	res, err := nethttp.Get(a.poll)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	var raw json.RawMessage
	if err := json.NewDecoder(res.Body).Decode(&raw); err != nil {
		a.t.Fatal(err)
	}
	var list []message
	if json.Unmarshal(raw, &list) != nil {
		var one message
		if err := json.Unmarshal(raw, &one); err != nil {
			a.t.Fatal(err)
		}
		list = []message{one}
	}
	return list
}

// outline names an event by its handle and what it says; "" leaves it out.
func (a *orderWatcher) outline(m message) string {
	who := "participant"
	if sender, _ := m["sender"].(float64); uint64(sender) == a.subscriber.h.id {
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
		a.got = append(a.got, a.next()...)
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
