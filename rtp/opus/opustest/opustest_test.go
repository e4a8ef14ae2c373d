package opustest

import (
	"math"
	"math/rand/v2"
	"testing"
)

func near(t *testing.T, what string, got, want, off float64) {
	t.Helper()
	if math.Abs(got-want) > off {
		t.Errorf("%s is %.3f, want %.3f", what, got, want)
	}
}

func TestMeasures(t *testing.T) {
	for _, f := range []Format{{8000, 1}, {48000, 2}} {
		signal := Speech(f, 2, 1)
		random := rand.New(rand.NewPCG(1, 2))
		noisy := make([]float32, len(signal))
		amplitude := math.Sqrt(Power(signal) / 100)
		for i, v := range signal {
			noisy[i] = v + float32(amplitude*random.NormFloat64())
		}
		near(t, "SNR", SNR(signal, noisy), 20, 0.3)
		if got := SegmentalSNR(f, signal, noisy); got < 8 || got > 22 {
			t.Errorf("segmental SNR is %.1f", got)
		}
		near(t, "segmental SNR of the same", SegmentalSNR(f, signal, signal), 35, 0)
		near(t, "distance of the same", SpectralDistance(f, signal, signal, 4000), 0, 0)
		half := make([]float32, len(signal))
		for i, v := range signal {
			half[i] = v / 2
		}
		loud := Tone(f, 1000, 0.5, 1)
		soft := Tone(f, 1000, 0.25, 1)
		if d := SpectralDistance(f, signal, half, 4000); d < 0.5 || d > 6.03 {
			t.Errorf("distance of half as loud is %.2f", d)
		}
		if d := SpectralDistance(f, loud, soft, 4000); d < 0.3 || d > 6.03 {
			t.Errorf("distance of tones is %.2f", d)
		}
		if SpectralDistance(f, signal, noisy, 4000) < 1 {
			t.Error("noise makes no distance")
		}
		late := append(make([]float32, 37*f.Channels), signal...)
		near(t, "delay", float64(Delay(f, signal, late, 100)), 37, 0)
		near(t, "amplitude", Amplitude(f.Channel(loud, 0), f.Rate, 1000), 0.5, 0.001)
		near(t, "step", Step(f, loud), 2*0.5*math.Sin(math.Pi*1000/float64(f.Rate)), 0.04)
		before := Click(f, soft)
		soft[len(soft)/2] += 0.2
		if after := Click(f, soft); after < before+0.15 {
			t.Errorf("a click changes %.3f to %.3f", before, after)
		}
	}
}

func TestSpectrum(t *testing.T) {
	f := Format{8192, 1}
	pcm := Tone(f, 1000, 1, 1)
	for k, p := range Spectrum(pcm) {
		switch {
		case k == 1000:
			near(t, "power of the tone", p, 0.5, 1e-3)
		case k < 998 || k > 1002:
			near(t, "power beside the tone", p, 0, 1e-9)
		}
	}
}

// TestSignals has sound that stays within full scale.
func TestSignals(t *testing.T) {
	for _, rate := range []int{8000, 12000, 16000, 24000, 48000} {
		for channels := 1; channels <= 2; channels++ {
			f := Format{rate, channels}
			for name, pcm := range map[string][]float32{"speech": Speech(f, 3, 5), "music": Music(f, 3)} {
				if len(pcm) != f.Samples(3) {
					t.Fatalf("%s of %d samples", name, len(pcm))
				}
				var most float64
				for _, v := range pcm {
					most = max(most, math.Abs(float64(v)))
				}
				if level := DB(Power(pcm)); most > 1 || level < -40 || level > -10 {
					t.Errorf("%s at %v: peak %.2f, %.1f dB", name, f, most, level)
				}
			}
		}
	}
}
