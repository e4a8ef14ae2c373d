package shard

import (
	"context"
	"testing"
	"time"

	"bifrons/ice/netio"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// tapped is an echo server whose received video goes to a tap too.
type tapped struct {
	server  *side
	tap     *Tap
	packets [][]byte
	msg     []netio.Message
	now     mono.Time
}

func newTapped(t testing.TB, packets int) *tapped {
	n, client, server := echoServer(t)
	tap := server.shard.NewTap(0)
	tap.Attach(server.core.Track(0))
	return &tapped{
		server: server, tap: tap, packets: sealedVideo(t, packets, 100, "0"), now: n.Now,
		msg: []netio.Message{{Remote: client.port.Addr, Local: server.port.Addr.Addr()}},
	}
}

func (x *tapped) next() {
	x.now += mono.Time(4 * time.Millisecond)
	b := x.packets[0]
	x.packets = x.packets[1:]
	x.msg[0].Buf, x.msg[0].N = b, len(b)
	x.server.shard.Inject(x.now, x.msg)
}

// take returns how many packets wait, which it gives back.
func (x *tapped) take() (n int) {
	for x.tap.ring.waiting() > 0 {
		p, _ := x.tap.Next(context.Background())
		p.Buf.Release()
		n++
	}
	return n
}

// TestFullTapLosesPackets has nobody take what a tap gets: others go on, and
// it is counted.
func TestFullTapLosesPackets(t *testing.T) {
	const more = 100
	x := newTapped(t, tapSize+more+1)
	out := x.server.core.Counters().PacketsOut
	for range tapSize + more {
		x.next()
	}
	if got := x.server.core.Counters().PacketsOut - out; got != tapSize+more {
		t.Errorf("%d packets were forwarded meanwhile, want %d", got, tapSize+more)
	}
	if got, drops := x.tap.Lost(), x.server.shard.Stats().Drops[media.DropTap]; got != more || drops != more {
		t.Errorf("%d lost, %d drops, want %d", got, drops, more)
	}
	if got := x.take(); got != tapSize {
		t.Errorf("%d packets waited, want %d", got, tapSize)
	}
	x.next()
	if got := x.take(); got != 1 {
		t.Errorf("%d packets once there was room", got)
	}
}

// TestTapEndsWithItsTrack leaves packets in the tap: they come before its end.
func TestTapEndsWithItsTrack(t *testing.T) {
	x := newTapped(t, 3)
	for range 3 {
		x.next()
	}
	x.server.core.Close(x.now, "test")
	for i := range 4 {
		p, ok := x.tap.Next(context.Background())
		if ok != (i < 3) {
			t.Fatalf("packet %d: %v", i, ok)
		}
		if ok {
			p.Buf.Release()
		}
	}
}

func TestTapAllocatesNothing(t *testing.T) {
	x := newTapped(t, 4100)
	next := func() { x.next(); x.take() }
	for range 3000 {
		next()
	}
	if allocs := testing.AllocsPerRun(1000, next); allocs != 0 {
		t.Errorf("%v allocations a packet", allocs)
	}
	if x.tap.Lost() != 0 {
		t.Errorf("%d lost", x.tap.Lost())
	}
}
