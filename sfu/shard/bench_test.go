package shard

import (
	"testing"
	"time"

	"bifrons/ice/netio"
	"bifrons/rtp/mono"
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
