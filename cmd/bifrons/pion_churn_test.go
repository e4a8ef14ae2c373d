package main

import (
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"bifrons/rtp/waittest"
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
		func(p *pionPeer) { _ = p.h.ws.Close(websocket.StatusGoingAway, "") },
	}
	// A slow machine gets through so many handshakes within their time.
	handshakes := make(chan struct{}, 10)
	come := func(i int) *pionPeer {
		handshakes <- struct{}{}
		defer func() { <-handshakes }()
		p := newPionPeer(t, dial(t, s).attach(echoPackage), peerOptions{trickle: i%2 == 0})
		if i%5 == 0 {
			p.addChannel()
		}
		p.call(echoRequest(), nil)
		p.awaitUp()
		return p
	}
	stayAndGo := func(i int, p *pionPeer) {
		p.playAll(pace{frames: 10 + i, packets: 2, every: 20 * time.Millisecond})
		p.heard.clean(t)
		p.seen.clean(t)
		ends[i%len(ends)](p)
		p.close()
		p.h.close()
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
	eventually(t, "no session is left", func() bool { return len(s.core.Sessions()) == 0 })
	// Still alive.
	dial(t, s).attach(echoPackage)
}
