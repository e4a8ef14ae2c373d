package jitter

import (
	"math"
	"math/rand/v2"
	"testing"
)

// voice is a harmonic sound whose pitch glides around hz, with formants.
func voice(hz float64) signalAt {
	return func(n int64, rate, channel int) float32 {
		t := float64(n) / float64(rate)
		phase := 2 * math.Pi * (hz*t + 3*math.Sin(2*math.Pi*0.5*t))
		v := 0.0
		for k := 1; k <= 12; k++ {
			if f := hz * float64(k); f < 0.4*float64(rate) {
				v += math.Sin(phase*float64(k)+0.3*float64(k*k)+float64(channel)) / (1 + math.Abs(f-600)/300)
			}
		}
		return float32(0.15 * v)
	}
}

// filled returns a signal with n samples ready, and what came before.
func filled(rate, ch, n int, of signalAt) *signal {
	s := &signal{rate: rate, ch: ch}
	s.settle()
	f := fake{rate: rate, ch: ch, of: of}
	f.write(s.part(0, s.lead()+n), 0)
	s.sane(s.part(0, s.lead()+n))
	s.end, s.cold, s.rough, s.gain = s.start+n, false, false, 1
	return s
}

// steepest returns the largest second difference of samples: what bends most.
func steepest(pcm []float32, ch int) (most float64) {
	for i := 2 * ch; i < len(pcm); i++ {
		most = max(most, math.Abs(float64(pcm[i])-2*float64(pcm[i-ch])+float64(pcm[i-2*ch])))
	}
	return most
}

// rising counts how often a channel rises through zero.
func rising(pcm []float32, ch int) (n int) {
	for i := ch; i < len(pcm); i += ch {
		if pcm[i-ch] < 0 && pcm[i] >= 0 {
			n++
		}
	}
	return n
}

// TestStretch plays seconds of sounds faster and slower, at all rates: the pitch stays, and
// nothing clicks.
func TestStretch(t *testing.T) {
	for _, rate := range []int{8000, 12000, 16000, 24000, 48000} {
		for i, hz := range []float64{70, 110, 180, 250, 440, 1000} {
			for k := range 4 {
				of := voice(hz)
				if k&1 == 0 {
					of = sine(hz)
				}
				testStretch(t, rate, 1+(i+k/2)%2, hz, of, k&1 == 0, k&2 == 0)
			}
		}
	}
}

func testStretch(t *testing.T, rate, ch int, hz float64, of signalAt, tone, longer bool) {
	frame := rate / 50
	s := filled(rate, ch, 2*frame, of)
	f := fake{rate: rate, ch: ch, of: of, end: int64(s.end)}
	var out []float32
	pcm := make([]float32, frame*ch)
	stretches := 0
	for range 40 {
		s.settle()
		for s.ready() < 2*frame {
			f.write(s.space(frame), f.end)
			s.decoded(frame, 0)
		}
		n := 0
		if longer {
			n = s.lengthen(frame/4, 0.8)
		} else {
			n = s.shorten(frame, 0.8)
		}
		if n > 0 {
			stretches++
		}
		s.read(pcm)
		out = append(out, pcm...)
	}
	// What could not be stretched is as wrong as what clicks.
	if stretches < 13 {
		t.Errorf("%d Hz, %d channels, %v Hz, tone %v, longer %v: stretched only %d times", rate, ch, hz, tone, longer, stretches)
	}
	plain := make([]float32, len(out))
	(&fake{rate: rate, ch: ch, of: of}).write(plain, int64(s.lead()))
	if got, limit := steepest(out, ch), 1.25*steepest(plain, ch)+0.002; got > limit {
		t.Errorf("%d Hz, %d channels, %v Hz, tone %v, longer %v: bends by %.4f, %.4f at most without stretching", rate, ch, hz, tone, longer, got, limit)
	}
	if got, want := energy(out), energy(plain); math.Abs(float64(got/want-1)) > 0.1 {
		t.Errorf("%d Hz, %d channels, %v Hz, tone %v, longer %v: energy %v, %v without stretching", rate, ch, hz, tone, longer, got, want)
	}
	if got, want := float64(rising(out, ch)), float64(rising(plain, ch)); tone && math.Abs(got-want) > 2+0.01*want {
		t.Errorf("%d Hz, %d channels, %v Hz, longer %v: %v periods, %v without stretching", rate, ch, hz, longer, got, want)
	}
}

// TestStretchQuiet stretches noise that is all but silent by as much as is wanted.
func TestStretchQuiet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := filled(48000, 1, 1920, func(int64, int, int) float32 { return float32(r.NormFloat64() * 2e-4) })
	if n := s.shorten(500, 0.9); n != 500 {
		t.Errorf("shortened by %d", n)
	}
	if n := s.lengthen(400, 0.9); n != 400 {
		t.Errorf("lengthened by %d", n)
	}
	// Loud noise is not like itself, and stays as it is.
	s = filled(48000, 1, 1920, func(int64, int, int) float32 { return float32(r.NormFloat64() * 0.1) })
	if n, m := s.shorten(500, 0.9), s.lengthen(400, 0.9); n != 0 || m != 0 {
		t.Errorf("shortened by %d, lengthened by %d", n, m)
	}
	// Where it has to be, the loudness stays.
	before := energy(s.part(s.start, s.end)) / float32(s.ready())
	n := s.shorten(500, -1)
	if after := energy(s.part(s.start, s.end)) / float32(s.ready()); n == 0 || after < 0.85*before || after > 1.15*before {
		t.Errorf("shortened by %d: energy %v, then %v", n, before, after)
	}
}

// TestRepeat makes up what is missing of sounds, at all rates.
func TestRepeat(t *testing.T) {
	for _, rate := range []int{8000, 16000, 48000} {
		for _, hz := range []float64{80, 150, 220, 440} {
			for gone := 1; gone <= 8; gone++ {
				frame := rate / 50
				of := voice(hz)
				s := filled(rate, 1, 0, of)
				plain := make([]float32, 2*frame)
				(&fake{rate: rate, ch: 1, of: of}).write(plain, 0)
				begin := s.end - frame
				run := 0
				for range gone {
					from := s.end
					if s.repeat(frame, run); len(s.buf)/s.ch-s.end < 3*frame {
						break
					}
					run += frame
					truth := make([]float32, frame/2)
					(&fake{rate: rate, ch: 1, of: of}).write(truth, int64(from))
					if r := s.alike(truth, s.part(from, from+frame/2)); run == frame && r < 0.9 {
						t.Errorf("%d Hz, %v Hz: what is made up is like the truth by %.2f", rate, hz, r)
					}
					if got := energy(s.part(from, s.end)); got > 1.4*energy(plain[:frame])+1e-3 {
						t.Errorf("%d Hz, %v Hz, frame %d: energy %v", rate, hz, run/frame, got)
					}
				}
				if s.cold != (run >= s.of(fadeEnd)) {
					t.Errorf("%d Hz, %v Hz, %d frames missing: silent is %v", rate, hz, gone, s.cold)
				}
				(&fake{rate: rate, ch: 1, of: of}).write(s.space(frame), int64(s.end))
				s.decoded(frame, 0)
				if got, limit := steepest(s.part(begin, s.end), 1), 2.5*steepest(plain, 1)+0.005; got > limit {
					t.Errorf("%d Hz, %v Hz, %d frames missing: bends by %.4f, expected %.4f at most", rate, hz, gone, got, limit)
				}
			}
		}
	}
}
