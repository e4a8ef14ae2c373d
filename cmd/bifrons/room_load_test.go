package main

import (
	"fmt"
	"testing"
	"time"

	"bifrons/rtp/waittest"
	"bifrons/sfu/media"
	"bifrons/sfu/webrtctest"
)

// lossless fails the test if the server lost or refused packets.
func (v *roomServer) lossless() {
	v.t.Helper()
	drops := v.s.engine.Drops()
	for _, d := range []media.Drop{media.DropCrossing, media.DropSendQueue, media.DropNoBuffer} {
		if drops[d] > 0 {
			v.t.Errorf("%d packets dropped as %v", drops[d], d)
		}
	}
}

// shared fails the test unless both shards have a good part of the peers.
func (v *roomServer) shared() {
	v.t.Helper()
	stats := v.s.engine.Stats()
	var all uint64
	for _, st := range stats {
		all += st.Shard.Peers
	}
	for i, st := range stats {
		v.t.Logf("shard %d: %d peers, %d datagrams in, %d out in %d calls", i, st.Shard.Peers, st.Net.DatagramsIn, st.Net.DatagramsOut, st.Net.SyscallsOut)
		if st.Shard.Peers*3 < all || st.Net.DatagramsOut == 0 {
			v.t.Errorf("shard %d has %d of %d peers", i, st.Shard.Peers, all)
		}
	}
}

// bearable is a pace at which so many streams in all are not too much for pion
// under the race detector.
func bearable(streams int) webrtctest.Pace {
	return webrtctest.Pace{Frames: 50, Packets: 3, Every: max(40*time.Millisecond, time.Duration(streams)*1300*time.Microsecond)}
}

// TestRoomFansOut: one publisher, many subscribers; everybody gets every packet.
func TestRoomFansOut(t *testing.T) {
	waittest.NoLeaks(t)
	v := newRoomServer(t, 1)
	p := v.enter(1, 1, webrtctest.Options{})
	viewers := make([]*viewer, sized(30, 200))
	v.each(len(viewers), func(i int) { viewers[i] = v.view(1, webrtctest.Options{}, 1) })
	warmUp(t, p, viewers...)
	s := p.from()
	p.Play(bearable(len(viewers)))
	awaitAll(t, s, viewers...)
	v.lossless()
	v.shared()
	for _, w := range viewers {
		w.audio(1).Clean(t)
		w.video(1).Clean(t)
	}
}

// TestRoomsMesh: in several rooms everybody sends to everybody.
func TestRoomsMesh(t *testing.T) {
	waittest.NoLeaks(t)
	rooms, seats := sized(2, 4), sized(4, 6)
	v := newRoomServer(t, rooms)
	speakers, viewers := make([]*speaker, rooms*seats), make([]*viewer, rooms*seats)
	v.each(len(speakers), func(i int) { speakers[i] = v.enter(1+i/seats, 1+i%seats, webrtctest.Options{}) })
	v.each(len(viewers), func(i int) {
		var others []int
		for id := 1; id <= seats; id++ {
			if id != 1+i%seats {
				others = append(others, id)
			}
		}
		viewers[i] = v.view(1+i/seats, webrtctest.Options{}, others...)
	})
	others := func(i int) (list []*viewer) {
		for j, w := range viewers {
			if j != i && j/seats == i/seats {
				list = append(list, w)
			}
		}
		return list
	}
	v.each(len(speakers), func(i int) { warmUp(t, speakers[i], others(i)...) })
	spans := make([]span, len(speakers))
	v.each(len(speakers), func(i int) {
		spans[i] = speakers[i].from()
		speakers[i].Play(bearable(rooms * seats * (seats - 1)))
	})
	for i, s := range spans {
		awaitAll(t, s, others(i)...)
	}
	v.lossless()
	v.shared()
}

// TestRoomLoss: every link loses packets, and nearly nothing is missing in the
// end.
func TestRoomLoss(t *testing.T) {
	waittest.NoLeaks(t)
	const rate = 0.05
	v := newRoomServer(t, 1)
	p := v.enter(1, 1, webrtctest.Options{Eager: true})
	viewers := make([]*viewer, sized(4, 5))
	v.each(len(viewers), func(i int) { viewers[i] = v.view(1, webrtctest.Options{Eager: true}, 1) })
	warmUp(t, p, viewers...)
	p.Wire.Lose(rate, rate, 1)
	for i, w := range viewers {
		w.Wire.Lose(rate, rate, uint64(i)+2)
	}
	first := p.Video.Sent.Load() + 1
	m := webrtctest.Pace{Frames: sized(300, 3000), Packets: 3, Every: 20 * time.Millisecond}
	p.Play(m)
	last := p.Video.Sent.Load()
	p.Play(webrtctest.Pace{Frames: 20, Packets: 3, Every: m.Every}) // shows that the last ones were lost
	sent := int(last - first + 1)
	few := sent / sized(100, 1000)
	for i, w := range viewers {
		missing := func() int { return w.video(1).Missing(first, last) }
		waittest.Until(t, fmt.Sprintf("viewer %d has nearly all", i), func() bool { return missing() <= few })
		late := w.video(1).Late(p.Video, first, last, 200*time.Millisecond)
		t.Logf("viewer %d: of %d packets %d were lost on its link; %d are missing, %d took more than 200 ms", i, sent, w.Wire.Dropped(webrtctest.In), missing(), late)
		if soak() && late*1000 > sent {
			t.Errorf("viewer %d had to wait for %d of %d packets", i, late, sent)
		}
		if w.Wire.Dropped(webrtctest.In) < sent/40 {
			t.Errorf("only %d packets were lost, the test tests nothing", w.Wire.Dropped(webrtctest.In))
		}
	}
}
