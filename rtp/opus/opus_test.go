package opus

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"bifrons/rtp/opus/opustest"
	"bifrons/rtp/waittest"
)

type format struct{ rate, channels int }

// formats are all that Opus has.
var formats = []format{
	{8000, 1}, {8000, 2}, {12000, 1}, {12000, 2}, {16000, 1}, {16000, 2}, {24000, 1}, {24000, 2}, {48000, 1}, {48000, 2},
}

// formatsHere are fewer with the race detector, which makes a codec many times slower
// and has nothing to find in one that has no goroutines.
func formatsHere() []format {
	if waittest.Race {
		return []format{{16000, 1}, {48000, 2}}
	}
	return formats
}

// slow skips a test that says nothing more with the race detector.
func slow(t *testing.T) {
	t.Helper()
	if waittest.Race {
		t.Skip("takes too long with the race detector: run without it")
	}
}

func newEncoder(t testing.TB, rate, channels int, s Settings) *Encoder {
	t.Helper()
	e, err := NewEncoder(rate, channels)
	if err == nil {
		err = e.Set(s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newDecoder(t testing.TB, rate, channels int) *Decoder {
	t.Helper()
	d, err := NewDecoder(rate, channels)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// amplitude of a frequency in one channel.
func amplitude(pcm []float32, rate, channels, channel int, hz float64) float64 {
	var re, im float64
	n := 0
	for i := channel; i < len(pcm); i += channels {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(n) / float64(rate))
		re += float64(pcm[i]) * cos
		im += float64(pcm[i]) * sin
		n++
	}
	return 2 * math.Hypot(re, im) / float64(n)
}

// TestTone sends a tone through each format.
func TestTone(t *testing.T) {
	for _, f := range formatsHere() {
		t.Run(fmt.Sprint(f.rate, "/", f.channels), func(t *testing.T) {
			e, d := newEncoder(t, f.rate, f.channels, Settings{Complexity: 4}), newDecoder(t, f.rate, f.channels)
			in := opustest.Tone(opustest.Format{Rate: f.rate, Channels: f.channels}, 440, 0.5, 1)
			size := f.rate / 50 * f.channels
			buf, room := make([]byte, 0, MaxEncoded), make([]float32, f.rate*120/1000*f.channels)
			var out []float32
			for at := 0; at < len(in); at += size {
				packet, err := e.Encode(buf, in[at:at+size])
				if err != nil {
					t.Fatal(err)
				}
				if Duration(packet) != 20*time.Millisecond {
					t.Fatalf("packet of %v", Duration(packet))
				}
				n, err := d.Decode(packet, room)
				if err != nil || n*f.channels != size {
					t.Fatalf("%d samples: %v", n, err)
				}
				out = append(out, room[:size]...)
			}
			for c := range f.channels {
				if a := amplitude(out[len(out)/2:], f.rate, f.channels, c, 440); a < 0.45 || a > 0.55 {
					t.Errorf("channel %d has an amplitude of %.2f", c, a)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for _, f := range []struct{ rate, channels int }{{44100, 1}, {0, 1}, {48000, 0}, {48000, 3}} {
		if _, err := NewEncoder(f.rate, f.channels); err == nil {
			t.Errorf("an encoder of %v", f)
		}
		if _, err := NewDecoder(f.rate, f.channels); err == nil {
			t.Errorf("a decoder of %v", f)
		}
	}
	e, d := newEncoder(t, 16000, 1, Settings{}), newDecoder(t, 16000, 1)
	for _, s := range []Settings{{Bitrate: -1}, {Bitrate: 499}, {Bitrate: 512001}, {Complexity: -1}, {Complexity: 11}, {Loss: -1}, {Loss: 101}} {
		if err := e.Set(s); !errors.Is(err, ErrSettings) {
			t.Errorf("%+v: %v", s, err)
		}
	}
	for _, n := range []int{0, 319, 321, 640} {
		if _, err := e.Encode(nil, make([]float32, n)); !errors.Is(err, ErrLength) {
			t.Errorf("a frame of %d samples: %v", n, err)
		}
	}
	packet, err := e.Encode(nil, make([]float32, 320))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		payload []byte
		room    int
		want    error
	}{
		{nil, 1920, ErrMalformed},
		{make([]byte, 1277), 1920, ErrMalformed},                 // of one frame
		{append([]byte{3, 1}, make([]byte, 1275)...), 1920, nil}, // the largest one
		{append([]byte{3, 1}, make([]byte, 1276)...), 1920, ErrMalformed},
		{append([]byte{1}, make([]byte, 1500)...), 1920, ErrMalformed},
		{packet, 319, ErrLength},
		{packet, 320, nil},
	} {
		if _, err := d.Decode(x.payload, make([]float32, x.room)); !errors.Is(err, x.want) {
			t.Errorf("%d bytes: %v, want %v", len(x.payload), err, x.want)
		}
	}
	for _, n := range []int{0, 39, 41, 1960} {
		if err := d.Recover(packet, make([]float32, n)); !errors.Is(err, ErrLength) {
			t.Errorf("%d samples recovered: %v", n, err)
		}
	}
	if err := d.Recover(packet, make([]float32, 320)); !errors.Is(err, ErrNoFEC) {
		t.Error(err)
	}
	for _, n := range []int{0, 39, 41} {
		if err := d.Conceal(make([]float32, n)); !errors.Is(err, ErrLength) {
			t.Errorf("%d samples concealed: %v", n, err)
		}
	}
}
