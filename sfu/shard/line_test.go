package shard

import (
	"net/netip"
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/ice/netio"
	"bifrons/rtp/bwe"
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/simnet"
)

// estimate switches estimation on.
func (s *side) estimate(now mono.Time) {
	s.core.SetEstimation(now, peer.Estimation{On: true})
	s.shard.Touch(s.core)
}

// isRTP reports whether a datagram is RTP (RFC 7983), and no RTCP (RFC 5761).
func isRTP(b []byte) bool { return b[0]>>6 == 2 && (b[1] < 192 || b[1] > 223) }

// TestLineHearsOfEveryPacket compares what the line knows with what was on the wire.
func TestLineHearsOfEveryPacket(t *testing.T) {
	const delay = 20 * time.Millisecond
	n := simnet.New(40)
	client, server, src := echo(t, n, simnet.Conditions{Delay: delay}, options(), true)
	client.port.Conditions.Loss = 0.1
	server.estimate(n.Now)
	var sent, bytes uint64
	n.Sniff = func(from, _ netip.AddrPort, b []byte) {
		if from == server.port.Addr && isRTP(b) {
			sent++
			bytes += uint64(len(b) + 28)
		}
	}
	run(n, src, 5*time.Second)
	n.RunFor(time.Second)

	l := server.core.Snapshot(n.Now).Line
	if l == nil || l.Feedback != peer.FeedbackTransport {
		t.Fatalf("line %+v", l)
	}
	if l.Resent.Packets == 0 {
		t.Fatal("nothing was sent again")
	}
	if got := l.Video.Packets + l.Resent.Packets + l.Probed.Packets; got != sent {
		t.Errorf("%d packets sent, was %d", got, sent)
	}
	if got := l.Video.Bytes + l.Resent.Bytes + l.Probed.Bytes; got != bytes {
		t.Errorf("%d bytes sent, was %d", got, bytes)
	}
	c := l.Counts
	if missing := sent - c.Received - c.Lost; missing > 3 { // lost at the very end
		t.Errorf("%d of %d packets were not reported", missing, sent)
	}
	if part := float64(c.Lost) / float64(sent); part < 0.05 || part > 0.15 {
		t.Errorf("%d of %d lost, want a tenth", c.Lost, sent)
	}
	if c.NeverSent+c.TooOld+c.Misnumbered > 0 {
		t.Errorf("unknown packets: %+v", c)
	}
	if l.RTT < 2*delay || l.RTT > 2*delay+options().TWCCPeriod+50*time.Millisecond {
		t.Errorf("round trip %v, was %v", l.RTT, 2*delay)
	}
	if l.Reason == bwe.Starting || l.Target == 0 {
		t.Errorf("estimate %v for the reason %v", l.Target, l.Reason)
	}
}

func TestFeedbackAllocatesNothing(t *testing.T) {
	const warm, measured = 3000, 1000
	n, client, server := echoServer(t)
	server.core.SetEstimation(n.Now, peer.Estimation{On: true, Start: 20_000_000})
	packets := sealedVideo(t, warm+measured+1, 100, "0")
	tx, err := srtp.NewSender(srtp.AEADAES128GCM, make([]byte, 16), make([]byte, 12))
	if err != nil {
		t.Fatal(err)
	}
	reports := make([][]byte, len(packets))
	for i := range reports {
		const ticks = 16 // of 250 us from one packet to the next, 256 of which are a reference
		plain := rtcp.AppendTWCC(nil, rtcp.Ends{Sender: 100, Media: 200},
			&rtcp.TWCC{Base: uint16(i + 1), Reference: uint32(i * ticks / 256)}, []int32{int32(i * ticks % 256)})
		b := make([]byte, 200)
		size, err := tx.SealRTCP(b, plain)
		if err != nil {
			t.Fatal(err)
		}
		reports[i] = b[:size]
	}
	msg := []netio.Message{{Remote: client.port.Addr, Local: server.port.Addr.Addr()}}
	now, i := n.Now, 0
	next := func() {
		for _, b := range [][]byte{packets[i], reports[i]} {
			now += mono.Time(2 * time.Millisecond)
			msg[0].Buf, msg[0].N = b, len(b)
			server.shard.Inject(now, msg)
		}
		i++
	}
	for range warm {
		next()
	}
	before := server.core.Snapshot(now).Line.Counts.Received
	if allocs := testing.AllocsPerRun(measured, next); allocs != 0 {
		t.Errorf("%v allocations a packet and its report", allocs)
	}
	if got := server.core.Snapshot(now).Line.Counts.Received - before; got != measured+1 {
		t.Errorf("%d reports of %d packets", got, measured+1)
	}
	if d := server.shard.Stats().Drops; d[media.DropRTCPMalformed]+d[media.DropSRTPReplay] > 0 {
		t.Errorf("drops %v", d)
	}
}
