package main

import (
	"sync"
	"testing"
	"time"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// TestPionChurn: fifty peers are there at once; they go in three ways, while
// others come. Nothing stays.
func TestPionChurn(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, nil)
	s.explain(t)
	const peers = 50
	ends := []func(p *pionPeer){
		func(p *pionPeer) { p.closeAndExpect("DTLS alert") },
		func(p *pionPeer) {
			p.h.send(message{"janus": "hangup"})
			p.expectEnd("Janus API")
		},
		func(p *pionPeer) { p.h.Close() },
	}
	// A slow machine gets through so many handshakes within their time.
	handshakes := make(chan struct{}, 4)
	come := func(i int) *pionPeer {
		handshakes <- struct{}{}
		defer func() { <-handshakes }()
		p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{Trickle: i%2 == 0})
		if i%5 == 0 {
			p.AddChannel()
		}
		p.call(echoRequest(), nil)
		p.awaitUp()
		return p
	}
	stayAndGo := func(i int, p *pionPeer) {
		p.playAll(webrtctest.Pace{Frames: 10 + i, Packets: 2, Every: 20 * time.Millisecond})
		p.Heard.Clean(t)
		p.Seen.Clean(t)
		ends[i%len(ends)](p)
		p.Close()
		p.h.Close()
	}
	var all, there sync.WaitGroup
	there.Add(peers)
	for i := range peers {
		all.Go(func() {
			here := sync.OnceFunc(there.Done)
			defer here()
			p := come(i)
			here()
			there.Wait()
			stayAndGo(i, p)
			if i%3 == 0 {
				stayAndGo(i, come(i))
			}
		})
	}
	all.Wait()
	s.awaitEmpty(t)
	waittest.Until(t, "no session is left", func() bool { return len(s.core.Sessions()) == 0 })
	// Still alive.
	dial(t, s).attach(echoPackage)
}
