// Package opustest has for tests signals to send through a codec or a mixer, and
// measures of the result.
//
// Samples are float32, interleaved, 1.0 is full scale.
package opustest

import (
	"math"
	"math/rand/v2"
)

// Format is how a signal is sampled.
type Format struct {
	Rate     int // Hz
	Channels int
}

// Frame is the number of samples in 20 ms, all channels counted.
func (f Format) Frame() int { return f.Rate / 50 * f.Channels }

// Samples is the number of samples in so many seconds, all channels counted.
func (f Format) Samples(seconds float64) int {
	return int(math.Round(seconds*float64(f.Rate))) * f.Channels
}

// spread copies a mono signal to all channels. The second one is later by
// 0.3 ms and softer, as if the source stood at one side.
func (f Format) spread(mono []float32) []float32 {
	if f.Channels == 1 {
		return mono
	}
	pcm, late := make([]float32, len(mono)*2), f.Rate*3/10000
	for i, v := range mono {
		pcm[2*i] = v
		if i >= late {
			pcm[2*i+1] = mono[i-late] * 0.6
		}
	}
	return pcm
}

// Tone is a sine in all channels.
func Tone(f Format, hz, amplitude, seconds float64) []float32 {
	pcm := make([]float32, f.Samples(seconds))
	for i := range pcm {
		pcm[i] = float32(amplitude * math.Sin(2*math.Pi*hz*float64(i/f.Channels)/float64(f.Rate)))
	}
	return pcm
}

// Music is a chord of three sounds with overtones that changes twice a second.
func Music(f Format, seconds float64) []float32 {
	pcm := make([]float32, f.Samples(seconds)/f.Channels)
	chords := [][3]float64{{220, 277.2, 329.6}, {196, 246.9, 293.7}, {174.6, 220, 261.6}, {164.8, 207.7, 246.9}}
	half := f.Rate / 2
	for i := range pcm {
		at := float64(i%half) / float64(f.Rate)
		attack := min(1, at/0.01) * min(1, (0.5-at)/0.02)
		var v float64
		for _, hz := range chords[i/half%len(chords)] {
			for k := 1.0; k <= 8 && hz*k < float64(f.Rate)*0.4; k++ {
				v += math.Sin(2*math.Pi*hz*k*float64(i)/float64(f.Rate)+k*k) / (k * 12) * math.Exp(-at*k/2)
			}
		}
		pcm[i] = float32(v * attack)
	}
	return f.spread(pcm)
}

// formants of some vowels, in Hz.
var formants = [...][3]float64{{730, 1090, 2440}, {270, 2290, 3010}, {300, 870, 2240}, {530, 1840, 2480}, {570, 840, 2410}}

// resonator is a filter with two poles.
type resonator struct{ a, b, c, y1, y2 float64 }

func newResonator(hz, width float64, rate int) resonator {
	r := math.Exp(-math.Pi * width / float64(rate))
	a, b := 2*r*math.Cos(2*math.Pi*hz/float64(rate)), -r*r
	return resonator{a: a, b: b, c: 1 - a - b}
}

func (r *resonator) next(x float64) float64 {
	y := r.c*x + r.a*r.y1 + r.b*r.y2
	r.y2, r.y1 = r.y1, y
	return y
}

// Speech is a signal that resembles speech: syllables of vowels, whose pitch moves, with
// hissing before them, and pauses. The same seed says the same at any rate, but for
// the noise.
func Speech(f Format, seconds float64, seed uint64) []float32 {
	random := rand.New(rand.NewPCG(seed, 1))
	pcm := make([]float32, 0, f.Samples(seconds)/f.Channels)
	size := cap(pcm)
	pitch := 90 + 100*random.Float64()
	for len(pcm) < size {
		if random.IntN(5) == 0 {
			pcm = append(pcm, make([]float32, f.Rate*(80+random.IntN(150))/1000)...)
			continue
		}
		if random.IntN(2) == 0 {
			pcm = hiss(pcm, f.Rate, 0.03+0.06*random.Float64(), random.Uint64())
		}
		glide, vowel := 0.85+0.3*random.Float64(), formants[random.IntN(len(formants))]
		pcm = sing(pcm, f.Rate, 0.1+0.15*random.Float64(), pitch, glide, vowel, random.Uint64())
	}
	return f.spread(pcm[:size])
}

// hiss appends noise of a high band.
func hiss(pcm []float32, rate int, seconds float64, seed uint64) []float32 {
	random := rand.New(rand.NewPCG(seed, 2))
	band := newResonator(min(4500, float64(rate)*0.4), 1500, rate)
	n := int(seconds * float64(rate))
	for i := range n {
		pcm = append(pcm, float32(0.05*math.Sin(math.Pi*float64(i)/float64(n))*band.next(random.NormFloat64())))
	}
	return pcm
}

// sing appends a vowel whose pitch in Hz ends at glide times its start.
func sing(pcm []float32, rate int, seconds, pitch, glide float64, vowel [3]float64, seed uint64) []float32 {
	random := rand.New(rand.NewPCG(seed, 3))
	var bands [3]resonator
	for i, hz := range vowel {
		bands[i] = newResonator(min(hz, float64(rate)*0.45), 60+40*float64(i), rate)
	}
	phase, n := 0.0, int(seconds*float64(rate))
	for i := range n {
		at := float64(i) / float64(n)
		phase += pitch * (1 + (glide-1)*at) / float64(rate)
		// A pulse with a slope, and some breath.
		_, in := math.Modf(phase)
		x := 4*math.Max(0, 1-in*4) - 0.5 + 0.02*random.NormFloat64()
		v := bands[0].next(x) + 0.6*bands[1].next(x) + 0.3*bands[2].next(x)
		pcm = append(pcm, float32(0.05*v*math.Pow(math.Sin(math.Pi*at), 0.6)))
	}
	return pcm
}
