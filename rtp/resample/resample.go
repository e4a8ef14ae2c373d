// Package resample converts the sampling rate of a stream, by a polyphase filter.
package resample

import (
	"fmt"
	"math"
)

const (
	// The pass band ends at 85 % of half the lower rate, 3.4 kHz of 8 kHz. All that
	// lies beyond half the lower rate is attenuated by so many dB.
	passBand  = 0.85
	stopBand  = 72
	maxRate   = 48000
	maxFactor = 12 // of the rates
)

// Resampler converts one stream. It belongs to one goroutine.
type Resampler struct {
	from, to, channels int
	up, down           int // to/from as a fraction in lowest terms
	taps               int // of each phase

	// phases[i] filters the output that lies i/up of an input sample after one.
	phases [][]float32
	// history of each channel: the last taps-1 samples, then those of a call.
	history [][]float32
}

// New returns a resampler between rates in Hz, multiples of 4000 up to 48000, for 1
// or 2 channels.
func New(from, to, channels int) (*Resampler, error) {
	for _, rate := range [...]int{from, to} {
		if rate < maxRate/maxFactor || rate > maxRate || rate%4000 != 0 {
			return nil, fmt.Errorf("resample: no such rate: %d Hz", rate)
		}
	}
	if channels < 1 || channels > 2 {
		return nil, fmt.Errorf("resample: %d channels", channels)
	}
	r := &Resampler{from: from, to: to, channels: channels}
	d := gcd(from, to)
	r.up, r.down = to/d, from/d
	if from == to {
		return r, nil
	}
	r.design()
	r.history = make([][]float32, channels)
	for c := range r.history {
		r.history[c] = make([]float32, r.taps-1+from/50)
	}
	return r, nil
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// design makes the filter: a sinc with a window of Kaiser, at up times the input rate.
func (r *Resampler) design() {
	nyquist := float64(min(r.from, r.to)) / 2
	rate := float64(r.from * r.up)
	width := 2 * math.Pi * nyquist * (1 - passBand) / float64(r.from) // of the transition, radian a sample
	r.taps = int(math.Ceil((stopBand-8)/(2.285*width)/2)) * 2
	beta := 0.1102 * (stopBand - 8.7)
	cutoff := nyquist * (1 + passBand) / 2 / rate // cycles a sample
	center := r.taps * r.up / 2
	r.phases = make([][]float32, r.up)
	for p := range r.phases {
		phase, sum := make([]float64, r.taps), 0.0
		for k := range phase {
			// The samples of history are in order, so that the last one meets tap 0.
			x := float64(p + (r.taps-1-k)*r.up - center)
			at := x / float64(center)
			h := sinc(2*cutoff*x) * bessel(beta*math.Sqrt(max(0, 1-at*at)))
			if at == -1 {
				h = 0 // so that the filter is as long on either side
			}
			phase[k] = h
			sum += h
		}
		r.phases[p] = make([]float32, r.taps)
		for k, h := range phase {
			r.phases[p][k] = float32(h / sum)
		}
	}
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// bessel is the modified Bessel function of the first kind and order 0.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-12; k++ {
		term *= x / (2 * k) * (x / (2 * k))
		sum += term
	}
	return sum
}

// Delay is how far the output lags behind, in samples of the input: 3.75 ms from or to
// 8 kHz, less between higher rates, nothing between the same.
func (r *Resampler) Delay() int { return r.taps / 2 }

// Size is the number of samples that so many become, all channels counted. It is
// exact for 20 ms, and for whatever is a whole number of samples at both rates.
func (r *Resampler) Size(samples int) int { return samples / r.channels * r.up / r.down * r.channels }

// Process converts in, interleaved, to the front of out and returns the number of
// samples, Size(len(in)), all channels counted. in is as long as a whole number of
// output samples: any number of times 20 ms. It panics if in is not, or out too short.
func (r *Resampler) Process(out, in []float32) int {
	if len(in)%(r.channels*r.down) != 0 {
		panic("resample: no whole number of samples")
	}
	size := r.Size(len(in))
	out = out[:size]
	if r.from == r.to {
		return copy(out, in)
	}
	block := r.from / 50 / r.down * r.down * r.channels
	for len(in) > 0 {
		part := in[:min(len(in), block)]
		n := r.Size(len(part))
		for c, history := range r.history {
			r.channel(out[c:n], part[c:], history)
		}
		in, out = in[len(part):], out[n:]
	}
	return size
}

// channel converts one channel of at most 20 ms. The first of both is of the channel.
func (r *Resampler) channel(out, in, history []float32) {
	end := r.taps - 1
	for i := 0; i < len(in); i += r.channels {
		history[end] = in[i]
		end++
	}
	at, phase := 0, 0
	for i := 0; i < len(out); i += r.channels {
		out[i] = dot(r.phases[phase], history[at:at+r.taps])
		phase += r.down
		at += phase / r.up
		phase %= r.up
	}
	copy(history, history[end-(r.taps-1):end])
}

// dot is the scalar product. Four sums do not wait for each other.
func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float32
	for len(a) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i := range a {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}

// Reset forgets the stream.
func (r *Resampler) Reset() {
	for _, history := range r.history {
		clear(history)
	}
}
