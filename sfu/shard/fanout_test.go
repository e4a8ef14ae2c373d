package shard

import (
	"fmt"
	"testing"
	"time"

	"bifrons/ice"
	"bifrons/ice/netio"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/simnet"
)

// fanOut is a shard with a publisher and viewers who are subscribed to it. All
// clients are deaf from then on.
func fanOut(t testing.TB, viewers int) (n *simnet.Network, publisher, server *side, away []*side) {
	n = simnet.New(40)
	publisher = newSide(t, n, "192.0.2.2:6000", true, simnet.Conditions{}, options())
	server = newSide(t, n, "192.0.2.1:5000", false, simnet.Conditions{}, options())
	connect(n, publisher, server)
	server.core.SetSections(n.Now, []media.Section{videoSection(200, 100, true)})
	deaf := []*side{publisher}
	for i := range viewers {
		client := newSide(t, n, fmt.Sprintf("192.0.2.3:%d", 7000+i), true, simnet.Conditions{}, options())
		v := &side{t: t, shard: server.shard, port: server.port, got: map[uint64]int{}}
		v.creds = ice.Credentials{Ufrag: fmt.Sprintf("viewer%d", i), Pwd: "password-of-a-viewer-xx"}
		v.core = server.shard.Add(peer.Config{ICE: v.creds, Candidates: []ice.Candidate{
			{Foundation: "1", Component: 1, Transport: "udp", Priority: 1 << 30, Addr: server.port.Addr},
		}}, v)
		connect(n, client, v)
		v.core.SetSections(n.Now, []media.Section{videoSection(400, 300, true)})
		v.core.Subscription(0).Attach(n.Now, server.core.Track(0))
		deaf, away = append(deaf, client), append(away, v)
	}
	for _, s := range deaf { // all at once, or the first would be given up
		s.port.Down = true
	}
	return n, publisher, server, away
}

// datagrams are what a side receives from another one.
func datagrams(from, to *side, list ...[]byte) []netio.Message {
	msgs := make([]netio.Message, len(list))
	for i, b := range list {
		msgs[i] = netio.Message{Buf: b, N: len(b), Remote: from.port.Addr, Local: to.port.Addr.Addr()}
	}
	return msgs
}

// Key frames are asked for at intervals, but only as long as none comes by
// itself.
func TestKeyframePeriod(t *testing.T) {
	n := simnet.New(8)
	_, server, src := echo(t, n, simnet.Conditions{Delay: 5 * time.Millisecond}, options(), true)
	run(n, src, time.Second)
	asked := func(keys bool) uint64 {
		before := server.core.Counters().PLIsOut
		for range 6 {
			src.key = keys
			run(n, src, time.Second)
		}
		return server.core.Counters().PLIsOut - before
	}
	if got := asked(false); got != 0 {
		t.Errorf("asked for %d key frames without a period", got)
	}
	server.core.SetKeyframePeriod(2 * time.Second)
	if got := asked(false); got < 2 || got > 3 {
		t.Errorf("asked for %d key frames in 6 s, want one every 2 s", got)
	}
	src.key = true
	run(n, src, time.Second)
	if got := asked(true); got != 0 {
		t.Errorf("asked for %d key frames though they came every second", got)
	}
	server.core.SetKeyframePeriod(0)
	if got := asked(false); got != 0 {
		t.Errorf("asked for %d key frames after the period was taken back", got)
	}
}

// To many subscribers a frame goes as a whole, unless its end is late.
func TestHalfFramesWait(t *testing.T) {
	packets := sealedVideo(t, 9, 100, "0") // three frames of three packets
	for _, viewers := range []int{2, 10} {
		n, publisher, server, away := fanOut(t, viewers)
		now, sent := n.Now, uint64(0)
		inject := func(after time.Duration, list ...[]byte) {
			now = now.Add(after)
			server.shard.Inject(now, datagrams(publisher, server, list...))
		}
		expect := func(what string, few, many uint64) {
			t.Helper()
			if viewers > 2 {
				few = many
			}
			sent += few
			for i, v := range away {
				if got := v.core.Counters().PacketsOut; got != sent {
					t.Fatalf("%d viewers, %s: viewer %d got %d packets, want %d", viewers, what, i, got, sent)
				}
			}
		}
		inject(10*time.Millisecond, packets[:3]...)
		expect("a frame", 3, 3)
		inject(10*time.Millisecond, packets[3:5]...)
		expect("the beginning of a frame", 2, 0)
		if due := server.shard.Next(); viewers > 2 && due != now.Add(time.Millisecond) {
			t.Errorf("the next pass is due in %v", due.Sub(now))
		}
		inject(500*time.Microsecond, packets[5])
		expect("its end", 1, 3)
		inject(10*time.Millisecond, packets[6])
		expect("the beginning of another one", 1, 0)
		inject(time.Millisecond)
		expect("no end", 0, 1)
		inject(time.Millisecond, packets[7:]...)
		expect("a late end", 2, 2)
	}
}
