package main

import (
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestPionChurn: many peers at once come and go, in three ways; nothing stays.
func TestPionChurn(t *testing.T) {
	leakCheck(t)
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
	var all sync.WaitGroup
	for i := range peers {
		all.Go(func() {
			p := newPionPeer(t, dial(t, s).attach(echoPackage), peerOptions{trickle: i%2 == 0})
			if i%5 == 0 {
				p.addChannel()
			}
			p.call(echoRequest(), nil)
			p.awaitUp()
			p.playAll(pace{frames: 10 + i, packets: 2, every: 20 * time.Millisecond})
			p.heard.clean(t)
			p.seen.clean(t)
			ends[i%len(ends)](p)
			p.close()
			p.h.close()
		})
	}
	all.Wait()
	s.awaitEmpty(t)
	eventually(t, "no session is left", func() bool { return len(s.core.Sessions()) == 0 })
	// Still alive.
	dial(t, s).attach(echoPackage)
}
