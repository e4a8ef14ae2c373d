package shard

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"bifrons/ice/netio"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
	"bifrons/sfu/simnet"
)

// moderated is a socket that notes how it is looked at.
type moderated struct {
	*simnet.Port
	every time.Duration
}

func (m *moderated) Moderate(d time.Duration) { m.every = d }

// watched is a shard with a peer that sends video, and no sink but those that a test attaches.
type watched struct {
	*side
	client  *side
	sock    *moderated
	now     mono.Time
	packets [][]byte
}

func newWatched(t *testing.T) *watched {
	n, client, server := echoServer(t)
	w := &watched{side: server, client: client, sock: &moderated{Port: server.port}, now: n.Now, packets: sealedVideo(t, 4000, 100, "0")}
	server.shard.sock, server.shard.cfg.RecvBuffer = w.sock, 1<<20
	server.core.Subscription(0).Detach()
	return w
}

// come has a shard get what comes in d, each packet on its own and step after the one before.
func (w *watched) come(d, step time.Duration) {
	for end := w.now.Add(d); w.now < end; w.packets = w.packets[1:] {
		w.now = w.now.Add(step)
		w.take(datagrams(w.client, w.side, w.packets[0]))
	}
}

func (w *watched) take(in []netio.Message) {
	w.shard.Inject(w.now, in)
	w.shard.moderate(len(in))
}

// arrivals is a sink that notes when packets came.
type arrivals struct{ at []mono.Time }

func (a *arrivals) Send(_ mono.Time, p *route.Packet, _ route.Outgoing) {
	a.at = append(a.at, p.Arrival)
}
func (a *arrivals) Fill(mono.Time, *route.Packet, route.Outgoing) {}
func (a *arrivals) LayerChanged(media.Layer, media.Layer)         {}

// TestModerate: the socket is looked at by intervals while nobody waits for what comes, and only
// while that is much.
func TestModerate(t *testing.T) {
	w := newWatched(t)
	check := func(what string, want time.Duration) {
		t.Helper()
		if w.sock.every != want {
			t.Errorf("%s: looks every %v, not %v", what, w.sock.every, want)
		}
	}
	recorder := route.NewSubscription(new(arrivals))
	recorder.Patient()
	recorder.Attach(w.now, w.core.Track(0))
	w.come(time.Second, 20*time.Millisecond)
	check("few packets", 0)
	w.come(time.Second, 2*time.Millisecond)
	check("a recording", lookEvery)

	viewer := route.NewSubscription(new(arrivals))
	viewer.SetPaused(w.now, true)
	viewer.Attach(w.now, w.core.Track(0))
	w.come(time.Second, 2*time.Millisecond)
	check("a viewer who pauses", lookEvery)
	viewer.SetPaused(w.now, false)
	w.come(time.Millisecond, time.Millisecond)
	check("a viewer", 0)
	w.come(time.Second, 2*time.Millisecond)
	check("a viewer stays", 0)
	viewer.Detach()
	w.come(time.Second, 2*time.Millisecond)
	check("without the viewer", lookEvery)

	dtls := []byte{23, 0xfe, 0xfd, 0, 0}
	w.take(datagrams(w.client, w.side, dtls))
	check("a message of a data channel", 0)
	w.come(time.Second, 2*time.Millisecond)
	check("long after it", lookEvery)
	w.now = w.now.Add(time.Minute)
	w.come(time.Millisecond, time.Millisecond)
	check("after a pause", 0)
}

// TestArrival: packets that waited for a look are said to have come when they did.
func TestArrival(t *testing.T) {
	w := newWatched(t)
	sink := new(arrivals)
	sub := route.NewSubscription(sink)
	sub.Attach(w.now, w.core.Track(0))
	const ms = mono.Time(time.Millisecond)
	w.now += 10 * ms
	w.take(datagrams(w.client, w.side, w.packets[0]))
	in := datagrams(w.client, w.side, w.packets[1:5]...)
	in[0].Age = 50 * time.Millisecond // longer than since the pass before
	in[1].Age, in[2].Age = 3*time.Millisecond, 4*time.Millisecond
	w.now += 10 * ms
	w.take(in)
	var got []mono.Time
	for _, at := range sink.at {
		got = append(got, (at-w.now)/ms)
	}
	if want := []mono.Time{-10, -10, -3, -3, 0}; !slices.Equal(got, want) || w.shard.now != w.now {
		t.Errorf("packets came at %v, not %v", got, want)
	}
}

func TestInterval(t *testing.T) {
	const kb = 1 << 10
	for _, x := range []struct {
		looks, packets, buffer int
		now, want              time.Duration
	}{
		{0, 0, 4096 * kb, 0, 0},
		{99, 99, 4096 * kb, 0, 0},
		{100, 100, 4096 * kb, 0, lookEvery},
		{99, 20000, 4096 * kb, 0, 0}, // batches as it is
		{50, 100, 4096 * kb, lookEvery, lookEvery},
		{50, 99, 4096 * kb, lookEvery, 0},
		{2000, 10000, 208 * kb, 0, 2600 * time.Microsecond}, // 26 of 52 packets
		{2000, 50000, 208 * kb, 0, 0},
		{2000, 20000, 4096 * kb, 0, lookEvery},
		{2000, 50000, 4096 * kb, 0, 10240 * time.Microsecond}, // 512 of 1024
	} {
		s := &Shard{cfg: Config{RecvBuffer: x.buffer}, watch: watch{looks: x.looks, packets: x.packets, interval: x.now}}
		if got := s.interval(time.Second); got != x.want {
			t.Errorf("%s: %v", fmt.Sprint(x), got)
		}
	}
}
