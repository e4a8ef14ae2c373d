package shard

import (
	"net/netip"
	"testing"
	"time"

	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
	"bifrons/sfu/simnet"
)

// TestLostStartOfKeyframe: the first packet of the key frame that a paused
// subscription waits for has to be repeated.
func TestLostStartOfKeyframe(t *testing.T) {
	n := simnet.New(20)
	client, server, src := echo(t, n, simnet.Conditions{Delay: 10 * time.Millisecond}, options(), true)
	run(n, src, time.Second)
	sub := server.core.Subscription(0)
	sub.SetPaused(n.Now, true)
	run(n, src, time.Second)
	sub.SetPaused(n.Now, false)
	start := src.seq + 1
	src.key = true
	server.port.Conditions.Loss = 1
	src.frame(n.Now, 1)
	server.port.Conditions.Loss = 0
	src.frame(n.Now, 5)
	n.RunFor(10 * time.Millisecond)
	run(n, src, 2*time.Second)
	n.RunFor(time.Second)
	for seq := start; seq <= src.seq; seq++ {
		if client.got[seq] != 1 {
			t.Errorf("packet %d, the %dth of the picture, came %d times", seq, seq-start+1, client.got[seq])
		}
	}
	if c := client.core.Counters(); c.NACKsOut != 0 {
		t.Errorf("the client asked for %d packets", c.NACKsOut)
	}
}

// twoVideos makes a client with two sections of video. The SSRCs of what it
// sends are signalled, or learned from the packets.
func twoVideos(t *testing.T, signalled bool) (n *simnet.Network, client, server *side) {
	n = simnet.New(21)
	l := simnet.Conditions{Delay: 5 * time.Millisecond}
	server = newSide(t, n, "192.0.2.1:5000", false, l, options())
	client = newSide(t, n, "192.0.2.2:6000", true, l, options())
	connect(n, client, server)
	for _, s := range []*side{client, server} {
		var list []media.Section
		for i := range uint32(2) {
			ours, theirs := 100+2*i, 200+2*i
			if s == server {
				ours, theirs = theirs, ours
			}
			if !signalled {
				theirs = 0
			}
			sec := videoSection(ours, theirs, false)
			sec.Index, sec.MID = int(i), string(rune('0'+i))
			list = append(list, sec)
		}
		s.core.SetSections(n.Now, list)
	}
	return n, client, server
}

func TestTransportFeedbackWithoutFirstVideo(t *testing.T) {
	n, client, server := twoVideos(t, false)
	src := newSource(n.Now, client)
	client.core.Subscription(0).Detach()
	client.core.Subscription(1).Attach(n.Now, src.track)
	count := 0
	n.Sniff = func(from, _ netip.AddrPort, b []byte) {
		if from == server.port.Addr && b[0] == 0x80|rtcp.FormatTWCC && b[1] == rtcp.TypeRTPFB {
			count++
		}
	}
	run(n, src, 2*time.Second)
	if count < 5 {
		t.Errorf("%d feedback messages in 2 s", count)
	}
}

// TestKeyframeRequestsWaitTheirTurn: requests for two sections come too early
// at different times.
func TestKeyframeRequestsWaitTheirTurn(t *testing.T) {
	n, client, server := twoVideos(t, true)
	ask := func(section int) {
		server.core.RequestKeyframe(n.Now, section)
		server.shard.Touch(server.core)
		server.shard.out.flush()
		n.RunFor(50 * time.Millisecond)
	}
	ask(0)
	ask(1)
	ask(0)
	ask(1)
	n.RunFor(time.Second)
	if got := client.core.Counters().PLIsIn; got != 4 {
		t.Errorf("%d of 4 requests came", got)
	}
}

func TestLostKeyframeRequestIsRepeated(t *testing.T) {
	n := simnet.New(22)
	client, server, src := echo(t, n, simnet.Conditions{Delay: 10 * time.Millisecond}, options(), true)
	run(n, src, time.Second)
	ask := func(d time.Duration) uint64 {
		before := client.core.Counters().PLIsIn
		client.port.Conditions.Loss = 1
		server.core.RequestKeyframe(n.Now, 0)
		server.shard.Touch(server.core)
		server.shard.out.flush()
		n.RunFor(20 * time.Millisecond)
		client.port.Conditions.Loss = 0
		run(n, src, d)
		return client.core.Counters().PLIsIn - before
	}
	if got := ask(time.Second); got != 1 {
		t.Errorf("%d requests came, want 1", got)
	}
	if got := ask(20 * time.Second); got != 3 {
		t.Errorf("a source that has no key frame was asked %d times, want 3", got)
	}
	src.key = true
	if got := ask(5 * time.Second); got != 0 {
		t.Errorf("%d requests came though a key frame had", got)
	}
	n.RunFor(2 * time.Second)
	before := server.core.Counters().PLIsOut
	server.core.RequestKeyframe(n.Now, 0)
	server.shard.Touch(server.core)
	n.RunFor(10 * time.Second)
	if got := server.core.Counters().PLIsOut - before; got != 1 {
		t.Errorf("a source that is silent was asked %d times, want once", got)
	}
}

// TestUnrepairedLossAsksForKeyframe loses a packet that is never repeated.
func TestUnrepairedLossAsksForKeyframe(t *testing.T) {
	n := simnet.New(23)
	_, server, src := echo(t, n, simnet.Conditions{Delay: 10 * time.Millisecond}, options(), true)
	lose := func() uint64 {
		before := server.core.Counters().PLIsOut
		src.seq++
		run(n, src, 700*time.Millisecond)
		src.key = true
		run(n, src, 5*time.Second)
		return server.core.Counters().PLIsOut - before
	}
	run(n, src, time.Second)
	if got := lose(); got < 1 || got > 2 { // one for us, one for the client
		t.Errorf("%d key frames were asked for", got)
	}
	server.core.Subscription(0).SetPaused(n.Now, true)
	if got := lose(); got != 0 {
		t.Errorf("%d key frames were asked for though nobody watches", got)
	}
}
