package jitter

import (
	"math"
	"time"
)

const (
	past     = 30 * time.Millisecond // of played audio that is kept, to go on from
	maxLag   = 15 * time.Millisecond // that stretching adds or takes away at once
	minLag   = 2500 * time.Microsecond
	overlap  = 10 * time.Millisecond // of two parts of the signal that are spliced
	blend    = 5 * time.Millisecond  // of concealment and decoded audio
	longest  = 120 * time.Millisecond
	maxPitch = 20 * time.Millisecond
	minPitch = 5 * time.Millisecond
	// Made up samples fade from then on, from the start of a gap to its end.
	fadeDecoder, fadeOwn, fadeEnd = 40 * time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond
	loudest                       = 10 // amplitude, of decoded audio
)

// signal has the samples between decoding and playing, and those before. Counts are
// samples a channel.
type signal struct {
	rate, ch   int
	buf        []float32
	start, end int // of the samples that are ready

	cold   bool    // the latest samples are zeros
	rough  bool    // the next decoded samples do not continue the ready ones
	period int     // with which missing samples repeat, 0 = to be found
	decay  float32 // of the repeats, from one period to the next
	gain   float32 // at the end of the ready samples, as far as they were faded
	level  float32 // loudest energy of late, of a sample
}

// of returns the samples in d.
func (s *signal) of(d time.Duration) int { return int(int64(d) * int64(s.rate) / int64(time.Second)) }

// lead is where start is between frames: so much may be needed before.
func (s *signal) lead() int { return s.of(past + maxLag) }

func (s *signal) ready() int { return s.end - s.start }

// part returns the samples in [from, to).
func (s *signal) part(from, to int) []float32 { return s.buf[from*s.ch : to*s.ch] }

// settle makes room before and behind the ready samples.
func (s *signal) settle() {
	lead := s.lead()
	if s.buf == nil {
		s.buf = make([]float32, (lead+2*s.of(FrameTime)+s.of(longest))*s.ch)
	}
	if s.start == lead {
		return
	}
	keep := min(s.of(past), s.start)
	copy(s.part(lead-keep, lead+s.ready()), s.part(s.start-keep, s.end))
	s.start, s.end = lead, lead+s.ready()
}

// forget empties it, as if nothing had been played.
func (s *signal) forget() {
	clear(s.buf)
	s.start, s.end = s.lead(), s.lead()
	s.cold, s.rough, s.gain, s.period, s.level = true, true, 1, 0, 0
}

// free gives the memory back.
func (s *signal) free() {
	s.forget()
	s.buf = nil
}

// read moves a frame to pcm.
func (s *signal) read(pcm []float32) {
	s.start += copy(pcm, s.part(s.start, s.end)) / s.ch
}

// space is where a decoder writes n samples.
func (s *signal) space(n int) []float32 { return s.part(s.end, s.end+n) }

// sane reports whether samples are numbers of a sound, and notes how loud it is.
func (s *signal) sane(pcm []float32) bool {
	var sum float32
	for _, v := range pcm {
		sum += v * v
	}
	n := float32(len(pcm))
	if !(sum <= loudest*loudest*n) {
		return false
	}
	s.level = max(s.level*0.98, sum/max(n, 1))
	return true
}

// decoded takes n samples that a decoder wrote into space, without the first skip.
func (s *signal) decoded(n, skip int) {
	if skip > 0 {
		copy(s.part(s.end, s.end+n), s.part(s.end+skip, s.end+n))
		n -= skip
		s.rough = true
	}
	s.begin(n)
	s.end += n
	s.cold, s.rough, s.gain, s.period = false, false, 1, 0
}

// begin makes the n samples in space continue smoothly from those before.
func (s *signal) begin(n int) {
	w := min(s.of(blend), n)
	switch {
	case s.cold:
		ramp(s.space(w), s.ch, 0, 1)
	case s.rough:
		s.join(w)
	case s.gain < 1:
		ramp(s.space(w), s.ch, s.gain, 1)
	}
}

// join blends the continuation of the end into the w samples behind it.
func (s *signal) join(w int) {
	p := s.pitch()
	offset, gain := s.offsets(p), float32(1)
	if s.period > 0 { // the repetition goes on, and fades
		offset, gain = [2]float32{}, s.decay
	}
	old, new := s.part(s.end-p, s.end-p+w), s.space(w)
	rho := s.alike(old, new)
	for i := range w {
		a, b := weights(float32(i+1)/float32(w+1), rho)
		for c := range s.ch {
			k := i*s.ch + c
			new[k] = a*(old[k]*gain+offset[c]*(1-float32(i)/float32(w))) + b*new[k]
		}
	}
}

// pitch returns the period with which the end is repeated.
func (s *signal) pitch() int {
	if s.period > 0 {
		return s.period
	}
	w := s.of(overlap)
	p, rho := s.find(s.end-w, w, s.of(minPitch), s.of(maxPitch), -1)
	if rho < 0.3 { // noise: a short period would be heard as a tone
		p = s.of(maxPitch)
	}
	return p
}

// offsets are the differences of the last samples to those a period before.
func (s *signal) offsets(p int) (o [2]float32) {
	for c := range s.ch {
		o[c] = s.buf[(s.end-1)*s.ch+c] - s.buf[(s.end-1-p)*s.ch+c]
	}
	return o
}

// fades returns the gain of made up sound, so many samples after its start.
func (s *signal) fades(at int, from time.Duration) float32 {
	f, t := s.of(from), s.of(fadeEnd)
	return min(max(float32(t-at)/float32(t-f), 0), 1)
}

// repeat makes n samples up, run samples after the start of the gap, by repeating the
// last period (in the spirit of ITU-T G.711, Appendix I). Its step from the last
// sample to the first one is evened out.
func (s *signal) repeat(n, run int) {
	if s.cold {
		s.zeros(n)
		return
	}
	var offset [2]float32
	p := s.pitch()
	if s.period == 0 {
		offset = s.offsets(p)
	}
	s.period = p
	even := min(s.of(blend), p)
	for i := range n {
		was, is := s.fades(run+i-p, fadeOwn), s.fades(run+i, fadeOwn)
		g := float32(0)
		if was > 0 {
			g = is / was
		}
		to := (s.end + i) * s.ch
		from := to - p*s.ch
		for c := range s.ch {
			v := s.buf[from+c]
			if i < even {
				v += offset[c] * (1 - float32(i)/float32(even))
			}
			s.buf[to+c] = v * g
		}
	}
	s.end += n
	s.gain, s.rough = s.fades(run+n, fadeOwn), true
	s.decay = s.gain / max(s.fades(run+n-p, fadeOwn), 1e-3)
	s.cold = s.gain == 0
}

// concealed takes n samples that the decoder made up in space, run samples after the
// start of the gap.
func (s *signal) concealed(n, run int) {
	if s.cold || s.rough {
		s.begin(n)
	}
	s.gain = s.fades(run+n, fadeDecoder)
	if from := s.fades(run, fadeDecoder); from < 1 || s.gain < 1 {
		ramp(s.space(n), s.ch, from, s.gain)
	}
	s.end += n
	s.period, s.rough = 0, false
	s.cold = s.gain == 0
}

// silence fades out the ready samples and adds zeros, n samples in all. It reports whether
// all of them are zeros.
func (s *signal) silence(n int) bool {
	if s.cold {
		s.zeros(n)
		return true
	}
	w := min(s.of(overlap), n)
	from := s.end
	s.repeat(w, -s.of(longest))
	ramp(s.part(from, s.end), s.ch, 1, 0)
	s.zeros(n - w)
	return false
}

func (s *signal) zeros(n int) {
	clear(s.space(n))
	s.end += n
	s.cold, s.rough, s.period, s.gain = true, true, 0, 1
}

// ramp scales samples by a gain that moves from one value to another.
func ramp(pcm []float32, ch int, from, to float32) {
	n := len(pcm) / ch
	step := (to - from) / float32(max(n, 1))
	for i := range n {
		from += step
		for c := range ch {
			pcm[i*ch+c] *= from
		}
	}
}

// weights returns those of two parts at t of 0 to 1 of their overlap. With rho, how
// alike they are, the loudness stays.
func weights(t, rho float32) (a, b float32) {
	b = t * t * (3 - 2*t)
	a = 1 - b
	n := 1 / float32(math.Sqrt(float64(a*a+b*b+2*rho*a*b)))
	return a * n, b * n
}

// cut forgets the ready samples.
func (s *signal) cut() {
	s.end = s.start
	s.rough, s.period = true, 0
}
