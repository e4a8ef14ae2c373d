package sfu

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"

	"bifrons/dtls"
	"bifrons/ice"
	"bifrons/rtp/waittest"
)

// TestNamedCandidate has a remote that is known by a name only, which stands
// for two addresses.
func TestNamedCandidate(t *testing.T) {
	waittest.NoLeaks(t)
	e, other := newEngine(t, nil), newEngine(t, nil)
	ha, hb := newEvents(t), newEvents(t)
	a, err := e.NewPeer(PeerConfig{Controlling: true}, ha)
	if err != nil {
		t.Fatal(err)
	}
	b, err := other.NewPeer(PeerConfig{}, hb)
	if err != nil {
		t.Fatal(err)
	}
	c := b.Candidates()[0]
	e.names.lookup = func(_ context.Context, _, name string) ([]netip.Addr, error) {
		if name != "some-peer.local" {
			t.Errorf("looked up %q", name)
		}
		return []netip.Addr{c.Addr.Addr(), netip.MustParseAddr("198.51.100.1")}, nil
	}
	named := ice.Candidate{Foundation: "1", Component: 1, Transport: "udp", Priority: c.Priority, Name: "some-peer.local", Port: c.Addr.Port()}
	b.SetRemote(Remote{ICE: a.ICE(), Fingerprints: fingerprint(t, e), Role: dtls.Client, Trickle: true})
	a.SetRemote(Remote{ICE: b.ICE(), Fingerprints: fingerprint(t, other), Role: dtls.Server, Trickle: true})
	a.AddCandidate(named)
	ha.await(EventUp)
	hb.await(EventUp)
}

// TestManyNames has clients that name candidates without end: what is looked up
// at the same time is bounded, for each and in all.
func TestManyNames(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	var asked, now, most atomic.Int64
	release := make(chan struct{})
	e.names.lookup = func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
		asked.Add(1)
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		defer now.Add(-1)
		<-release
		return nil, nil
	}
	peers := 0
	flood := func() {
		peers++
		p, err := e.NewPeer(PeerConfig{}, newEvents(t))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			p.AddCandidate(ice.Candidate{Component: 1, Transport: "udp", Name: fmt.Sprintf("%d.local", i), Port: 9})
		}
	}
	flood()
	waittest.Until(t, "the names of one peer are looked up", func() bool { return now.Load() == maxOwnLookups })
	for range 2 * maxLookups / maxOwnLookups {
		flood()
	}
	waittest.Until(t, "the names of many peers are looked up", func() bool { return now.Load() == maxLookups })
	close(release)
	waittest.Until(t, "all is looked up", func() bool { return now.Load() == 0 })
	if most.Load() > maxLookups || asked.Load() > int64(peers*maxOwnNames) {
		t.Errorf("%d lookups, %d at the same time", asked.Load(), most.Load())
	}
}
