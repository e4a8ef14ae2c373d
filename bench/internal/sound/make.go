// Package sound makes sound whose fate on its way through a server can be measured, and
// measures it. Samples are of one channel and 48 kHz, 1.0 is full scale.
package sound

import (
	"math"
	"math/rand/v2"
)

// Rate is how many samples there are in a second.
const Rate = 48000

// formants of some vowels, Hz.
var formants = [][3]float64{{730, 1090, 2440}, {270, 2290, 3010}, {530, 1840, 2480}, {570, 840, 2410}, {300, 870, 2240}}

// Speech is like somebody who talks: four syllables a second, each a hiss and a vowel
// whose pitch glides, with a short pause after every seventh.
func Speech(seconds float64, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 7))
	pcm := make([]float32, int(seconds*Rate))
	base := 90 + 90*r.Float64()
	const syllable = Rate / 4
	for i, n := 0, 0; i < len(pcm); i, n = i+syllable, n+1 {
		if n%7 == 6 {
			continue
		}
		vowel, bend := formants[r.IntN(len(formants))], r.Float64()-.5
		var filters [3]resonator
		for k := range filters {
			filters[k].tune(vowel[k], 60+40*float64(k))
		}
		var hiss resonator
		hiss.tune(3500+2500*r.Float64(), 1500)
		phase := 0.0
		for k := range min(syllable, len(pcm)-i) {
			t := float64(k) / syllable
			x := 0.0
			if t < .25 {
				x = .05 * math.Sin(math.Pi*t/.25) * hiss.next(r.NormFloat64())
			}
			pulse := 0.0
			if phase += base * (1 + .3*bend*t) / Rate; phase >= 1 {
				phase--
				pulse = 1
			}
			v := 0.0
			for f := range filters {
				v += filters[f].next(pulse+.002*r.NormFloat64()) / float64(1+f)
			}
			if t > .15 {
				x += v * math.Pow(math.Sin(math.Pi*(t-.15)/.85), .7)
			}
			pcm[i+k] = float32(x)
		}
	}
	return scaled(pcm, .5)
}

// Music is chords of plucked strings over a bass.
func Music(seconds float64, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 8))
	pcm := make([]float32, int(seconds*Rate))
	steps := []float64{0, 2, 4, 5, 7, 9, 11, 12}
	const beat = Rate / 3
	for i := 0; i < len(pcm); i += beat {
		for voice := range 4 {
			semitones := steps[r.IntN(len(steps))] + 12*float64(voice-1)
			hz := 220 * math.Pow(2, semitones/12)
			for k := range min(3*beat, len(pcm)-i) {
				t := float64(k) / Rate
				x := 0.0
				for h := 1.0; h <= 8 && h*hz < 16000; h++ {
					x += math.Sin(2*math.Pi*h*hz*t) / (h * h) * math.Exp(-t*(2+h))
				}
				pcm[i+k] += float32(x * min(1, t*400))
			}
		}
	}
	return scaled(pcm, .5)
}

const (
	burst  = Rate * 6 / 100 // samples of one
	before = Rate / 2       // of the first one
	apart  = Rate * 9 / 10
)

// Bursts are short sweeps in soft noise, and where each begins.
func Bursts(n int) (pcm []float32, at []int) {
	r := rand.New(rand.NewPCG(1, 9))
	pcm = make([]float32, before+n*apart)
	for i := range pcm {
		pcm[i] = float32(.01 * r.NormFloat64())
	}
	for i := range n {
		start := before + i*apart
		at = append(at, start)
		for k := range burst {
			t := float64(k) / burst
			hz := 400 + 2000*t/2 // at the end 2400
			pcm[start+k] += float32(.5 * math.Sin(math.Pi*t) * math.Sin(2*math.Pi*hz*float64(k)/Rate))
		}
	}
	return pcm, at
}

// resonator is a filter with two poles.
type resonator struct{ a, b, gain, y1, y2 float64 }

func (f *resonator) tune(hz, width float64) {
	r := math.Exp(-math.Pi * width / Rate)
	f.a, f.b = 2*r*math.Cos(2*math.Pi*hz/Rate), -r*r
	f.gain = 1 - r
}

func (f *resonator) next(x float64) float64 {
	y := f.gain*x + f.a*f.y1 + f.b*f.y2
	f.y1, f.y2 = y, f.y1
	return y
}

// scaled makes the largest sample that of a peak.
func scaled(pcm []float32, peak float32) []float32 {
	most := float32(1e-9)
	for _, x := range pcm {
		most = max(most, x, -x)
	}
	for i := range pcm {
		pcm[i] *= peak / most
	}
	return pcm
}
