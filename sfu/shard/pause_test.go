package shard

import (
	"testing"
	"time"

	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/simnet"
)

// TestPausedByNegotiation has a remote stop sending by renegotiation and go on
// later with the same SSRC, whose sequence numbers have wrapped in the meantime:
// the rollover counter is never signalled, so it has to be kept (RFC 3711, 3.2.3).
func TestPausedByNegotiation(t *testing.T) {
	for _, signalled := range []bool{true, false} {
		n := simnet.New(1)
		client, server, src := echo(t, n, simnet.Link{Delay: time.Millisecond}, options(), true)
		section := videoSection(200, 100, true)
		if !signalled {
			section.Encodings = []media.Encoding{{}}
			server.core.SetSections(n.Now, []media.Section{section})
		}
		for src.seq < 70_000 {
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
			t.Errorf("signalled %v: %d of %d packets came after the pause, dropped: %v", signalled, came, src.seq-last, server.shard.Stats().Drops)
		}
		var receiving []bool
		for _, ev := range server.events {
			if ev.Kind == peer.EventMedia {
				receiving = append(receiving, ev.Receiving)
			}
		}
		if len(receiving) != 3 || !receiving[0] || receiving[1] || !receiving[2] {
			t.Errorf("signalled %v: media events %v, want true false true", signalled, receiving)
		}
	}
}
