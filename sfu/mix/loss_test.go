package mix

import (
	"math"
	"testing"

	"bifrons/rtp/opus"
)

// syllables are three a second, of a voice of 130 Hz.
func syllables(i int) float32 {
	t := float64(i) / 48000
	x := 0.
	for k := 1.; k <= 12; k++ {
		x += math.Sin(2*math.Pi*130*k*t) / k
	}
	return float32(.2 * x * max(0, math.Sin(2*math.Pi*3*t)))
}

// TestLoss: what is lost comes from the redundancy of the next packet where that has any, and
// is made up otherwise.
func TestLoss(t *testing.T) {
	for _, fec := range []bool{true, false} {
		l := newLab(t, Config{Rate: 48000})
		ann := l.speaks(l.join(PartyConfig{}), syllables)
		if err := ann.enc.Set(opus.Settings{Bitrate: 24000, Complexity: 9, FEC: fec, Loss: 15}); err != nil {
			t.Fatal(err)
		}
		ann.lose = 7
		l.run(400)
		s, all := ann.Stats(), l.c.Stats()
		t.Logf("of %d packets lost %d can be repaired: %d recovered, %d made up", ann.missing, ann.repairable, s.Recovered, s.Concealed)
		if s.Recovered != all.Recovered || s.Concealed != all.Concealed {
			t.Errorf("the conference counts %+v, the party %+v", all, s)
		}
		// It takes some losses until it is worth waiting for redundancy.
		if fec == (ann.repairable < ann.missing/2) || int(s.Recovered) > ann.repairable || int(s.Recovered) < ann.repairable-12 || int(s.Recovered+s.Concealed) < ann.missing-2 {
			t.Errorf("FEC %v: %+v", fec, s)
		}
	}
}
