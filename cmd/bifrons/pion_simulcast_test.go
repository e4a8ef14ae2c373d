package main

import (
	"fmt"
	"testing"
	"time"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// TestPionSimulcast: pion sends three encodings and gets the one back that it
// asks for, in one stream.
func TestPionSimulcast(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, nil)
	s.explain(t)
	p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{RIDs: []string{"h", "m", "l"}})
	p.Seen.Keep = true
	p.call(echoRequest(), nil)
	p.awaitUp()
	stop := p.KeepPlaying(webrtctest.Pace{Packets: 2, Every: 20 * time.Millisecond})
	order := []int{2, 0, 1, 2, 1, 0}
	for i, want := range order {
		if i > 0 {
			p.h.message(message{"substream": want}, nil)
		}
		p.h.await(fmt.Sprintf("event of substream %d", want), func(m message) bool {
			return m.data()["substream"] == float64(want) && m.data()["videocodec"] == "vp8"
		})
		waittest.Until(t, fmt.Sprintf("substream %d comes", want), func() bool { return p.Seen.Last() == want })
		p.await30()
	}
	stop()
	p.Seen.Continuous(t)
	p.Seen.LayersIn(t, order)
	p.closeAndExpect("DTLS alert")
	s.awaitEmpty(t)
}

// await30 waits for thirty more packets.
func (p *pionPeer) await30() {
	p.t.Helper()
	before := p.Seen.Count()
	waittest.Until(p.t, "thirty more packets", func() bool { return p.Seen.Count() >= before+30 })
}
