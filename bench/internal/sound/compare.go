package sound

import (
	"math"
	"math/cmplx"
	"slices"
	"time"
)

// coarse is of how many samples one is looked at where a place is searched.
const coarse = 4

// mostDelay is how late a burst is searched.
const mostDelay = 600 * time.Millisecond

// least is the correlation of a burst that was found.
const least = 0.6

// Delays finds the sent bursts in the received audio, and returns how much later each
// is heard than it would have been without a server between. Those that are not
// found are counted. at are their places in what is said again and again, which
// lasts for period samples.
func Delays(said, heard Heard, at []int, period int) (list []time.Duration, missing int) {
	const lookahead = Rate * 65 / 10000 // of the encoder
	for start := 0; start < len(said.PCM); start += period {
		for _, place := range at {
			i := start + place + lookahead
			if i+burst > len(said.PCM) {
				return list, missing
			}
			when := said.When(i)
			from, to := heard.from(when-40*time.Millisecond), heard.from(when+mostDelay)
			if from == 0 || to+burst+Frame > len(heard.PCM) {
				continue // it was not listened to then
			}
			k, c := find(said.PCM[i:i+burst], heard.PCM[from:to+burst])
			if c < least {
				missing++
				continue
			}
			list = append(list, heard.When(from+k)-when)
		}
	}
	return list, missing
}

// find says where in pcm a part is, and the correlation there.
func find(part, pcm []float32) (at int, correlation float64) {
	a, b := every(coarse, part), every(coarse, pcm)
	energy, there := dot(a, a), 0.0
	for i := range b {
		there += float64(b[i]) * float64(b[i])
		k := i - len(a) + 1
		if k < 0 {
			continue
		}
		if c := dot(a, b[k:i+1]) / math.Sqrt(energy*there+1e-9); c > correlation {
			at, correlation = k*coarse, c
		}
		there -= float64(b[k]) * float64(b[k])
	}
	return at, correlation
}

// every has one of n samples.
func every(n int, pcm []float32) (out []float32) {
	for i := 0; i < len(pcm); i += n {
		out = append(out, pcm[i])
	}
	return out
}

func dot(a, b []float32) float64 {
	var sum [4]float32 // in which a processor adds at once
	b = b[:len(a)]
	for ; len(a) >= 4; a, b = a[4:], b[4:] {
		sum[0] += a[0] * b[0]
		sum[1] += a[1] * b[1]
		sum[2] += a[2] * b[2]
		sum[3] += a[3] * b[3]
	}
	for i := range a {
		sum[0] += a[i] * b[i]
	}
	return float64(sum[0]) + float64(sum[1]) + float64(sum[2]) + float64(sum[3])
}

// Quality is how like the original something is.
type Quality struct {
	SNR      float64 // segmental, dB
	Distance float64 // log-spectral, dB
	Frames   int     // that were compared
}

// Add adds comparisons from elsewhere.
func (q *Quality) Add(o Quality) {
	if n := q.Frames + o.Frames; n > 0 {
		share := float64(o.Frames) / float64(n)
		q.SNR += (o.SNR - q.SNR) * share
		q.Distance += (o.Distance - q.Distance) * share
		q.Frames = n
	}
}

const (
	stretch   = Rate / 5       // samples that are aligned at a time
	wander    = Rate * 3 / 100 // how much the delay may change from one to the next
	bestSNR   = 35             // of a frame, dB
	worstSNR  = -10
	quietness = 1e-5 // mean square of frames that are not compared
)

// Compare compares received audio with the audio that was sent repeatedly. Each fifth of a
// second is aligned by itself, as servers stretch time.
func Compare(original, heard []float32) (q Quality) {
	const first = Rate // of received audio, after which all has settled
	if len(heard) < first+3*stretch {
		return q
	}
	looped := slices.Concat(original, original[:min(len(original), 2*Rate)])
	at, _ := find(heard[first:first+stretch], looped)
	for i := first; i+stretch <= len(heard); i += stretch {
		part := heard[i : i+stretch]
		from := max(0, at-wander)
		to := min(len(looped), at+stretch+wander)
		if to-from < stretch {
			break
		}
		if k, c := fine(part, looped[from:to]); c > .3 {
			at = from + k
		}
		q.add(looped[at:min(at+stretch, len(looped))], part)
		if at += stretch; at >= len(original) {
			at -= len(original)
		}
	}
	q.SNR /= float64(max(q.Frames))
	q.Distance /= float64(max(q.Frames))
	return q
}

// fine finds the very sample.
func fine(part, pcm []float32) (at int, correlation float64) {
	rough, _ := find(part, pcm)
	energy := dot(part, part)
	for i := max(0, rough-coarse); i <= min(rough+coarse, len(pcm)-len(part)); i++ {
		there := pcm[i : i+len(part)]
		if c := dot(part, there) / math.Sqrt(energy*dot(there, there)+1e-12); c > correlation {
			at, correlation = i, c
		}
	}
	return at, correlation
}

// add adds frames that are aligned.
func (q *Quality) add(want, got []float32) {
	for i := 0; i+Frame <= min(len(want), len(got)); i += Frame {
		w, g := want[i:i+Frame], got[i:i+Frame]
		signal := dot(w, w)
		if signal < quietness*Frame {
			continue
		}
		noise := 1e-9
		for k := range w {
			d := float64(w[k] - g[k])
			noise += d * d
		}
		q.SNR += min(bestSNR, max(worstSNR, 10*math.Log10(signal/noise)))
		q.Distance += distance(w, g)
		q.Frames++
	}
}

// distance is the log-spectral distance of two frames up to 8 kHz, dB.
func distance(a, b []float32) float64 {
	const size, top = 1024, 1024 * 8000 / Rate
	x, y := spectrum(a, size), spectrum(b, size)
	const floor = 1e-4
	sum := 0.0
	for i := 1; i < top; i++ {
		d := 10 * math.Log10((x[i]+floor)/(y[i]+floor))
		sum += d * d
	}
	return math.Sqrt(sum / (top - 1))
}

// spectrum is the power of a frame with a Hann window.
func spectrum(pcm []float32, size int) []float64 {
	x := make([]complex128, size)
	for i, v := range pcm {
		w := .5 - .5*math.Cos(2*math.Pi*float64(i)/float64(len(pcm)))
		x[i] = complex(float64(v)*w, 0)
	}
	fft(x)
	p := make([]float64, size/2)
	for i := range p {
		a := cmplx.Abs(x[i])
		p[i] = a * a
	}
	return p
}

// fft is the discrete Fourier transform of 2^n values.
func fft(x []complex128) {
	n := len(x)
	if n == 1 {
		return
	}
	even, odd := make([]complex128, n/2), make([]complex128, n/2)
	for i := range even {
		even[i], odd[i] = x[2*i], x[2*i+1]
	}
	fft(even)
	fft(odd)
	for i := range even {
		t := cmplx.Rect(1, -2*math.Pi*float64(i)/float64(n)) * odd[i]
		x[i], x[i+n/2] = even[i]+t, even[i]-t
	}
}
