package resample

import (
	"fmt"
	"math"
	"testing"
)

var rates = []int{8000, 12000, 16000, 24000, 48000}

func newResampler(t testing.TB, from, to, channels int) *Resampler {
	t.Helper()
	r, err := New(from, to, channels)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// through sends a sine of amplitude 1 through, in frames of 20 ms, and returns the
// second half of what comes out.
func through(t testing.TB, r *Resampler, hz float64) []float32 {
	in, out := make([]float32, r.from/50), make([]float32, r.to/50)
	var all []float32
	for frame := range 20 {
		for i := range in {
			in[i] = float32(math.Sin(2 * math.Pi * hz * float64(frame*len(in)+i) / float64(r.from)))
		}
		if n := r.Process(out, in); n != len(out) {
			t.Fatalf("%d samples out of 20 ms, want %d", n, len(out))
		}
		all = append(all, out...)
	}
	return all[len(all)/2:]
}

// fit finds amplitude and phase of a sine, and the power of what else there is.
func fit(pcm []float32, rate int, hz float64) (amplitude, phase, rest float64) {
	var re, im float64
	for i, v := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		re += float64(v) * cos
		im += float64(v) * sin
	}
	re, im = 2*re/float64(len(pcm)), 2*im/float64(len(pcm))
	for i, v := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		off := float64(v) - re*cos - im*sin
		rest += off * off
	}
	return math.Hypot(re, im), math.Atan2(re, im), rest / float64(len(pcm))
}

func dB(power float64) float64 { return 10 * math.Log10(power+1e-20) }

// TestResponse measures pass band, stop band, images and delay with sines.
func TestResponse(t *testing.T) {
	for _, from := range rates {
		for _, to := range rates {
			if from == to || from != 8000 && to != 8000 && from != 12000 {
				continue
			}
			t.Run(fmt.Sprint(from, " to ", to), func(t *testing.T) {
				half := float64(min(from, to)) / 2
				for hz := 50.0; hz <= 0.85*half; hz += half / 20 {
					hz := math.Round(hz/50) * 50 // whole periods in what is measured
					r := newResampler(t, from, to, 1)
					a, phase, rest := fit(through(t, r, hz), to, hz)
					if math.Abs(20*math.Log10(a)) > 0.5 {
						t.Errorf("%v Hz: %.2f dB", hz, 20*math.Log10(a))
					}
					if dB(rest/0.5) > -60 {
						t.Errorf("%v Hz: distortion and images of %.1f dB", hz, dB(rest/0.5))
					}
					// What was left out are whole periods.
					late := -2 * math.Pi * hz * float64(r.Delay()) / float64(from)
					if off := math.Abs(math.Remainder(phase-late, 2*math.Pi)); off > 0.01 {
						t.Errorf("%v Hz: phase is off by %v", hz, off)
					}
				}
				for hz := half; hz < float64(from)/2; hz += 250 {
					var power float64
					out := through(t, newResampler(t, from, to, 1), hz+10)
					for _, v := range out {
						power += float64(v) * float64(v)
					}
					if got := dB(power / float64(len(out)) / 0.5); got > -60 {
						t.Errorf("%v Hz: %.1f dB", hz, got)
					}
				}
			})
		}
	}
}

// TestStereo has a channel of its own in each.
func TestStereo(t *testing.T) {
	for _, rate := range rates {
		for _, x := range [][2]int{{8000, rate}, {rate, 8000}} {
			left, right, both := newResampler(t, x[0], x[1], 1), newResampler(t, x[0], x[1], 1), newResampler(t, x[0], x[1], 2)
			for frame := range 5 {
				l, r, lr := make([]float32, x[0]/50), make([]float32, x[0]/50), make([]float32, x[0]/25)
				for i := range l {
					l[i], r[i] = float32(math.Sin(float64(frame*1000+i)*0.1)), float32(math.Cos(float64(frame*1000+i)*0.05))
					lr[2*i], lr[2*i+1] = l[i], r[i]
				}
				outL, outR, outBoth := make([]float32, x[1]/50), make([]float32, x[1]/50), make([]float32, x[1]/25)
				left.Process(outL, l)
				right.Process(outR, r)
				both.Process(outBoth, lr)
				for i := range outL {
					if outBoth[2*i] != outL[i] || outBoth[2*i+1] != outR[i] {
						t.Fatalf("%v: sample %d differs", x, i)
					}
				}
			}
		}
	}
}

// TestLengths cuts a stream in other places, which changes nothing.
func TestLengths(t *testing.T) {
	for _, x := range [][2]int{{8000, 48000}, {48000, 8000}, {8000, 12000}, {12000, 8000}, {8000, 8000}} {
		whole, parts := newResampler(t, x[0], x[1], 1), newResampler(t, x[0], x[1], 1)
		in := make([]float32, x[0]/2)
		for i := range in {
			in[i] = float32(math.Sin(float64(i) * 0.07))
		}
		want, got := make([]float32, x[1]/2), make([]float32, x[1]/2)
		whole.Process(want, in)
		for at, n := 0, 0; len(in) > 0; n++ {
			part := in[:min(len(in), (1+n%7*13)*6)]
			at += parts.Process(got[at:], part)
			in = in[len(part):]
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%v: sample %d differs", x, i)
			}
		}
		whole.Reset()
		silence := make([]float32, x[1]/50)
		whole.Process(silence, make([]float32, x[0]/50))
		for _, v := range silence {
			if v != 0 {
				t.Fatalf("%v: something is left after Reset", x)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for _, x := range [][3]int{{8000, 44100, 1}, {0, 8000, 1}, {8000, 96000, 1}, {8000, 16000, 0}, {8000, 16000, 3}} {
		if _, err := New(x[0], x[1], x[2]); err == nil {
			t.Errorf("%v is allowed", x)
		}
	}
}

func TestAllocations(t *testing.T) {
	r := newResampler(t, 8000, 48000, 2)
	in, out := make([]float32, 320), make([]float32, 1920)
	if n := testing.AllocsPerRun(100, func() { r.Process(out, in) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkProcess(b *testing.B) {
	for _, x := range [][2]int{{8000, 48000}, {48000, 8000}, {8000, 16000}, {16000, 8000}} {
		b.Run(fmt.Sprint(x[0], "-", x[1]), func(b *testing.B) {
			r := newResampler(b, x[0], x[1], 1)
			in, out := make([]float32, x[0]/50), make([]float32, x[1]/50)
			for b.Loop() {
				r.Process(out, in)
			}
		})
	}
}
