package main

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	api "bifrons/api/client"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// steadyRoom is a publisher who plays all the time, and viewers who are to get
// every packet whatever happens to others.
type steadyRoom struct {
	*roomServer
	p       *speaker
	viewers []*viewer
	begun   span
	stop    func()
}

func newSteadyRoom(t *testing.T, viewers int) *steadyRoom {
	t.Helper()
	v := newRoomServer(t, 1)
	r := &steadyRoom{roomServer: v, p: v.enter(1, 1, webrtctest.Options{}), viewers: make([]*viewer, viewers)}
	v.each(viewers, func(i int) { r.viewers[i] = v.view(1, webrtctest.Options{}, 1) })
	warmUp(t, r.p, r.viewers...)
	r.begun = r.p.from()
	r.stop = r.p.KeepPlaying(webrtctest.Pace{Packets: 2, Every: 20 * time.Millisecond})
	return r
}

// unharmed waits for fresh media everywhere, then ends the play; nobody may lack
// anything.
func (r *steadyRoom) unharmed() {
	r.t.Helper()
	for _, w := range r.viewers {
		w.awaitFresh(r.p)
	}
	r.stop()
	awaitAll(r.t, r.begun, r.viewers...)
	r.lossless()
	for _, w := range r.viewers {
		w.never("hangup", "ice-failed", "detached")
	}
}

// TestRoomSurvivesDeadSubscriber: a subscriber's network is gone at once.
func TestRoomSurvivesDeadSubscriber(t *testing.T) {
	waittest.NoLeaks(t)
	r := newSteadyRoom(t, 3)
	dead := r.view(1, webrtctest.Options{}, 1)
	dead.awaitFresh(r.p)
	dead.Wire.Sever()
	r.viewers[0].awaitFresh(r.p)
	if soak() {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // that ICE gives up takes its time
		defer cancel()
		if _, err := dead.h.Await(ctx, func(m *api.Message) bool { return m.Janus == "hangup" }); err != nil {
			t.Fatalf("the dead subscriber is never given up: %v", err)
		}
	}
	r.unharmed()
}

// TestRoomSurvivesStuckSubscriber: a subscriber takes nothing from its socket,
// another none of its events.
func TestRoomSurvivesStuckSubscriber(t *testing.T) {
	waittest.NoLeaks(t)
	r := newSteadyRoom(t, 3)
	stuck := r.view(1, webrtctest.Options{}, 1)
	stuck.awaitFresh(r.p)
	stuck.Wire.Freeze()

	hear := joinDeaf(t, r.roomServer)
	about := message{"x": strings.Repeat("x", 16_000)}
	gone := r.c.attach(roomPackage)
	for n := 1; ; n++ { // until the one who does not listen is cut off
		other := r.c.attach(roomPackage)
		other.message(message{"request": "join", "ptype": "publisher", "room": 1, "id": 3, "metadata": about}, nil)
		other.awaitData("videoroom", "joined")
		other.message(message{"request": "leave"}, nil)
		other.awaitData("leaving", "ok")
		other.send(message{"janus": "detach"})
		r.p.h.Events() // the publisher hears of it
		if n%20 == 0 {
			list, _ := json.Marshal(gone.message(message{"request": "listparticipants", "room": 1}, nil))
			if !json.Valid(list) || !hasParticipant(list, 2) {
				t.Logf("cut off after %d events", n)
				break
			}
		}
		if n == 20_000 {
			t.Fatal("the server keeps everything for a client that reads nothing")
		}
	}
	hear()
	stuck.Wire.Thaw()
	stuck.awaitFresh(r.p)
	r.unharmed()
}

func hasParticipant(list []byte, id int) bool {
	var m struct {
		PluginData struct {
			Data struct{ Participants []struct{ ID int } }
		}
	}
	_ = json.Unmarshal(list, &m)
	for _, p := range m.PluginData.Data.Participants {
		if p.ID == id {
			return true
		}
	}
	return false
}

// joinDeaf makes participant 2 of room 1, who reads nothing from then on until hear is
// called.
func joinDeaf(t *testing.T, v *roomServer) (hear func()) {
	t.Helper()
	var deaf atomic.Bool
	over := make(chan struct{})
	c := dialURL(t, v.s.url("ws"), func(*api.Message) {
		if deaf.Load() {
			<-over
		}
	})
	hear = sync.OnceFunc(func() { close(over) })
	t.Cleanup(hear)
	h := c.attach(roomPackage)
	h.message(message{"request": "join", "ptype": "publisher", "room": 1, "id": 2}, nil)
	h.awaitData("videoroom", "joined")
	deaf.Store(true)
	return hear
}

// TestRoomPublisherRestartsICE: the publisher gets another path in mid-room.
func TestRoomPublisherRestartsICE(t *testing.T) {
	waittest.NoLeaks(t)
	r := newSteadyRoom(t, 3)
	for range 2 {
		r.p.publish(&webrtc.OfferOptions{ICERestart: true})
		for _, w := range r.viewers {
			w.awaitFresh(r.p)
		}
	}
	r.p.Wire.Move(t)
	for _, w := range r.viewers {
		w.awaitFresh(r.p)
	}
	for _, w := range r.viewers {
		w.video(1).Clean(t)
		w.never("hangup", "ice-failed", "detached")
	}
}

// TestRoomPublisherDropsLayers: a publisher of three encodings stops the higher
// ones and sends them again, as browsers do when their link gets worse.
func TestRoomPublisherDropsLayers(t *testing.T) {
	waittest.NoLeaks(t)
	v := newRoomServer(t, 1)
	p := v.enter(1, 1, webrtctest.Options{RIDs: []string{"h", "m", "l"}})
	w := v.view(1, webrtctest.Options{}, 1)
	w.video(1).Keep = true
	all, m := p.Layers, webrtctest.Pace{Packets: 2, Every: 20 * time.Millisecond}
	for _, top := range []int{2, 1, 0, 2, 0, 1, 2} {
		p.Layers = all[2-top:]
		stop := p.KeepPlaying(m)
		waittest.Until(t, "encoding "+strconv.Itoa(top)+" comes", func() bool { return w.video(1).Last() == top })
		before := w.video(1).Count()
		waittest.Until(t, "thirty more packets", func() bool { return w.video(1).Count() >= before+30 })
		stop()
	}
	w.video(1).Continuous(t)
}

// TestRoomChurn: people come and go all the time, publishers and subscribers, in
// three ways; those who stay notice nothing, and nothing is left behind.
func TestRoomChurn(t *testing.T) {
	waittest.NoLeaks(t)
	r := newSteadyRoom(t, 2)
	begun := time.Now()
	n := sized(48, 500)
	r.each(n, func(i int) {
		other := &roomServer{t: t, s: r.s, c: dial(t, r.s)}
		var p *pionPeer
		if i%2 == 0 {
			p = other.enter(1, 100+i, webrtctest.Options{}).pionPeer
			p.Play(webrtctest.Pace{Frames: 5, Packets: 2, Every: 20 * time.Millisecond})
		} else {
			w := other.view(1, webrtctest.Options{}, 1)
			w.awaitFresh(r.p)
			p = w.pionPeer
		}
		switch i / 2 % 3 {
		case 0:
			p.h.message(message{"request": "leave"}, nil)
		case 1:
			p.h.send(message{"janus": "detach"})
		}
		p.Close()
		other.c.Close()
	})
	t.Logf("%d joins and leaves in %v", n, time.Since(begun).Round(time.Millisecond))
	r.unharmed()
	waittest.Until(t, "one session is left", func() bool { return len(r.s.core.Sessions()) == 1 })
	waittest.Until(t, "one publisher and his viewers are left", func() bool {
		peers := uint64(0)
		for _, st := range r.s.engine.Stats() {
			peers += st.Shard.Peers
		}
		return peers == 3
	})
	m := r.c.attach(roomPackage).message(message{"request": "listparticipants", "room": 1}, nil)
	if list, _ := m.data()["participants"].([]any); len(list) != 1 {
		t.Errorf("participants: %v", list)
	}
}
