package opus

import (
	"fmt"
	"slices"
	"testing"

	"bifrons/rtp/opus/opustest"
)

// TestSwitch goes from the packets of one encoder to those of another, and back, and
// compares what a decoder makes of it with what it makes of the first one alone: noise
// against the signal in windows of 5 ms, and clicks.
func TestSwitch(t *testing.T) {
	if testing.Short() {
		t.Skip("encodes a minute of sound")
	}
	for _, x := range []struct {
		rate, channels int
		Settings
	}{
		{16000, 1, Settings{Complexity: 4}},
		{16000, 1, Settings{Complexity: 4, FEC: true, Loss: 10}}, // SILK at 12 kHz, a new encoder begins at 8 kHz
		{48000, 1, Settings{Complexity: 4, Bitrate: 24000, FEC: true, Loss: 10}},
		{48000, 1, Settings{Complexity: 10}}, // CELT and hybrid
		{48000, 2, Settings{Complexity: 4, Bitrate: 32000}},
	} {
		for _, sound := range []string{"speech", "music", "tone"} {
			t.Run(fmt.Sprintf("%s %d-%d %+v", sound, x.rate, x.channels, x.Settings), func(t *testing.T) {
				s := newSeam(t, x.rate, x.channels, x.Settings, sound)
				var primed, back, cold result
				for at := 65; at < 115; at += 7 {
					primed.add(s.measure(s.start(at, PrimeFrames, true), at))
					back.add(s.measure(s.goBack(at), at))
					cold.add(s.measure(s.start(at, 0, false), at))
				}
				t.Logf("primed %v, back %v, cold %v", &primed, &back, &cold)
				for name, r := range map[string]*result{"primed": &primed, "back": &back} {
					if median(r.noise) > 4 || slices.Max(r.noise) > 10 || median(r.click) > 1.5 || slices.Max(r.click) > 6 {
						t.Errorf("%s: %v", name, r)
					}
				}
				if slices.Max(cold.click) < 8 {
					t.Errorf("a new encoder without a past makes no click: %v", &cold)
				}
			})
		}
	}
}

// seam is a sound and what one encoder makes of it.
type seam struct {
	t       *testing.T
	form    opustest.Format
	set     Settings
	sound   []float32
	late    []float32 // the sound when it comes out
	first   [][]byte  // packets
	other   [][]byte  // of another encoder, which began later and follows
	decoded []float32
	decoder *Decoder
}

func newSeam(t *testing.T, rate, channels int, set Settings, sound string) *seam {
	s := &seam{t: t, form: opustest.Format{Rate: rate, Channels: channels}, set: set, decoder: newDecoder(t, rate, channels)}
	switch sound {
	case "speech":
		s.sound = opustest.Speech(s.form, 2.4, 7)
	case "music":
		s.sound = opustest.Music(s.form, 2.4)
	case "tone":
		s.sound = opustest.Tone(s.form, 440, 0.3, 2.4)
	}
	s.late = append(make([]float32, rate*65/10000*channels), s.sound...)
	s.first = encodeAll(t, newEncoder(t, rate, channels, set), s.sound)
	s.decoded = s.decode(s.first)
	const begins = 20
	e := newEncoder(t, rate, channels, set)
	s.other = append(s.other, s.first[:begins]...)
	for i := begins; i < len(s.first); i++ {
		s.other = append(s.other, s.follow(e, i)...)
	}
	return s
}

func (s *seam) decode(packets [][]byte) []float32 {
	s.decoder.Reset()
	return decodeAll(s.t, s.decoder, packets)
}

func (s *seam) frames(from, to int) []float32 {
	return s.sound[from*s.form.Frame() : to*s.form.Frame()]
}

// follow encodes frame i as the first encoder did before.
func (s *seam) follow(e *Encoder, i int) [][]byte {
	if err := e.Follow(s.first[i-1]); err != nil {
		s.t.Fatal(err)
	}
	return encodeAll(s.t, e, s.frames(i, i+1))
}

// start goes from the first encoder to a new one at a frame.
func (s *seam) start(at, prime int, follow bool) [][]byte {
	e := newEncoder(s.t, s.form.Rate, s.form.Channels, s.set)
	if follow {
		if err := e.Follow(s.first[at-1]); err != nil {
			s.t.Fatal(err)
		}
	}
	for i := at - prime; i < at; i++ {
		if err := e.Prime(s.frames(i, i+1)); err != nil {
			s.t.Fatal(err)
		}
	}
	return append(s.first[:at:at], encodeAll(s.t, e, s.frames(at, at+4))...)
}

// goBack goes from the other encoder to the first one.
func (s *seam) goBack(at int) [][]byte {
	if !Seamless(s.other[at-1], s.first[at]) {
		s.t.Fatalf("frame %d of who follows has another rate", at)
	}
	return append(s.other[:at:at], s.first[at:at+4]...)
}

// result are measures of some switches in dB, against no switch.
type result struct{ noise, click []float64 }

func (r *result) add(noise, click float64) {
	r.noise, r.click = append(r.noise, noise), append(r.click, click)
}

func (r *result) String() string {
	return fmt.Sprintf("noise %.1f to %.1f dB, click %.1f to %.1f dB", median(r.noise), slices.Max(r.noise), median(r.click), slices.Max(r.click))
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// measure finds the worst of 40 ms after a switch at a frame.
func (s *seam) measure(packets [][]byte, at int) (noise, click float64) {
	// What is long past has no part in it.
	begin := at - 30
	got := s.decode(packets[begin:])
	from, window := at*s.form.Frame(), s.form.Frame()/4
	part := func(i, n int) (a, b, want []float32) {
		return got[i-begin*s.form.Frame():][:n], s.decoded[i:][:n], s.late[i:][:n]
	}
	floor := opustest.Power(s.sound) * 1e-4
	for i := from; i < from+8*window; i += window {
		a, b, want := part(i, window)
		noise = max(noise, opustest.DB((power(a, want)+floor)/(power(b, want)+floor)))
	}
	a, b, _ := part(from-window/2, 2*window)
	return noise, 2 * opustest.DB((opustest.Click(s.form, a)+3e-3)/(opustest.Click(s.form, b)+3e-3))
}

// power of a difference.
func power(a, b []float32) float64 {
	off := make([]float32, len(a))
	for i := range a {
		off[i] = a[i] - b[i]
	}
	return opustest.Power(off)
}

// TestFollow goes from mode to mode as another one does.
func TestFollow(t *testing.T) {
	for _, x := range []struct {
		rate int
		toc  byte // configuration of RFC 6716, table 2
	}{{16000, 1}, {16000, 5}, {16000, 9}, {16000, 19}, {48000, 9}, {48000, 13}, {48000, 15}, {48000, 31}} {
		e := newEncoder(t, x.rate, 1, Settings{Bitrate: 32000, Complexity: 4})
		like := []byte{x.toc << 3, 0}
		if err := e.Follow(like); err != nil {
			t.Fatal(err)
		}
		pcm := opustest.Speech(opustest.Format{Rate: x.rate, Channels: 1}, 0.1, 3)
		for _, packet := range encodeAll(t, e, pcm) {
			if packet[0]>>3 != x.toc {
				t.Errorf("at %d Hz: configuration %d, want %d", x.rate, packet[0]>>3, x.toc)
			}
		}
		if err := e.Follow(nil); err != nil {
			t.Fatal(err)
		}
	}
	e := newEncoder(t, 8000, 1, Settings{Complexity: 4})
	if err := e.Follow([]byte{31<<3 | 4, 0}); err != nil { // wider, and stereo
		t.Fatal(err)
	}
	for _, packet := range encodeAll(t, e, make([]float32, 800)) {
		if p, ok := parse(packet); !ok || p.toc.Bandwidth != 4000 || p.toc.Channels != 1 {
			t.Errorf("%+v", p.toc)
		}
	}
	if e.Follow([]byte{}) == nil {
		t.Error("follows no packet")
	}
}

// TestSeamless has the rates of RFC 6716, table 2.
func TestSeamless(t *testing.T) {
	rates := map[byte]int{1: 8, 5: 12, 9: 16, 13: 16, 15: 16, 19: 0, 23: 0, 27: 0, 31: 0}
	for a, rate := range rates {
		for b, other := range rates {
			want := rate == other || rate == 0 || other == 0
			if got := Seamless([]byte{a << 3, 0}, []byte{b << 3, 0}); got != want {
				t.Errorf("from configuration %d to %d: %v", a, b, got)
			}
		}
	}
	if Seamless(nil, []byte{8, 0}) || Seamless([]byte{8, 0}, nil) {
		t.Error("no packet")
	}
}

// TestSpeaker goes all the way: a listener hears the packets of an encoder, speaks
// and has an encoder of their own, which does not hear them, and goes back when they
// are silent again. What they decode is as good as from one encoder all the time.
func TestSpeaker(t *testing.T) {
	for _, x := range []struct {
		rate, channels int
		Settings
	}{
		{16000, 1, Settings{Complexity: 4, FEC: true, Loss: 10}},
		{48000, 1, Settings{Complexity: 10}},
		{48000, 2, Settings{Complexity: 4, Bitrate: 40000}},
	} {
		t.Run(fmt.Sprintf("%d-%d %+v", x.rate, x.channels, x.Settings), func(t *testing.T) {
			const speaks, silent, back, end = 45, 75, 80, 110 // frames
			s := newSeam(t, x.rate, x.channels, x.Settings, "music")
			others, all := s.sound, slices.Clone(s.sound)
			for i, v := range opustest.Speech(s.form, 2.4, 5)[:(silent-speaks)*s.form.Frame()] {
				all[speaks*s.form.Frame()+i] += v
			}
			shared := encodeAll(t, newEncoder(t, x.rate, x.channels, x.Settings), all)
			packets := slices.Clone(shared[:speaks])
			own := newEncoder(t, x.rate, x.channels, x.Settings)
			for i := speaks - PrimeFrames; i < end; i++ {
				if err := own.Follow(shared[max(i, speaks)-1]); err != nil {
					t.Fatal(err)
				}
				frame := others[i*s.form.Frame():][:s.form.Frame()]
				if i < speaks {
					if err := own.Prime(frame); err != nil {
						t.Fatal(err)
					}
					continue
				}
				if i >= back && Seamless(packets[i-1], shared[i]) {
					packets = append(packets, shared[i:end]...)
					break
				}
				packets = append(packets, encodeAll(t, own, frame)...)
			}
			for _, at := range []int{speaks, back} {
				noise, click := s.measure(packets, at)
				t.Logf("frame %d: noise %.1f dB, click %.1f dB", at, noise, click)
				if noise > 8 || click > 4 {
					t.Errorf("frame %d: noise %.1f dB, click %.1f dB", at, noise, click)
				}
			}
		})
	}
}
