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

// BenchmarkFanOut takes a frame of five packets to fifty subscribers without a
// socket; the time is that of one delivered packet.
func BenchmarkFanOut(b *testing.B) {
	const viewers, frame, lap = 50, 5, 2000 // before ICE gives up
	var now mono.Time
	var home *Shard
	var msgs []netio.Message
	packets := sealedVideo(b, lap*frame, 100, "0")
	begin := func() {
		n := simnet.New(40)
		publisher := newSide(b, n, "192.0.2.2:6000", true, simnet.Link{}, options())
		server := newSide(b, n, "192.0.2.1:5000", false, simnet.Link{}, options())
		connect(n, publisher, server)
		server.core.SetSections(n.Now, []media.Section{videoSection(200, 100, true)})
		for i := range viewers {
			client := newSide(b, n, fmt.Sprintf("192.0.2.3:%d", 7000+i), true, simnet.Link{}, options())
			creds := ice.Credentials{Ufrag: fmt.Sprintf("viewer%d", i), Pwd: "password-of-a-viewer-xx"}
			away := &side{t: b, shard: server.shard, port: server.port, creds: creds, got: map[uint64]int{}}
			away.core = server.shard.Add(peer.Config{ICE: creds, Candidates: []ice.Candidate{
				{Foundation: "1", Component: 1, Transport: "udp", Priority: 1 << 30, Addr: server.port.Addr},
			}}, away)
			connect(n, client, away)
			away.core.SetSections(n.Now, []media.Section{videoSection(400, 300, true)})
			away.core.Subscription(0).Attach(n.Now, server.core.Track(0))
			if away.core.Subscription(0).Track() == nil {
				b.Fatal("subscription was refused")
			}
			client.port.Down = true
		}
		publisher.port.Down = true
		home, now = server.shard, n.Now
		msgs = make([]netio.Message, frame)
		for i := range msgs {
			msgs[i].Remote, msgs[i].Local = publisher.port.Addr, server.port.Addr.Addr()
		}
	}
	begin()
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += viewers * frame {
		k := i / (viewers * frame) % lap
		if k == 0 && i > 0 {
			b.StopTimer()
			begin()
			b.StartTimer()
		}
		now += mono.Time(10 * time.Millisecond)
		for j := range msgs {
			msgs[j].Buf, msgs[j].N = packets[k*frame+j], len(packets[k*frame+j])
		}
		home.Inject(now, msgs)
	}
}
