package shard

import (
	"net/netip"
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/ice/netio"
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/rtp/twcc"
	"bifrons/sfu/media"
	"bifrons/sfu/simnet"
)

// observed keeps what an Observer is told.
type observed struct {
	samples []twcc.Sample
	ages    []time.Duration
}

func (o *observed) Feedback(_ mono.Time, samples []twcc.Sample, rtt time.Duration) {
	o.samples = append(o.samples, samples...)
	if rtt > 0 {
		o.ages = append(o.ages, rtt)
	}
}

// TestObserverHearsOfEveryPacket compares what an Observer is told with what was
// on the wire.
func TestObserverHearsOfEveryPacket(t *testing.T) {
	const delay, until = 20 * time.Millisecond, 5 * time.Second
	n := simnet.New(40)
	client, server, src := echo(t, n, simnet.Conditions{Delay: delay}, options(), true)
	client.port.Conditions.Loss = 0.1
	var o observed
	server.core.SetObserver(&o)
	type packet struct {
		at   mono.Time
		size int
	}
	var sent []packet
	n.Sniff = func(from, _ netip.AddrPort, b []byte) {
		// RTP (RFC 7983), and no RTCP (RFC 5761)
		if from == server.port.Addr && b[0]>>6 == 2 && (b[1] < 192 || b[1] > 223) {
			sent = append(sent, packet{n.Now, len(b)})
		}
	}
	run(n, src, until)
	n.RunFor(time.Second)

	if server.core.Counters().Retransmitted == 0 {
		t.Fatal("nothing was sent again")
	}
	if len(o.samples) == 0 || len(o.samples) > len(sent) {
		t.Fatalf("%d samples of %d packets", len(o.samples), len(sent))
	}
	lost, offset := 0, time.Duration(0)
	for i, s := range o.samples {
		p := sent[i]
		if int(s.Seq) != i+1 || s.Size != p.size || p.at.Sub(s.Sent).Abs() > time.Microsecond {
			t.Fatalf("sample %d: %+v, was %+v", i, s, p)
		}
		if s.Lost {
			lost++
			continue
		}
		took := s.Received - time.Duration(p.at)
		if offset == 0 {
			offset = took
		}
		if d := (took - offset).Abs(); d > time.Millisecond {
			t.Fatalf("sample %d took %v longer than the first", i, d)
		}
	}
	if part := float64(lost) / float64(len(sent)); part < 0.05 || part > 0.15 {
		t.Errorf("%d of %d lost, want a tenth", lost, len(sent))
	}
	if missing := len(sent) - len(o.samples); missing > 3 { // lost at the very end
		t.Errorf("%d packets were not reported", missing)
	}
	for _, age := range o.ages {
		if age < 2*delay || age > 2*delay+options().TWCCPeriod+50*time.Millisecond {
			t.Errorf("age %v with a round trip of %v", age, 2*delay)
		}
	}
}

// counting is an Observer that counts.
type counting struct{ samples int }

func (c *counting) Feedback(_ mono.Time, samples []twcc.Sample, _ time.Duration) {
	c.samples += len(samples)
}

// TestFeedbackAllocatesNothing has the remote report every packet it is sent.
func TestFeedbackAllocatesNothing(t *testing.T) {
	const warm, measured = 3000, 1000
	n, client, server := echoServer(t)
	var told counting
	server.core.SetObserver(&told)
	packets := sealedVideo(t, warm+measured+1, 100, "0")
	tx, err := srtp.NewSender(srtp.AEADAES128GCM, make([]byte, 16), make([]byte, 12))
	if err != nil {
		t.Fatal(err)
	}
	reports := make([][]byte, len(packets))
	for i := range reports {
		plain := rtcp.AppendTWCC(nil, rtcp.Ends{Sender: 100, Media: 200}, &rtcp.TWCC{Base: uint16(i + 1), Reference: uint32(i)}, []int32{0})
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
	before := told.samples
	if allocs := testing.AllocsPerRun(measured, next); allocs != 0 {
		t.Errorf("%v allocations a packet and its report", allocs)
	}
	if got := told.samples - before; got != measured+1 {
		t.Errorf("%d samples of %d packets", got, measured+1)
	}
	if d := server.shard.Stats().Drops; d[media.DropRTCPMalformed]+d[media.DropSRTPReplay] > 0 {
		t.Errorf("drops %v", d)
	}
}
