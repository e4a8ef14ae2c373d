package frame

import (
	"bytes"
	"os/exec"
	"slices"
	"testing"
)

// ffmpegDecodes is what ffmpeg makes of raw audio.
func ffmpegDecodes(t *testing.T, raw []byte, args ...string) []byte {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is not installed: nothing to compare samples with")
	}
	cmd := exec.CommandContext(t.Context(), ffmpeg, append(append([]string{"-loglevel", "error"}, args...), "-i", "-", "-f", "s16le", "-")...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(raw), &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	return out.Bytes()
}

// every is every octet, and then what a simple generator makes.
func every() []byte {
	b := make([]byte, 256, 8000)
	for i := range b {
		b[i] = byte(i)
	}
	x := uint32(1)
	for len(b) < cap(b) {
		x = x*1664525 + 1013904223
		b = append(b, byte(x>>24))
	}
	return b
}

func TestSamples(t *testing.T) {
	raw := every()
	for _, tt := range []struct {
		name  string
		codec Codec
		pt    uint8
		args  []string
	}{
		{"PCMU", PCMU, 0, []string{"-f", "mulaw", "-ar", "8000"}},
		{"PCMA", PCMA, 8, []string{"-f", "alaw", "-ar", "8000"}},
		{"G711, mu-law", G711, 0, []string{"-f", "mulaw", "-ar", "8000"}},
		{"G711, A-law", G711, 8, []string{"-f", "alaw", "-ar", "8000"}},
		{"G722", G722, 9, []string{"-f", "g722"}},
		{"L16", L16, 96, []string{"-f", "s16be", "-ar", "16000"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := New(tt.codec)
			var got []byte
			for i := 0; i < len(raw); i += 160 {
				p := Packet{Seq: uint64(1 + i/160), Timestamp: uint32(i), PT: tt.pt, Payload: raw[i:min(len(raw), i+160)]}
				for _, f := range a.Push(&p) {
					got = append(got, f.Data...)
					want := len(p.Payload)
					if tt.codec == L16 {
						want /= 2
					}
					if int(f.Samples) != want || !f.Whole || !f.Key {
						t.Errorf("%+v", f)
					}
				}
			}
			want := ffmpegDecodes(t, raw, tt.args...)
			if !bytes.Equal(got, want) {
				at := 0
				for at < min(len(got), len(want)) && got[at] == want[at] {
					at++
				}
				t.Errorf("%d octets instead of %d, different at %d", len(got), len(want), at)
			}
		})
	}
}

// red is a RED payload of Opus blocks, the primary one last.
func red(step int, blocks ...[]byte) (b []byte) {
	for i, d := range blocks[:len(blocks)-1] {
		offset := step * (len(blocks) - 1 - i)
		b = append(b, 0x80|111, byte(offset>>6), byte(offset<<2|len(d)>>8), byte(len(d)))
	}
	b = append(b, 111)
	return append(b, bytes.Join(blocks, nil)...)
}

// opusPacket is one of 20 ms that says its number.
func opusPacket(n int) []byte { return []byte{0xfc, byte(n), 1, 2} }

// TestRED loses runs of packets: those that the next ones repeat are rebuilt.
func TestRED(t *testing.T) {
	for _, tt := range []struct {
		name string
		lost []int
		want []int // numbers of the frames
		gaps map[int]uint64
	}{
		{"none", nil, []int{0, 1, 2, 3, 4, 5}, nil},
		{"one", []int{2}, []int{0, 1, 2, 3, 4, 5}, nil},
		{"two", []int{2, 3}, []int{0, 1, 2, 3, 4, 5}, nil},
		{"three, of which one is too old", []int{1, 2, 3}, []int{0, 2, 3, 4, 5}, map[int]uint64{2: 1}},
		{"the first", []int{0}, []int{1, 2, 3, 4, 5}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := New(Opus)
			var got []int
			for i := range 6 {
				if slices.Contains(tt.lost, i) {
					continue
				}
				blocks := [][]byte{opusPacket(i - 2), opusPacket(i - 1), opusPacket(i)}
				p := Packet{Seq: uint64(i + 10), Timestamp: uint32(5000 + 960*i), RED: true, Payload: red(960, blocks[max(0, 2-i):]...)}
				for _, f := range a.Push(&p) {
					n := int(f.Data[1])
					got = append(got, n)
					if f.Timestamp != 1<<32+5000+960*uint64(n) || f.Lost != tt.gaps[n] || f.Rebuilt != slices.Contains(tt.lost, n) || f.Samples != 960 {
						t.Errorf("%d: %+v", n, f)
					}
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%v", got)
			}
		})
	}
}

// TestREDAfterSilence: without a lost packet redundancy is left alone, however late
// it is.
func TestREDAfterSilence(t *testing.T) {
	a := New(Opus)
	for i, ts := range []uint32{0, 960, 96000} {
		p := Packet{Seq: uint64(i + 1), Timestamp: ts, RED: true, Payload: red(960, opusPacket(i), opusPacket(i))}
		if n := len(a.Push(&p)); n != 1 {
			t.Errorf("packet %d: %d frames", i, n)
		}
	}
}

func TestOpusMalformed(t *testing.T) {
	a := New(Opus)
	for i, b := range [][]byte{{0x03}, {0xff, 0x00}, {0xff, 0x3f}} {
		f := a.Push(&Packet{Seq: uint64(i + 1), Payload: b})
		if len(f) != 1 || f[0].Whole || f[0].Samples != 0 {
			t.Errorf("%x: %+v", b, f)
		}
	}
	// RED that ends too early, and padding.
	if f := a.Push(&Packet{Seq: 5, RED: true, Payload: []byte{0xef}}); len(f) != 1 || f[0].Whole || f[0].Lost != 1 {
		t.Errorf("%+v", f)
	}
	if f := a.Push(&Packet{Seq: 7}); len(f) != 0 {
		t.Errorf("%+v", f)
	}
	if f := a.Push(&Packet{Seq: 8, Payload: opusPacket(0)}); len(f) != 1 || !f[0].Whole || f[0].Lost != 1 {
		t.Errorf("%+v", f)
	}
}
