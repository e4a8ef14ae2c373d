package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// TestOverviewSeats: the overview knows where clients of all plugins with rooms and calls
// are, by the titles of those.
func TestOverviewSeats(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, withAdmin)
	c := dial(t, s)
	must := func(m message) {
		t.Helper()
		if m["janus"] == "error" || m.data()["error"] != nil {
			t.Fatal(m)
		}
	}
	video := c.attach(roomPackage)
	must(video.message(message{"request": "create", "room": 7, "description": "Board"}, nil))
	must(video.message(message{"request": "join", "ptype": "publisher", "room": 7, "id": 3, "display": "Ann"}, nil))
	video.awaitData("videoroom", "joined")
	audio := c.attach("janus.plugin.audiobridge")
	must(audio.message(message{"request": "create", "room": 8, "description": "Phones"}, nil))
	must(audio.message(message{"request": "join", "room": 8, "id": 4, "display": "Bob"}, nil))
	audio.awaitData("audiobridge", "joined")
	stream := c.attach("janus.plugin.streaming")
	must(stream.message(message{"request": "create", "type": "rtp", "id": 9, "description": "Camera", "media": []message{
		{"type": "audio", "mid": "a", "port": 0, "pt": 111, "codec": "opus"}}}, nil))
	must(stream.message(message{"request": "watch", "id": 9}, nil))
	stream.awaitData("streaming", "event")
	var sides [2]*pionPeer
	for i, name := range []string{"cem", "dora"} {
		h := c.attach("janus.plugin.videocall")
		h.message(message{"request": "register", "username": name}, nil)
		h.await("registered", func(m message) bool { return strings.Contains(fmt.Sprint(m.data()), "registered") })
		sides[i] = newPionPeer(t, h, webrtctest.Options{})
	}
	offer, err := sides[0].PC.CreateOffer(nil)
	sides[0].Must(err)
	sides[0].setLocal(offer)
	must(sides[0].h.message(message{"request": "call", "username": "dora"}, sides[0].jsep()))
	sides[1].h.await("a call", func(m message) bool { return strings.Contains(fmt.Sprint(m.data()), "incomingcall") })

	o := s.ask(t, nil, message{"janus": "overview"}).at("overview")
	var got []string
	for _, g := range o.at("groups")["list"].([]any) {
		g := message(g.(map[string]any))
		rows := s.ask(t, nil, message{"janus": "list_connections", "plugin": g["plugin"], "kind": g["kind"], "room": g["room"]}).at("connections")["list"].([]any)
		var who []string
		for _, r := range rows {
			r := message(r.(map[string]any))
			who = append(who, fmt.Sprint(r["role"], " ", r["name"], " ", r["user"], " ", r["call_state"]))
		}
		slices.Sort(who)
		got = append(got, fmt.Sprint(g["kind"], " ", g["room"], " ", g["title"], ": ", strings.Join(who, ", ")))
	}
	slices.Sort(got)
	want := []string{
		"call cem → dora <nil>: callee dora <nil> ringing, caller cem <nil> ringing",
		"mountpoint 9 Camera: viewer <nil> <nil> <nil>",
		"room 7 Board: participant Ann 3 <nil>",
		"room 8 Phones: participant Bob 4 <nil>",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
