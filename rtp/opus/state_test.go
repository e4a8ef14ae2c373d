package opus

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"bifrons/rtp/opus/opustest"
)

// encodeAll encodes whole frames.
func encodeAll(t testing.TB, e *Encoder, pcm []float32) (packets [][]byte) {
	t.Helper()
	size := e.Rate() / 50 * e.Channels()
	for at := 0; at+size <= len(pcm); at += size {
		packet, err := e.Encode(nil, pcm[at:at+size])
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, packet)
	}
	return packets
}

// decodeAll decodes packets; nil is one that was lost.
func decodeAll(t testing.TB, d *Decoder, packets [][]byte) (pcm []float32) {
	t.Helper()
	room := make([]float32, d.Rate()*120/1000*d.Channels())
	for _, packet := range packets {
		n := d.Rate() / 50
		var err error
		if packet == nil {
			err = d.Conceal(room[:n*d.Channels()])
		} else {
			n, err = d.Decode(packet, room)
		}
		if err != nil {
			t.Fatal(err)
		}
		pcm = append(pcm, room[:n*d.Channels()]...)
	}
	return pcm
}

// TestReset compares what was reset with what is new.
func TestReset(t *testing.T) {
	for _, f := range formats {
		for _, s := range []Settings{{Complexity: 4}, {Bitrate: 96000, Complexity: 10}, {Complexity: 4, FEC: true, Loss: 10}} {
			form := opustest.Format{Rate: f.rate, Channels: f.channels}
			music, speech := opustest.Music(form, 0.4), opustest.Speech(form, 0.4, 3)
			used, fresh := newEncoder(t, f.rate, f.channels, s), newEncoder(t, f.rate, f.channels, s)
			before := encodeAll(t, used, music)
			used.Reset()
			got, want := encodeAll(t, used, speech), encodeAll(t, fresh, speech)
			if !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("%v %+v: an encoder that was reset makes other packets", f, s)
			}
			d := newDecoder(t, f.rate, f.channels)
			decodeAll(t, d, append(before, nil, nil))
			d.Reset()
			if !slices.Equal(decodeAll(t, d, want), decodeAll(t, newDecoder(t, f.rate, f.channels), want)) {
				t.Errorf("%v %+v: a decoder that was reset decodes otherwise", f, s)
			}
		}
	}
}

// TestSettingsChange changes all settings every few frames. What is decoded stays
// what was said.
func TestSettingsChange(t *testing.T) {
	all := []Settings{
		{Complexity: 4}, {Bitrate: 12000, Complexity: 0}, {Bitrate: 64000, Complexity: 10}, {Bitrate: 24000, Complexity: 5, FEC: true, Loss: 20},
		{Bitrate: 500, Complexity: 1}, {Bitrate: 512000, Complexity: 10, FEC: true, Loss: 100}, {Bitrate: 20000, Complexity: 8, FEC: true},
	}
	for _, f := range formats {
		form := opustest.Format{Rate: f.rate, Channels: f.channels}
		pcm := opustest.Speech(form, 4, 9)
		e := newEncoder(t, f.rate, f.channels, all[0])
		var packets [][]byte
		for at := 0; at < len(pcm); at += form.Frame() {
			frame := at / form.Frame()
			if frame%7 == 0 {
				if err := e.Set(all[frame/7%len(all)]); err != nil {
					t.Fatal(err)
				}
			}
			packets = append(packets, encodeAll(t, e, pcm[at:at+form.Frame()])...)
		}
		got := decodeAll(t, newDecoder(t, f.rate, f.channels), packets)
		late := f.rate * 65 / 10000 * f.channels
		if d := opustest.SpectralDistance(form, pcm, got[late:], 3000); d > 12 {
			t.Errorf("%v: a distance of %.1f dB", f, d)
		}
		if err := e.Set(Settings{Bitrate: 400}); !errors.Is(err, ErrSettings) {
			t.Error(err)
		}
	}
}

// TestBitrate has packets as large as they were asked to be.
func TestBitrate(t *testing.T) {
	form := opustest.Format{Rate: 48000, Channels: 1}
	pcm := opustest.Speech(form, 3, 4)
	for _, bitrate := range []int{16000, 32000, 64000, 128000} {
		var bytes int
		packets := encodeAll(t, newEncoder(t, 48000, 1, Settings{Bitrate: bitrate, Complexity: 4}), pcm)
		for _, packet := range packets {
			bytes += len(packet)
		}
		if got := bytes * 8 / 3; got > bitrate*115/100 || got < bitrate/2 {
			t.Errorf("%d bit/s instead of %d", got, bitrate)
		}
	}
}

// TestNoNumbers encodes what is no number, or far beyond full scale: it passes.
func TestNoNumbers(t *testing.T) {
	for _, f := range formats {
		form := opustest.Format{Rate: f.rate, Channels: f.channels}
		pcm := opustest.Tone(form, 440, 0.3, 2)
		for i := range form.Frame() {
			pcm[5*form.Frame()+i] = float32(math.NaN())
			pcm[10*form.Frame()+i] = float32(math.Inf(1 - i%2*2))
			pcm[15*form.Frame()+i] = float32(math.MaxFloat32)
		}
		got := decodeAll(t, newDecoder(t, f.rate, f.channels), encodeAll(t, newEncoder(t, f.rate, f.channels, Settings{Complexity: 10}), pcm))
		for i, v := range got {
			if !(v >= -ceiling && v <= ceiling) {
				t.Fatalf("%v: sample %d is %v", f, i, v)
			}
		}
		if a := opustest.Amplitude(form.Channel(got[len(got)/2:], 0), f.rate, 440); a < 0.25 || a > 0.35 {
			t.Errorf("%v: amplitude is %.2f afterwards", f, a)
		}
	}
}

// TestBroken has the codec panic.
func TestBroken(t *testing.T) {
	e, d := newEncoder(t, 16000, 1, Settings{}), newDecoder(t, 16000, 1)
	packet := encodeAll(t, e, make([]float32, 320))[0]
	e.inner, d.inner = nil, nil
	pcm := make([]float32, 320)
	for range 2 {
		if out, err := e.Encode([]byte{1}, pcm); !errors.Is(err, ErrBroken) || len(out) != 1 {
			t.Error(out, err)
		}
		if err := e.Set(Settings{}); !errors.Is(err, ErrBroken) {
			t.Error(err)
		}
		if err := errors.Join(e.Follow(packet), e.Follow(nil), e.Prime(pcm)); !errors.Is(err, ErrBroken) {
			t.Error(err)
		}
		e.Reset()
		if _, err := d.Decode(packet, pcm); !errors.Is(err, ErrBroken) {
			t.Error(err)
		}
		if err := d.Conceal(pcm); !errors.Is(err, ErrBroken) {
			t.Error(err)
		}
		if err := d.Recover(packet, pcm); !errors.Is(err, ErrBroken) {
			t.Error(err)
		}
		d.Reset()
	}
	for name, call := range map[string]func(d *Decoder) error{
		"conceal": func(d *Decoder) error { return d.Conceal(pcm) },
		"reset":   func(d *Decoder) error { d.Reset(); return d.Conceal(pcm) },
	} {
		d := newDecoder(t, 16000, 1)
		d.inner = nil
		if err := call(d); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAllocations has none, for any mode, without FEC and loss. With them there are a
// few, inside of the codec.
func TestAllocations(t *testing.T) {
	for _, f := range formats {
		for _, s := range []Settings{{Complexity: 4}, {Bitrate: 96000, Complexity: 10}, {Bitrate: 24000, Complexity: 4, FEC: true, Loss: 10}} {
			form := opustest.Format{Rate: f.rate, Channels: f.channels}
			pcm := opustest.Speech(form, 1, 5)
			e, d := newEncoder(t, f.rate, f.channels, s), newDecoder(t, f.rate, f.channels)
			warm := encodeAll(t, e, pcm)
			buf, room, frame := make([]byte, 0, MaxEncoded), make([]float32, f.rate*120/1000*f.channels), 0
			var err error
			var packet []byte
			measure := func(what string, most float64, call func()) {
				t.Helper()
				for range 50 {
					call()
				}
				if n := testing.AllocsPerRun(50, call); n > most || err != nil {
					t.Errorf("%v %+v: %s: %v allocations: %v", f, s, what, n, err)
				}
			}
			most := 0.0
			if s.FEC {
				most = 10
			}
			measure("encode", most, func() {
				frame = (frame + 1) % len(warm)
				packet, err = e.Encode(buf, pcm[frame*form.Frame():][:form.Frame()])
				err = errors.Join(err, e.Follow(packet))
			})
			measure("decode", 0, func() {
				frame = (frame + 1) % len(warm)
				if packet = warm[frame]; Duration(packet) > 0 && Seamless(packet, packet) {
					_, err = d.Decode(packet, room)
				}
			})
			measure("conceal", 10, func() { err = d.Conceal(room[:form.Frame()]) })
			measure("recover", 10, func() {
				frame = (frame + 1) % len(warm)
				if HasFEC(warm[frame]) {
					err = d.Recover(warm[frame], room[:form.Frame()])
				}
			})
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, f := range formats {
		for _, complexity := range []int{4, 10} {
			if f.rate != 16000 && f.rate != 48000 {
				continue
			}
			b.Run(fmt.Sprintf("%d-%d-c%d", f.rate, f.channels, complexity), func(b *testing.B) {
				form := opustest.Format{Rate: f.rate, Channels: f.channels}
				pcm := opustest.Speech(form, 2, 5)
				e, at, buf := newEncoder(b, f.rate, f.channels, Settings{Complexity: complexity}), 0, make([]byte, 0, MaxEncoded)
				for b.Loop() {
					if _, err := e.Encode(buf, pcm[at:at+form.Frame()]); err != nil {
						b.Fatal(err)
					}
					at = (at + form.Frame()) % len(pcm)
				}
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, f := range formats {
		if f.rate != 16000 && f.rate != 48000 {
			continue
		}
		b.Run(fmt.Sprintf("%d-%d", f.rate, f.channels), func(b *testing.B) {
			form := opustest.Format{Rate: f.rate, Channels: f.channels}
			packets := encodeAll(b, newEncoder(b, f.rate, f.channels, Settings{Complexity: 10}), opustest.Speech(form, 2, 5))
			d, at, room := newDecoder(b, f.rate, f.channels), 0, make([]float32, f.rate*120/1000*f.channels)
			for b.Loop() {
				if _, err := d.Decode(packets[at], room); err != nil {
					b.Fatal(err)
				}
				at = (at + 1) % len(packets)
			}
		})
	}
}
