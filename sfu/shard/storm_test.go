package shard

import (
	"net/netip"
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/ice/netio"
	"bifrons/rtp"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
	"bifrons/sfu/simnet"
)

// TestNACKStorm has a subscriber ask for everything again, all the time, for ten
// seconds. What it gets twice is no more than what it gets once and two seconds'
// worth, and what is refused is counted.
func TestNACKStorm(t *testing.T) {
	for _, rtx := range []bool{true, false} {
		n := simnet.New(7)
		client, server, src := echo(t, n, simnet.Conditions{Delay: 10 * time.Millisecond}, options(), rtx)
		run(n, src, 2*time.Second)

		var once, twice int // bytes to the client
		var newest uint16
		n.Sniff = func(from, to netip.AddrPort, b []byte) {
			var h rtp.Header
			if from != server.port.Addr || rtp.Classify(b) != rtp.ClassRTP || h.Parse(b) != nil {
				return
			}
			if h.SSRC == 200 && int16(h.SequenceNumber-newest) > 0 {
				newest = h.SequenceNumber
				once += len(b)
			} else {
				twice += len(b)
			}
		}
		run(n, src, 100*time.Millisecond)

		sealer, err := srtp.NewSender(srtp.AEADAES128GCM, make([]byte, 16), make([]byte, 12))
		if err != nil {
			t.Fatal(err)
		}
		room := make([]byte, 1500)
		for range 1000 { // get ahead of the client's own
			if _, err := sealer.SealRTCP(room, rtcp.AppendRR(nil, 100, nil)); err != nil {
				t.Fatal(err)
			}
		}
		once, twice = 0, 0
		before, asked := server.core.Counters(), 0
		for end := n.Now.Add(10 * time.Second); n.Now < end; {
			src.frame(n.Now, 3)
			for range 8 {
				n.RunFor(4 * time.Millisecond)
				var lost []uint16
				for i := range uint16(250) {
					lost = append(lost, newest-i)
				}
				b := rtcp.AppendNACK(nil, rtcp.Ends{Sender: 100, Media: 200}, lost)
				size, err := sealer.SealRTCP(room, b)
				if err != nil {
					t.Fatal(err)
				}
				asked += size
				server.shard.Inject(n.Now, []netio.Message{{
					Buf: append([]byte(nil), room[:size]...), N: size, Remote: client.port.Addr, Local: server.port.Addr.Addr(),
				}})
			}
		}
		after := server.core.Counters()
		t.Logf("rtx %v: %d KB asked, %d KB once, %d KB again, %d packets refused", rtx, asked>>10, once>>10, twice>>10, server.drops(media.DropResend))
		if twice > once+once/4 {
			t.Errorf("rtx %v: %d bytes again, with a stream of %d", rtx, twice, once)
		}
		if twice == 0 || after.Retransmitted == before.Retransmitted || server.drops(media.DropResend) == 0 {
			t.Errorf("rtx %v: nothing was repeated or refused", rtx)
		}
	}
}

// TestHonestLossIsRepaired refuses nobody who asks for what was lost, be it much,
// or all of some time.
func TestHonestLossIsRepaired(t *testing.T) {
	for _, loss := range []float64{0.05, 0.2, 0.35} {
		n := simnet.New(11)
		client, server, src := echo(t, n, simnet.Conditions{Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond}, options(), true)
		run(n, src, time.Second)
		client.port.Conditions.Loss = loss
		run(n, src, 20*time.Second)
		client.port.Conditions.Loss = 0
		run(n, src, 2*time.Second)
		client.port.Down = true
		run(n, src, 700*time.Millisecond)
		client.port.Down = false
		run(n, src, 3*time.Second)
		c := server.core.Counters()
		if refused := server.drops(media.DropResend); refused != 0 || c.Retransmitted < uint64(float64(src.seq)*loss*0.8) {
			t.Errorf("loss %v: %d refused of %d packets, %d sent again", loss, refused, src.seq, c.Retransmitted)
		}
		missing := 0
		for seq := uint64(1); seq <= src.seq; seq++ {
			if client.got[seq] == 0 {
				missing++
			}
		}
		t.Logf("loss %v: %d of %d missing, %d sent again", loss, missing, src.seq, c.Retransmitted)
	}
}
