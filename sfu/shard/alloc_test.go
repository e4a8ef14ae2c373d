package shard

import (
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/ice/netio"
	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/simnet"
)

// sealedVideo returns n SRTP packets of the client's video stream, with mid,
// abs-send-time and transport-wide sequence numbers.
func sealedVideo(t testing.TB, n int, ssrc uint32, mid string) [][]byte {
	t.Helper()
	tx, err := srtp.NewSender(srtp.AEADAES128GCM, make([]byte, 16), make([]byte, 12))
	if err != nil {
		t.Fatal(err)
	}
	list := make([][]byte, n)
	for i := range list {
		b := make([]byte, 12, 1300)
		rtp.FixedHeader{Marker: i%3 == 2, PayloadType: 96, SequenceNumber: uint16(i + 1), Timestamp: uint32(i/3) * 3000, SSRC: ssrc}.Put(b)
		var w rtp.ExtensionWriter
		w.Reset(b)
		w.AddUint24(2, uint32(i))
		w.AddUint16(3, uint16(i))
		w.AddString(4, mid)
		b = w.Finish()
		rtp.SetExtensionBit(b)
		head := len(b)
		payload := make([]byte, 1100)
		copy(payload, []byte{0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0})
		if i > 0 {
			payload[1] = 1
		}
		size, err := tx.SealRTP(b[:1300], head, payload, uint32((i+1)>>16))
		if err != nil {
			t.Fatal(err)
		}
		list[i] = b[:size]
	}
	return list
}

// server is a shard with one peer that echoes the client's video.
func echoServer(t testing.TB) (*simnet.Network, *side, *side) {
	n := simnet.New(20)
	client, server, _ := echo(t, n, simnet.Conditions{}, options(), true)
	server.port.Conditions.Loss = 0
	client.port.Down = true
	return n, client, server
}

// TestPacketPathAllocatesNothing takes a packet from the datagram to the
// retransmission cache and out again.
func TestPacketPathAllocatesNothing(t *testing.T) {
	n, client, server := echoServer(t)
	packets := sealedVideo(t, 6000, 100, "0")
	msg := []netio.Message{{Remote: client.port.Addr, Local: server.port.Addr.Addr()}}
	now, i := n.Now, 0
	inject := func(b []byte) {
		now += mono.Time(4 * time.Millisecond)
		msg[0].Buf, msg[0].N = b, len(b)
		server.shard.Inject(now, msg)
	}
	next := func() { inject(packets[i]); i++ }
	for range 3000 {
		next()
	}
	out := server.core.Counters().PacketsOut
	if allocs := testing.AllocsPerRun(1000, next); allocs != 0 {
		t.Errorf("%v allocations a packet", allocs)
	}
	if got := server.core.Counters().PacketsOut - out; got < 1000 {
		t.Fatalf("only %d packets were forwarded", got)
	}
}

// TestFanOutAllocatesNothing takes whole frames through a shard to a room of
// subscribers with SRTP.
func TestFanOutAllocatesNothing(t *testing.T) {
	const viewers, frame, warm, measured = 60, 3, 1200, 300
	n, publisher, server, away := fanOut(t, viewers)
	packets := sealedVideo(t, (warm+measured+1)*frame, 100, "0")
	now := n.Now
	msgs := datagrams(publisher, server, packets[:frame]...)
	next := func() {
		now += mono.Time(10 * time.Millisecond)
		server.shard.Inject(now, refill(msgs, packets))
		packets = packets[frame:]
	}
	for range warm {
		next()
	}
	before := away[0].core.Counters().PacketsOut
	if allocs := testing.AllocsPerRun(measured, next); allocs != 0 {
		t.Errorf("%v allocations a frame for %d subscribers", allocs, viewers)
	}
	for i, v := range away {
		if got := v.core.Counters().PacketsOut; got < before+measured*frame {
			t.Fatalf("subscriber %d got %d packets of %d", i, got-before, measured*frame)
		}
	}
}

// TestCrossingAllocatesNothing takes frames to subscribers on other shards.
func TestCrossingAllocatesNothing(t *testing.T) {
	const frame, warm, measured = 3, 1200, 300
	c := crossed(t)
	packets := sealedVideo(t, (warm+measured+1)*frame, 100, "0")
	now := c.net.Now
	msgs := datagrams(c.publisher, c.home, packets[:frame]...)
	next := func() {
		now += mono.Time(10 * time.Millisecond)
		c.cross(now, refill(msgs, packets))
		packets = packets[frame:]
	}
	for range warm {
		next()
	}
	before := c.away[1].core.Counters().PacketsOut
	if allocs := testing.AllocsPerRun(measured, next); allocs != 0 {
		t.Errorf("%v allocations a frame", allocs)
	}
	if got := c.away[1].core.Counters().PacketsOut - before; got < measured*frame {
		t.Fatalf("only %d packets crossed", got)
	}
}

// TestRefusedPacketsAllocateNothing takes packets that go no further.
func TestRefusedPacketsAllocateNothing(t *testing.T) {
	n, client, server := echoServer(t)
	packets := sealedVideo(t, 10, 100, "0")
	unknown := sealedVideo(t, 10, 4711, "nobody")
	forged := append([]byte(nil), packets[9]...)
	forged[len(forged)-1]++
	report := append([]byte{0x80, 201, 0, 1, 0, 0, 0, 100}, make([]byte, 20)...)
	cases := []struct {
		name   string
		b      []byte
		reason media.Drop
	}{
		{"replay", packets[0], media.DropSRTPReplay},
		{"forged", forged, media.DropSRTPAuth},
		{"unknown SSRC", unknown[5], media.DropSSRCUnknown},
		{"short", []byte{0x80, 96, 0}, media.DropRTPMalformed},
		{"forged RTCP", report, media.DropSRTPAuth},
		{"garbage", []byte{0x55, 1, 2, 3}, media.DropUnknownClass},
		{"STUN without integrity", append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...), media.DropSTUNUsername},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			msg := []netio.Message{{Remote: client.port.Addr, Local: server.port.Addr.Addr()}}
			inject := func() {
				msg[0].Buf, msg[0].N = c.b, len(c.b)
				server.shard.Inject(n.Now, msg)
			}
			inject()
			before := server.shard.Stats().Drops
			if allocs := testing.AllocsPerRun(100, inject); allocs != 0 {
				t.Errorf("%v allocations", allocs)
			}
			after := server.shard.Stats().Drops
			if after[c.reason]-before[c.reason] != 101 {
				for i := range after {
					if d := after[i] - before[i]; d > 0 {
						t.Errorf("counted as %v %d times, want %v", media.Drop(i), d, c.reason)
					}
				}
			}
		})
	}
}
