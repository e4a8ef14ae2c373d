package audiobridge

import (
	"strings"
	"testing"

	"bifrons/rtp/waittest"
)

// TestTalking: who is loud, as the levels in the packets have it, talks; who is as good as
// silent does not, nor does somebody who never agreed on levels, though all hear him.
func TestTalking(t *testing.T) {
	b := exchange(t, t.TempDir(), "room-1: { sampling_rate = 16000, audiolevel_event = true, audio_active_packets = 10, audio_level_average = 60 }")
	const a, c = 400, 900
	v := newVoice(t, a)
	v.quiet.Store(true) // until all are there
	ann, cat, dan := b.call(1, 1, v, "", true), b.phone(1, 2, c, ""), b.join("1", "3", "")
	everybody := []*client{ann.client, cat.client, dan}
	list := func() string { return dan.ask("{'request':'listparticipants','room':1}") }
	for range 2 {
		v.quiet.Store(false)
		for _, x := range everybody {
			x.AwaitText(`{"audiobridge":"talking","room":1,"id":1}`)
		}
		// Packets may be missing for a while where the machine has no time for them.
		waittest.Until(t, "ann is listed as one who talks", func() bool { return strings.Contains(list(), "{'id':1,'setup':true,'muted':false,'talking':true}") })
		v.quiet.Store(true)
		for _, x := range everybody {
			x.AwaitText(`{"audiobridge":"stopped-talking","room":1,"id":1}`)
		}
		waittest.Until(t, "ann is listed as one who is silent", func() bool { return strings.Contains(list(), "{'id':1,'setup':true,'muted':false,'talking':false}") })
	}
	v.quiet.Store(false)
	cat.awaitTones("cat hears ann", []float64{a}, []float64{c})
	ann.awaitTones("ann hears cat", []float64{c}, []float64{a})
	if got := list(); !strings.Contains(got, "{'id':2,'setup':true,'muted':false}") {
		t.Errorf("without levels: %s", got)
	}
	for _, n := range b.Notices() {
		if strings.Contains(n, "talking") && !strings.Contains(n, `"id":1}`) {
			t.Errorf("event handlers hear %s", n)
		}
	}
	waittest.Until(t, "the level is that of the tone", func() bool {
		q := ann.Query()
		return strings.Contains(q, `"audio-level-dBov":16`) || strings.Contains(q, `"audio-level-dBov":17`)
	})
}
