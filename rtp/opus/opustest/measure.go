package opustest

import (
	"math"
	"math/bits"
	"math/cmplx"
)

// Channel is one channel of interleaved samples.
func (f Format) Channel(pcm []float32, channel int) []float32 {
	mono := make([]float32, 0, len(pcm)/f.Channels)
	for i := channel; i < len(pcm); i += f.Channels {
		mono = append(mono, pcm[i])
	}
	return mono
}

// Power is the mean square of samples.
func Power(pcm []float32) float64 {
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return sum / float64(max(1, len(pcm)))
}

// DB is a ratio of powers in dB.
func DB(ratio float64) float64 { return 10 * math.Log10(ratio+1e-20) }

// SNR is the power of a signal against that of the difference between it and its
// processed form, in dB. Both begin at the same moment.
func SNR(signal, got []float32) float64 {
	n := min(len(signal), len(got))
	return DB(Power(signal[:n]) / (noise(signal[:n], got[:n]) + 1e-20))
}

func noise(signal, got []float32) float64 {
	var sum float64
	for i, v := range signal {
		off := float64(v - got[i])
		sum += off * off
	}
	return sum / float64(max(1, len(signal)))
}

// SegmentalSNR is the mean SNR of pieces of 20 ms, each between -10 and 35 dB. Those
// that are softer than the whole by 40 dB do not count.
func SegmentalSNR(f Format, signal, got []float32) float64 {
	size, n := f.Frame(), min(len(signal), len(got))
	least := Power(signal[:n]) * 1e-4
	var sum, count float64
	for at := 0; at+size <= n; at += size {
		part := signal[at : at+size]
		if power := Power(part); power > least {
			sum += min(35, max(-10, DB(power/(noise(part, got[at:at+size])+1e-20))))
			count++
		}
	}
	return sum / max(1, count)
}

// SpectralDistance is the log spectral distance in dB: the root mean square difference
// between the spectra in dB of pieces of some 20 ms, as a mean of all of them and of
// all channels, from 50 Hz to a highest frequency. It does not mind a shift of some
// samples. The softest parts of a spectrum, and of the signal, are as if they were
// 50 dB below the loudest.
func SpectralDistance(f Format, signal, got []float32, highest float64) float64 {
	size := 1 << bits.Len(uint(f.Rate/50-1))
	var sum, count float64
	for c := range f.Channels {
		a, b := f.Channel(signal, c), f.Channel(got, c)
		n := min(len(a), len(b))
		loudest := 0.0
		for at := 0; at+size <= n; at += size / 2 {
			for _, p := range Spectrum(a[at : at+size]) {
				loudest = max(loudest, p)
			}
		}
		floor := loudest*1e-5 + 1e-20
		for at := 0; at+size <= n; at += size / 2 {
			x, y := Spectrum(a[at:at+size]), Spectrum(b[at:at+size])
			var square, bins float64
			for k := range x {
				if hz := float64(k) * float64(f.Rate) / float64(size); hz < 50 || hz > highest {
					continue
				}
				off := DB((x[k] + floor) / (y[k] + floor))
				square += off * off
				bins++
			}
			sum += math.Sqrt(square / max(1, bins))
			count++
		}
	}
	return sum / max(1, count)
}

// Spectrum is the power of a mono signal at each multiple of its sampling rate divided
// by its length, which is a power of two, up to half the rate. It has a window of
// Hann; a sine of amplitude 1 has a power of 1/2 where it is.
func Spectrum(pcm []float32) []float64 {
	n := len(pcm)
	x := make([]complex128, n)
	for i, v := range pcm {
		x[i] = complex(float64(v)*(0.5-0.5*math.Cos(2*math.Pi*float64(i)/float64(n))), 0)
	}
	fft(x)
	power := make([]float64, n/2+1)
	scale := 8 / float64(n) / float64(n) // (2/n)²/2, and the window has a mean of a half
	for k := range power {
		power[k] = scale * (real(x[k])*real(x[k]) + imag(x[k])*imag(x[k]))
	}
	return power
}

// fft is the fast Fourier transform in place, of a length that is a power of two.
func fft(x []complex128) {
	n := len(x)
	shift := 64 - bits.TrailingZeros(uint(n))
	for i := range x {
		if j := int(bits.Reverse64(uint64(i)) >> shift); j > i {
			x[i], x[j] = x[j], x[i]
		}
	}
	for size := 2; size <= n; size *= 2 {
		step := cmplx.Rect(1, -2*math.Pi/float64(size))
		for at := 0; at < n; at += size {
			w := complex(1, 0)
			for k := at; k < at+size/2; k++ {
				a, b := x[k], x[k+size/2]*w
				x[k], x[k+size/2] = a+b, a-b
				w *= step
			}
		}
	}
}

// Delay finds how many samples of each channel a signal came later, from 0 to a highest
// number, by the correlation of the first channels.
func Delay(f Format, signal, got []float32, highest int) int {
	a, b := f.Channel(signal, 0), f.Channel(got, 0)
	best, most := 0, math.Inf(-1)
	for late := 0; late <= min(highest, len(b)-1); late++ {
		var sum, power float64
		for i := range min(len(a), len(b)-late) {
			sum += float64(a[i]) * float64(b[i+late])
			power += float64(b[i+late]) * float64(b[i+late])
		}
		if sum /= math.Sqrt(power) + 1e-9; sum > most {
			best, most = late, sum
		}
	}
	return best
}

// Amplitude is that of a frequency in a mono signal.
func Amplitude(pcm []float32, rate int, hz float64) float64 {
	var re, im float64
	for i, v := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		re += float64(v) * cos
		im += float64(v) * sin
	}
	return 2 * math.Hypot(re, im) / float64(max(1, len(pcm)))
}

// Step is the largest difference between a sample and the one before it in its channel.
func Step(f Format, pcm []float32) float64 {
	var most float64
	for i := f.Channels; i < len(pcm); i++ {
		most = max(most, math.Abs(float64(pcm[i]-pcm[i-f.Channels])))
	}
	return most
}

// Click is the largest third difference of the samples of a channel, which is small for
// low sounds and large for a click. It is a measure for one and the same sound only.
func Click(f Format, pcm []float32) float64 {
	c, most := f.Channels, 0.0
	for i := 3 * c; i < len(pcm); i++ {
		v := float64(pcm[i]) - 3*float64(pcm[i-c]) + 3*float64(pcm[i-2*c]) - float64(pcm[i-3*c])
		most = max(most, math.Abs(v))
	}
	return most
}
