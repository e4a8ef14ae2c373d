package shard

import (
	"slices"
	"testing"
	"time"

	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/simnet"
)

func (s *side) count(k peer.EventKind) (n int) {
	for _, ev := range s.events {
		if ev.Kind == k {
			n++
		}
	}
	return n
}

// TestTransportRenewed has the remote give up its transport and begin another one in its
// place, as Chromium does when the section that carried it goes: the same credentials,
// another socket, other keys. The rollover counters, which are past 0 by then, begin
// anew in both directions.
func TestTransportRenewed(t *testing.T) {
	for _, rtx := range []bool{true, false} {
		n := simnet.New(3)
		l := simnet.Conditions{Delay: 5 * time.Millisecond}
		client, server, src := echo(t, n, l, options(), rtx)
		for src.seq < 1<<16+100 {
			src.frame(n.Now, 30)
			n.RunFor(5 * time.Millisecond)
		}
		server.core.SetRemote(n.Now, peer.Remote{ICE: client.creds, Moved: true})
		n.RunFor(100 * time.Millisecond)
		server.core.DTLSClosed(n.Now, peer.CauseAlert)
		client.core.Close(n.Now, "test")
		if server.core.Up() || server.core.Closed() {
			t.Fatal("the association is still there, or the connection is gone")
		}

		next := newSideAs(t, n, "192.0.2.3:6000", client.creds, true, simnet.Conditions{Delay: 5 * time.Millisecond, Loss: 0.02}, &peer.Options{TWCCPeriod: options().TWCCPeriod})
		link(n, next, server)
		key(n, next, server, 1)
		if !server.core.Up() {
			t.Fatal("the connection did not come up again")
		}
		next.core.SetSections(n.Now, []media.Section{videoSection(100, 200, rtx)})
		next.collect(n.Now)
		again := newSource(n.Now, next)
		run(n, again, 5*time.Second) // the numbers are others than before, which takes a while
		first := again.seq + 1
		again.key = true
		run(n, again, 5*time.Second)
		last := again.seq
		run(n, again, time.Second) // that it is missing shows by those behind it
		for seq := first; seq <= last; seq++ {
			if next.got[seq] == 0 {
				t.Fatalf("rtx %v: packet %d of %d to %d did not come back, dropped by the server %v, by the client %v",
					rtx, seq, first, last, server.shard.Stats().Drops, next.shard.Stats().Drops)
			}
		}
		if ups := server.count(peer.EventUp); ups != 1 {
			t.Errorf("rtx %v: came up %d times", rtx, ups)
		}
	}
}

// TestRemoteDoesNotComeBack: what ends after a move may as well be the end of it all, and
// without one it is.
func TestRemoteDoesNotComeBack(t *testing.T) {
	cause := peer.CauseAlert
	closed := func(s *side) bool {
		return slices.ContainsFunc(s.events, func(e peer.Event) bool {
			return e.Kind == peer.EventClosed && e.Reason == peer.ReasonDTLSAlert && e.Cause == cause
		})
	}
	for _, moved := range []bool{false, true} {
		n := simnet.New(3)
		client, server, _ := echo(t, n, simnet.Conditions{}, options(), true)
		server.core.SetRemote(n.Now, peer.Remote{ICE: client.creds, Moved: moved})
		server.core.DTLSClosed(n.Now, peer.CauseAlert)
		server.shard.Touch(server.core)
		if closed(server) == moved {
			t.Errorf("moved %v: closed %v at once", moved, closed(server))
		}
		n.RunFor(6 * time.Second)
		if moved {
			cause = peer.CauseNoRenewal
		}
		if !closed(server) {
			t.Errorf("moved %v: %+v", moved, server.events)
		}
	}
	cause = peer.CauseAlert
	n := simnet.New(3)
	client, server, _ := echo(t, n, simnet.Conditions{}, options(), true)
	server.core.SetRemote(n.Now, peer.Remote{ICE: client.creds, Moved: true})
	n.RunFor(11 * time.Second)
	server.core.DTLSClosed(n.Now, peer.CauseAlert)
	if !closed(server) {
		t.Error("long after a move an alert did not end the connection")
	}
}
