package shard

import (
	"net/netip"
	"testing"
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/route"
	"bifrons/sfu/simnet"
)

// TestChangedSourceAddress has the client move on and on, as a telephone does
// in a long call.
func TestChangedSourceAddress(t *testing.T) {
	n := simnet.New(4)
	client, server, src := echo(t, n, simnet.Conditions{Delay: 5 * time.Millisecond}, options(), true)
	run(n, src, 2*time.Second)
	for i := range 2 * maxAddresses {
		client.port.Move(netip.AddrPortFrom(client.port.Addr.Addr(), uint16(6100+i)))
		before := len(client.got)
		run(n, src, 6*time.Second)
		n.RunFor(time.Second)
		if after := len(client.got); after < before+100 {
			t.Fatalf("media stopped with the client's new address %d: %d packets before, %d after", i, before, after)
		}
	}
	if bound := len(server.shard.byAddr); bound > maxAddresses {
		t.Errorf("%d addresses are bound", bound)
	}
}

// TestPausedByNegotiation has a remote stop sending by renegotiation and go on
// later with the same SSRC, whose sequence numbers have wrapped in the meantime:
// the rollover counter is never signalled, so it has to be kept (RFC 3711, 3.2.3).
func TestPausedByNegotiation(t *testing.T) {
	n := simnet.New(1)
	client, server, src := echo(t, n, simnet.Conditions{Delay: time.Millisecond}, options(), true)
	section := videoSection(200, 100, true)
	for src.seq < 1<<16+100 {
		src.frame(n.Now, 30)
		n.RunFor(5 * time.Millisecond)
	}
	paused := section
	paused.Receive = false
	server.core.SetSections(n.Now, []media.Section{paused})
	run(n, src, 100*time.Millisecond)
	server.core.SetSections(n.Now, []media.Section{section})
	last := src.seq
	src.key = true
	run(n, src, time.Second)
	n.RunFor(time.Second)
	came := 0
	for seq := last + 1; seq <= src.seq; seq++ {
		came += client.got[seq]
	}
	if came != int(src.seq-last) {
		t.Errorf("%d of %d packets came after the pause, dropped: %v", came, src.seq-last, server.shard.Stats().Drops)
	}
	var receiving []bool
	for _, ev := range server.events {
		if ev.Kind == peer.EventMedia {
			receiving = append(receiving, ev.Receiving)
		}
	}
	if len(receiving) != 3 || !receiving[0] || receiving[1] || !receiving[2] {
		t.Errorf("media events %v, want true false true", receiving)
	}
}

// TestPanics has a command for a peer panic, and the forwarding of a track: the
// shard and everybody else go on.
func TestPanics(t *testing.T) {
	n := simnet.New(9)
	client, server, src := echo(t, n, simnet.Conditions{}, options(), true)
	run(n, src, time.Second)
	bad := &route.Track{Kind: media.Audio}
	route.NewSubscription(panicking{}).Attach(n.Now, bad)
	bad.Push(route.Packet{Buf: server.shard.pool.Get()})
	server.shard.dirty = append(server.shard.dirty, bad)
	server.shard.Step(n.Now, nil)
	before := len(client.got)
	run(n, src, time.Second)
	if got := len(client.got) - before; got < 60 || bad.Subscriptions() != 0 {
		t.Errorf("%d packets after the panic of another track, which has %d subscriptions", got, bad.Subscriptions())
	}
	server.shard.Do(server.core, func() { panic("test") })
	if !server.has(peer.EventClosed) || server.shard.Load() != 0 {
		t.Error("the peer outlived its panic")
	}
	server.shard.Do(server.core, func() { panic("test") }) // which is gone by now
	if got := server.shard.Stats().Drops[media.DropPanic]; got != 3 {
		t.Errorf("%d panics counted", got)
	}
}

// panicking is a sink that does.
type panicking struct{}

func (panicking) Send(mono.Time, *route.Packet, route.Outgoing) { panic("test") }
func (panicking) Fill(mono.Time, *route.Packet, route.Outgoing) { panic("test") }
func (panicking) LayerChanged(media.Layer, media.Layer)         {}
