package mix

import (
	"math"
	"slices"
	"testing"

	"bifrons/rtp/opus"
	"bifrons/rtp/waittest"
)

// disturbance is how much of what was heard is not a tone, in windows of 10 ms: the
// energy that a sine of best fit leaves, as an amplitude.
func disturbance(pcm []float32, hz float64) (list []float64) {
	const n = 480
	for ; len(pcm) >= n; pcm = pcm[n:] {
		var re, im, all float64
		for i, x := range pcm[:n] {
			s, c := math.Sincos(2 * math.Pi * hz * float64(i) / 48000)
			re += float64(x) * c
			im += float64(x) * s
			all += float64(x) * float64(x)
		}
		list = append(list, math.Sqrt(max(0, all-(re*re+im*im)*2/n)/n))
	}
	return list
}

// step is the largest step between two samples.
func step(pcm []float32) (most float64) {
	for i := 1; i < len(pcm); i++ {
		most = max(most, math.Abs(float64(pcm[i]-pcm[i-1])))
	}
	return most
}

// TestNoClickAtSwitches: somebody hears a tone, and begins and stops to speak meanwhile, by
// which it is given another encoder's packets. The tone goes on.
func TestNoClickAtSwitches(t *testing.T) {
	const hz, loud = 500, .2
	formats := []struct{ rate, bitrate int }{{16000, 0}, {48000, 0}, {48000, 24000}, {16000, 16000}, {8000, 0}}
	if waittest.Race {
		formats = formats[:1]
	}
	for _, x := range formats {
		l := newLab(t, Config{Rate: x.rate})
		s := Settings{Volume: 100, Encoding: opus.Settings{Bitrate: x.bitrate, Complexity: 4}}
		l.speaks(l.join(PartyConfig{Settings: s}), tone(hz, loud))
		bob := l.join(PartyConfig{Settings: s})
		l.join(PartyConfig{Settings: s}) // keeps the shared encoder in use
		l.speaks(bob, tone(1900, loud))
		bob.quiet = true
		l.run(100)
		bob.ear.forget()
		moves, was := 0, bob.ear.stream
		for i := range 720 {
			bob.quiet = i%180 > 20
			if l.run(1); bob.ear.stream != was {
				moves++
				was = bob.ear.stream
			}
		}
		if moves != 8 {
			t.Errorf("%d Hz: %d switches", x.rate, moves)
		}
		worst := slices.Max(disturbance(bob.ear.pcm, hz))
		usual := 2 * math.Pi * hz / 48000 * loud // the step of the tone
		if most := step(bob.ear.pcm); most > 1.5*usual || worst > loud/8 {
			t.Errorf("%d Hz, %d bit/s: steps of %.4f, of the tone alone %.4f; disturbed by %.4f", x.rate, x.bitrate, most, usual, worst)
		}
	}
}
