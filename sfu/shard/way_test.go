package shard

import (
	"net/netip"
	"testing"
	"time"

	"bifrons/ice/netio"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
	"bifrons/sfu/plain"
	"bifrons/sfu/simnet"
)

// nearLeg is a session of a call with both legs on one shard.
type nearLeg struct {
	*plain.Session
	way     *Way
	address netip.AddrPort
	sent    int // datagrams by its socket
}

func (l *nearLeg) SendBatch(ms []netio.Message) (int, error) {
	l.sent += len(ms)
	return len(ms), nil
}
func (l *nearLeg) RecvBatch([]netio.Message, time.Time) (int, error) { return 0, nil }
func (l *nearLeg) Moderate(time.Duration)                            {}
func (l *nearLeg) Wake()                                             {}
func (l *nearLeg) Close() error                                      { return nil }

// sessionOnly hides the socket, which closes too.
type sessionOnly struct{ *plain.Session }

func newNearLeg(now mono.Time, s *Shard, kind media.Kind, address string) *nearLeg {
	l := &nearLeg{address: netip.MustParseAddrPort(address)}
	stay := s.NewStay(func() {})
	l.way = s.NewWay(l, stay, func(now mono.Time, m *netio.Message, b *pktbuf.Buf) bool {
		return l.HandleRTP(now, m.Remote, b)
	})
	stay.Begin(func() Leg {
		l.Session = plain.NewSession(now, l.way, l.way, plain.SessionConfig{Kind: kind, SSRC: uint32(l.address.Port()), CNAME: "x", Panicked: func(r any) { panic(r) }})
		return sessionOnly{l.Session}
	})
	return l
}

// callServer is echoServer with a call between what comes and what goes back.
func callServer(t testing.TB) (n *simnet.Network, client, server *side, legs [2]*nearLeg) {
	n, client, server = echoServer(t)
	for i, address := range []string{"192.0.2.1:20000", "192.0.2.1:20002"} {
		legs[i] = newNearLeg(n.Now, server.shard, media.Video, address)
	}
	codecs := []media.Codec{{Name: media.VP8, PayloadType: 96, ClockRate: 90000}}
	for i, l := range legs {
		l.SetRemote(n.Now, plain.Remote{RTP: legs[1-i].address, Codecs: codecs})
	}
	Join(legs[0].way, legs[1].way, legs[1].address, legs[0].address)
	legs[0].Attach(n.Now, legs[0].Expect(), server.core.Track(0))
	server.core.Subscription(0).Attach(n.Now, legs[1].Track())
	t.Cleanup(func() { legs[0].Session.Close(); legs[1].Session.Close() })
	return n, client, server, legs
}

// TestCallAllocatesNothing takes packets through two legs of a call on one shard, in one
// pass and without the kernel.
func TestCallAllocatesNothing(t *testing.T) {
	n, client, server, legs := callServer(t)
	packets := sealedVideo(t, 6000, 100, "0")
	msg := []netio.Message{{Remote: client.port.Addr, Local: server.port.Addr.Addr()}}
	now, i := n.Now, 0
	next := func() {
		now += mono.Time(4 * time.Millisecond)
		msg[0].Buf, msg[0].N = packets[i], len(packets[i])
		i++
		server.shard.Inject(now, msg)
	}
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
	if legs[0].sent+legs[1].sent != 0 {
		t.Errorf("%d datagrams left", legs[0].sent+legs[1].sent)
	}
	legs[1].way.Part()
	before := legs[0].sent
	next()
	if legs[0].sent != before+1 || legs[0].way.Joined() {
		t.Errorf("%d datagrams left after they were parted", legs[0].sent-before)
	}
}

// TestLoopOfLegs: two legs that send each other what they get go on forever, but the
// shard does not hang.
func TestLoopOfLegs(t *testing.T) {
	n, client, server, legs := callServer(t)
	packets := sealedVideo(t, 200, 100, "0")
	legs[1].Attach(n.Now, legs[1].Expect(), legs[1].Track())
	legs[0].Attach(n.Now, legs[0].Expect(), legs[0].Track())
	_ = client
	now := n.Now
	for _, p := range packets {
		now += mono.Time(time.Millisecond)
		server.shard.Inject(now, datagrams(client, server, p))
	}
	if len(server.shard.nearby) > maxNear {
		t.Errorf("%d datagrams wait", len(server.shard.nearby))
	}
}

// BenchmarkCall is BenchmarkEcho with the two legs of a call in between.
func BenchmarkCall(b *testing.B) {
	n, client, server, _ := callServer(b)
	const lap = 1 << 15
	packets := sealedVideo(b, lap, 100, "0")
	msg := []netio.Message{{Remote: client.port.Addr, Local: server.port.Addr.Addr()}}
	now := n.Now
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		if i%lap == 0 && i > 0 {
			b.StopTimer()
			n, client, server, _ = callServer(b)
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
