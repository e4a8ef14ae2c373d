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
