package main

import (
	"os"
	"testing"
	"time"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// TestPionLoss: packets are lost at random, and repaired.
func TestPionLoss(t *testing.T) {
	waittest.NoLeaks(t)
	m := webrtctest.Pace{Frames: 600, Packets: 4, Every: 10 * time.Millisecond}
	if os.Getenv("BIFRONS_LONG") != "" {
		m.Frames = 3000
	}
	for _, tt := range []struct {
		name    string
		out, in float64
		noRTX   bool
	}{
		{"to the server", 0.05, 0, false},
		{"from the server", 0, 0.05, false},
		{"both ways", 0.05, 0.05, false},
		{"both ways without RTX", 0.05, 0.05, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := testServer(t, nil)
			s.explain(t)
			p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{NoRTX: tt.noRTX})
			p.call(echoRequest(), nil)
			p.awaitUp()
			p.playAll(webrtctest.Pace{Frames: 5, Packets: 2, Every: 10 * time.Millisecond})
			p.Wire.Lose(tt.out, tt.in, 7)
			p.Play(m)
			video := p.Video.Sent.Load()
			stop := p.KeepPlaying(m) // shows that the last ones were lost
			out, in := p.Wire.Dropped(webrtctest.Out), p.Wire.Dropped(webrtctest.In)
			lost := out + in
			if tt.out > 0 && out < int(video)/40 || tt.in > 0 && in < int(video)/40 {
				t.Fatalf("only %d and %d packets lost, the test tests nothing", out, in)
			}
			most := min(lost/sized(20, 100), int(video)/sized(200, 1000))
			waittest.Until(t, "all but a few packets are repaired", func() bool { return p.Seen.Missing(1, video) <= most })
			stop()
			t.Logf("of %d packets %d were lost to the server and %d from it; %d are missing, the server asked for %d",
				video, out, in, p.Seen.Missing(1, video), p.Nacked.Load())
			if tt.noRTX {
				p.Seen.Clean(t) // with RTX, pion does not see that it asked for what it has
			}
		})
	}
}
