package shard

import (
	"net/netip"
	"testing"

	"bifrons/ice"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
)

// fakeLink keeps what is sent by it.
type fakeLink struct {
	sent   []netip.AddrPort
	full   bool
	closed int
}

func (l *fakeLink) Send(to netip.AddrPort, _ []byte) bool {
	if !l.full {
		l.sent = append(l.sent, to)
	}
	return !l.full
}

func (l *fakeLink) Close() { l.closed++ }

func (s *side) drops(d media.Drop) uint64 { return s.shard.Stats().Drops[d] }

// TestEgressToLinks: what is for a link leaves the socket's runs as they are.
func TestEgressToLinks(t *testing.T) {
	_, client, server := echoServer(t)
	s := server.shard
	l := &fakeLink{sent: make([]netip.AddrPort, 0, 8)}
	id := s.AddLink(server.core, l)
	if id == 0 {
		t.Fatal("refused")
	}
	s.flush()
	udp := ice.Path{Remote: client.port.Addr}
	linked := ice.Path{Remote: client.port.Addr, Link: id}
	send := func(p ice.Path, n int) { s.out.reserve(); s.out.commit(p, n) }
	send(udp, 100)
	send(linked, 100)
	send(udp, 100)
	if n := len(s.out.messages); n != 1 || s.out.segments != 2 || len(l.sent) != 1 || l.sent[0] != linked.Remote {
		t.Errorf("%d messages, %d segments, %d by the link", n, s.out.segments, len(l.sent))
	}
	s.out.messages, s.out.dests, s.out.used, s.out.open = s.out.messages[:0], s.out.dests[:0], 0, false

	l.full = true
	if n := testing.AllocsPerRun(100, func() { send(linked, 100) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := server.drops(media.DropLinkQueue); n != 101 {
		t.Errorf("%d drops as the queue is full", n)
	}
	s.RemoveLink(id)
	send(linked, 100)
	if n := server.drops(media.DropLinkGone); n != 1 || l.closed != 0 {
		t.Errorf("%d drops as the link is gone, closed %d times", n, l.closed)
	}
}

// TestLinksOfPeer: links are few, end when they are told to, and belong to one
// peer.
func TestLinksOfPeer(t *testing.T) {
	n, _, server := echoServer(t)
	s := server.shard
	var all []*fakeLink
	ids := map[uint32]bool{}
	for {
		l := &fakeLink{}
		id := s.AddLink(server.core, l)
		if id == 0 {
			break
		}
		all, ids[id] = append(all, l), true
	}
	if len(all) != maxLinks || len(ids) != maxLinks {
		t.Fatalf("%d links, %d ids", len(all), len(ids))
	}
	server.core.Close(n.Now, "done")
	s.Touch(server.core)
	if s.AddLink(server.core, &fakeLink{}) != 0 {
		t.Error("a closed peer takes links")
	}
	for _, l := range all {
		if l.closed != 0 {
			t.Fatal("closed before the last alert was sent")
		}
	}
	for id := range ids {
		buf := s.Packet([]byte{20, 1, 2, 3})
		if s.FromLink(n.Now, ice.Path{Link: id}, buf) {
			t.Error("a closed peer keeps packets")
		}
		buf.Release()
		s.RemoveLink(id) // by itself, just then
		delete(ids, id)
		break
	}
	s.CloseLinks(server.core)
	s.CloseLinks(server.core)
	closed := 0
	for _, l := range all {
		closed += l.closed
	}
	if closed != maxLinks-1 || len(s.links) != 0 || len(s.parting) != 0 {
		t.Errorf("%d of %d links closed, %d and %d left", closed, maxLinks, len(s.links), len(s.parting))
	}
	for id := range ids {
		var buf pktbuf.Buf
		if s.FromLink(n.Now, ice.Path{Link: id}, &buf) || server.drops(media.DropLinkGone) == 0 {
			t.Error("a datagram of a link that is gone was taken")
		}
	}
}

// TestShutDownClosesLinks: also those of peers that end with the shard.
func TestShutDownClosesLinks(t *testing.T) {
	_, _, server := echoServer(t)
	l := &fakeLink{}
	server.shard.AddLink(server.core, l)
	server.shard.shutDown()
	if l.closed != 1 {
		t.Errorf("closed %d times", l.closed)
	}
}
