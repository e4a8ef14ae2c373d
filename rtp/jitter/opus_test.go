package jitter

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/opus"
)

// syllables is something like speech: voiced sounds of changing pitch and loudness, and
// noise between them.
func syllables(n int) []float32 {
	r := rand.New(rand.NewPCG(5, 5))
	pcm := make([]float32, n)
	of := voice(130)
	for i := range pcm {
		t := float64(i) / 48000
		loud := math.Pow(math.Abs(math.Sin(2*math.Pi*1.7*t)), 0.7)
		noise := 0.02 * math.Max(0, math.Sin(2*math.Pi*1.7*t+2.5))
		pcm[i] = float32(loud)*of(int64(i), 48000, 0) + float32(noise*r.NormFloat64())
	}
	return pcm
}

// TestOpus plays speech that was encoded and lost packets, and compares it with what is
// heard where nothing is lost.
func TestOpus(t *testing.T) {
	const frames = 500
	speech := syllables(frames * 960)
	packets := func(fec bool) (list [][]byte) {
		e, err := opus.NewEncoder(48000, 1)
		if err == nil {
			err = e.Set(opus.Settings{Bitrate: 28000, Complexity: 1, FEC: fec, Loss: 20})
		}
		for i := 0; i < frames && err == nil; i++ {
			var b []byte
			b, err = e.Encode(nil, speech[i*960:(i+1)*960])
			list = append(list, b)
		}
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	play := func(list [][]byte, loss float64) ([]float32, Stats) {
		d, err := opus.NewDecoder(48000, 1)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(3, 4))
		b := New(Config{})
		now := mono.Time(time.Hour)
		var out []float32
		frame := make([]float32, 960)
		for i, x := range list {
			if r.Float64() >= loss {
				b.Push(now, &Packet{
					Seq: uint64(1<<16 + i), Timestamp: uint32(960 * i), Payload: x,
					Duration: opus.Duration(x), FEC: opus.HasFEC(x), DTX: opus.DTX(x),
				})
			}
			b.Pull(now.Add(8*ms), d, frame)
			out = append(out, frame...)
			now = now.Add(FrameTime)
		}
		return out, b.Stats()
	}
	lists := [2][][]byte{packets(false), packets(true)}
	for _, loss := range []float64{0.05, 0.2} {
		var snr [2]float64
		for i, fec := range []bool{false, true} {
			list := lists[i]
			whole, _ := play(list, 0)
			out, stats := play(list, loss)
			snr[i] = segmentalSNR(whole[200*960:], out[200*960:])
			t.Logf("%v lost, FEC %v: segmental SNR %.1f dB; %+v", loss, fec, snr[i], stats)
			if fec && float64(stats.Concealed) > 2*loss*loss*frames+5 {
				t.Errorf("%v lost: %d frames concealed although there is FEC", loss, stats.Concealed)
			}
		}
		if snr[1] < snr[0]+1+10*loss {
			t.Errorf("%v lost: segmental SNR %.1f dB with FEC, %.1f without", loss, snr[1], snr[0])
		}
	}
	// What is decoded is untouched where nothing happens.
	list := lists[0]
	out, stats := play(list, 0)
	d, err := opus.NewDecoder(48000, 1)
	if err != nil {
		t.Fatal(err)
	}
	plain := make([]float32, 0, frames*960)
	room := make([]float32, 5760)
	for _, x := range list {
		n, err := d.Decode(x, room)
		if err != nil {
			t.Fatal(err)
		}
		plain = append(plain, room[:n]...)
	}
	if snr := segmentalSNR(plain[200*960:], out[200*960:]); snr < 34.9 || stats.Concealed != 0 {
		t.Errorf("a segmental SNR of %.1f dB where nothing was lost; %+v", snr, stats)
	}
}

// segmentalSNR compares frames of two signals, which may be some frames apart; of each
// frame 35 dB count at most, and -10 at least.
func segmentalSNR(want, got []float32) float64 {
	best, lag := float32(-1), 0
	const span = 4 * 960
	for l := -span; l <= span; l++ {
		from := max(0, l) + span
		if r := correlation(want[from-l:from-l+2400], got[from:from+2400], energy(want[from-l:from-l+2400])); r > best {
			best, lag = r, l
		}
	}
	var all []float64
	for at := span; at+span+960 < min(len(want), len(got)); at += 960 {
		var signal, noise float64
		for k := range 960 {
			v, w := float64(want[at+k]), float64(got[at+k+lag])
			signal += v * v
			noise += (v - w) * (v - w)
		}
		if signal > 960*1e-5 {
			all = append(all, min(max(10*math.Log10(signal/(noise+1e-12)), -10), 35))
		}
	}
	slices.Sort(all)
	sum := 0.0
	for _, v := range all {
		sum += v
	}
	return sum / float64(max(len(all), 1))
}
