package signalling

import (
	"testing"

	"bifrons/sdp"
)

func TestSourcesAreRenewedAfterSilence(t *testing.T) {
	description := func(d sdp.Direction) *sdp.Description {
		return &sdp.Description{Sections: []sdp.Section{{Kind: sdp.Video, Direction: d}}}
	}
	c := &Connection{}
	step := func(d sdp.Direction) sdp.LocalSection {
		next := description(d)
		c.renew(next)
		c.local = next
		return c.source(0)
	}
	first := step(sdp.SendOnly)
	if again := step(sdp.SendRecv); again != first {
		t.Errorf("sources changed while sending: %v, then %v", first, again)
	}
	step(sdp.Inactive)
	if second := step(sdp.SendOnly); second.SSRC == first.SSRC || second.RTXSSRC == first.RTXSSRC {
		t.Errorf("sources %v came back as %v", first, second)
	}
}
