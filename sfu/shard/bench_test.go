package shard

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/ice"
	"bifrons/ice/netio"
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/rtp/twcc"
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

// BenchmarkFanOut takes a frame of three packets to subscribers without a socket;
// the time is that of one delivered packet.
func BenchmarkFanOut(b *testing.B) {
	for _, viewers := range []int{20, 50, 200} {
		b.Run(fmt.Sprint(viewers), func(b *testing.B) { benchmarkFanOut(b, viewers) })
	}
}

func benchmarkFanOut(b *testing.B, viewers int) {
	const frame, lap = 3, 2000 // before ICE gives up
	packets := sealedVideo(b, lap*frame, 100, "0")
	n, publisher, server, _ := fanOut(b, viewers)
	now := n.Now
	msgs := datagrams(publisher, server, packets[:frame]...)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += viewers * frame {
		k := i / (viewers * frame) % lap
		if k == 0 && i > 0 {
			b.StopTimer()
			n, publisher, server, _ = fanOut(b, viewers)
			now, msgs = n.Now, datagrams(publisher, server, packets[:frame]...)
			b.StartTimer()
		}
		now += mono.Time(10 * time.Millisecond)
		server.shard.Inject(now, refill(msgs, packets[k*frame:]))
	}
}

// BenchmarkFanOutTold is BenchmarkFanOut with subscribers who tell every 50 ms what arrived,
// without and with estimation of their lines.
func BenchmarkFanOutTold(b *testing.B) {
	for _, on := range []bool{false, true} {
		b.Run(fmt.Sprint(on), func(b *testing.B) { benchmarkTold(b, on) })
	}
}

func benchmarkTold(b *testing.B, on bool) {
	const viewers, frame, lap, each = 50, 3, 2000, 5
	packets := sealedVideo(b, lap*frame, 100, "0")
	reports := sealedReports(b, lap/each, each*frame, 10*time.Millisecond, frame)
	var n *simnet.Network
	var publisher, server *side
	var told []netio.Message
	var now mono.Time
	begin := func() {
		var away []*side
		n, publisher, server, away = fanOut(b, viewers)
		now, told = n.Now, told[:0]
		for i, v := range away {
			if on {
				v.core.SetEstimation(now, peer.Estimation{On: true, Start: 20_000_000})
			}
			told = append(told, netio.Message{
				Remote: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.3"), uint16(7000+i)), Local: server.port.Addr.Addr(),
			})
		}
	}
	begin()
	msgs := datagrams(publisher, server, packets[:frame]...)
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
		server.shard.Inject(now, refill(msgs, packets[k*frame:]))
		if k%each != each-1 {
			continue
		}
		for j := range told {
			told[j].Buf, told[j].N = reports[k/each], len(reports[k/each])
		}
		server.shard.Inject(now, told)
	}
}

// sealedReports are transport-wide feedback on so many packets each, which came in frames of
// some, one every so long.
func sealedReports(t testing.TB, n, packets int, every time.Duration, frame int) [][]byte {
	t.Helper()
	tx, err := srtp.NewSender(srtp.AEADAES128GCM, make([]byte, 16), make([]byte, 12))
	if err != nil {
		t.Fatal(err)
	}
	var rx twcc.Receiver
	list := make([][]byte, n)
	now, seq := mono.Time(time.Hour), uint16(0)
	for i := range list {
		for k := range packets {
			if k%frame == 0 {
				now = now.Add(every)
			}
			seq++
			rx.Arrive(now, seq)
		}
		plain := rx.Append(nil, rtcp.Ends{Sender: 300, Media: 400})
		b := make([]byte, len(plain)+40)
		size, err := tx.SealRTCP(b, plain)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = b[:size]
	}
	return list
}

// BenchmarkCrossing takes a frame of three packets to one subscriber on each of
// two other shards; the time is that of one delivered packet.
func BenchmarkCrossing(b *testing.B) {
	const frame, lap = 3, 2000
	packets := sealedVideo(b, lap*frame, 100, "0")
	var c *conference
	var now mono.Time
	var msgs []netio.Message
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += 2 * frame {
		k := i / (2 * frame) % lap
		if k == 0 {
			b.StopTimer()
			c = crossed(b)
			now, msgs = c.net.Now, datagrams(c.publisher, c.home, packets[:frame]...)
			b.StartTimer()
		}
		now += mono.Time(10 * time.Millisecond)
		c.cross(now, refill(msgs, packets[k*frame:]))
	}
}

// refill puts the next packets into messages.
func refill(msgs []netio.Message, packets [][]byte) []netio.Message {
	for i := range msgs {
		msgs[i].Buf, msgs[i].N = packets[i], len(packets[i])
	}
	return msgs
}

// crossed is a conference in which both viewers are subscribed and all clients
// are deaf.
func crossed(t testing.TB) *conference {
	c := newConference(t, simnet.Conditions{})
	c.subscribe(0)
	c.subscribe(1)
	for _, s := range append([]*side{c.publisher}, c.viewers...) {
		s.port.Down = true
	}
	return c
}

// cross is a pass of all shards.
func (c *conference) cross(now mono.Time, in []netio.Message) {
	c.home.shard.Inject(now, in)
	for _, s := range c.away {
		s.shard.Inject(now, nil)
	}
}

// BenchmarkEgress queues datagrams of one size to one destination, as a frame is
// for a subscriber; the time is that of one datagram.
func BenchmarkEgress(b *testing.B) {
	e := newEgress(func(ms []netio.Message) (int, error) { return len(ms), nil }, func(media.Drop) {})
	paths := make([]ice.Path, 100)
	for i := range paths {
		paths[i] = ice.Path{Local: netip.MustParseAddr("192.0.2.1"), Remote: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), uint16(i+1))}
	}
	const run = 7
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_ = e.reserve()
		e.commit(paths[i/run%len(paths)], 1150)
		if i%(run*len(paths)) == 0 {
			e.flush()
		}
	}
}
