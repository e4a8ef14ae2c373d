package shard

import (
	"fmt"
	"testing"
	"time"

	"bifrons/ice"
	"bifrons/ice/netio"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/simnet"
)

// BenchmarkEcho takes one packet of 1100 bytes through a shard without a
// socket: decrypt, route, encrypt, queue.
func BenchmarkEcho(b *testing.B) {
	n, client, server := echoServer(b)
	const lap = 1 << 15
	packets := sealedVideo(b, lap, 100, "0")
	msg := []netio.Message{{Remote: client.port.Addr, Local: server.port.Addr.Addr()}}
	now := n.Now
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		if i%lap == 0 && i > 0 {
			b.StopTimer()
			n, client, server = echoServer(b)
			msg[0].Remote, msg[0].Local = client.port.Addr, server.port.Addr.Addr()
			now = n.Now
			b.StartTimer()
		}
		now += mono.Time(time.Millisecond)
		p := packets[i%lap]
		msg[0].Buf, msg[0].N = p, len(p)
		server.shard.Inject(now, msg)
	}
}

// fanOut is a shard with a publisher and viewers who are subscribed to it. All
// clients are deaf from then on.
func fanOut(t testing.TB, viewers int) (n *simnet.Network, publisher, server *side, away []*side) {
	n = simnet.New(40)
	publisher = newSide(t, n, "192.0.2.2:6000", true, simnet.Link{}, options())
	server = newSide(t, n, "192.0.2.1:5000", false, simnet.Link{}, options())
	connect(n, publisher, server)
	server.core.SetSections(n.Now, []media.Section{videoSection(200, 100, true)})
	for i := range viewers {
		client := newSide(t, n, fmt.Sprintf("192.0.2.3:%d", 7000+i), true, simnet.Link{}, options())
		v := &side{t: t, shard: server.shard, port: server.port, got: map[uint64]int{}}
		v.creds = ice.Credentials{Ufrag: fmt.Sprintf("viewer%d", i), Pwd: "password-of-a-viewer-xx"}
		v.core = server.shard.Add(peer.Config{ICE: v.creds, Candidates: []ice.Candidate{
			{Foundation: "1", Component: 1, Transport: "udp", Priority: 1 << 30, Addr: server.port.Addr},
		}}, v)
		connect(n, client, v)
		v.core.SetSections(n.Now, []media.Section{videoSection(400, 300, true)})
		v.core.Subscription(0).Attach(n.Now, server.core.Track(0))
		client.port.Down = true
		away = append(away, v)
	}
	publisher.port.Down = true
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

// BenchmarkFanOut takes a frame of three packets to fifty subscribers without a
// socket; the time is that of one delivered packet.
func BenchmarkFanOut(b *testing.B) {
	const viewers, frame, lap = 50, 3, 2000 // before ICE gives up
	packets := sealedVideo(b, lap*frame, 100, "0")
	n, publisher, server, _ := fanOut(b, viewers)
	now := n.Now
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += viewers * frame {
		k := i / (viewers * frame) % lap
		if k == 0 && i > 0 {
			b.StopTimer()
			n, publisher, server, _ = fanOut(b, viewers)
			now = n.Now
			b.StartTimer()
		}
		now += mono.Time(10 * time.Millisecond)
		server.shard.Inject(now, datagrams(publisher, server, packets[k*frame:(k+1)*frame]...))
	}
}
