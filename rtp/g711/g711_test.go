package g711

import (
	"bytes"
	"encoding/binary"
	"math"
	"os/exec"
	"testing"
)

// TestVectors has values of tables 1 and 2 of G.711, scaled to 16 bits.
func TestVectors(t *testing.T) {
	for _, x := range []struct {
		law  Law
		code byte
		want int16
	}{
		{PCMU, 0xff, 0}, {PCMU, 0x7f, 0}, {PCMU, 0x80, 32124}, {PCMU, 0x00, -32124}, {PCMU, 0x8f, 16764},
		{PCMU, 0xef, 132}, {PCMU, 0xfe, 8},
		{PCMA, 0xd5, 8}, {PCMA, 0x55, -8}, {PCMA, 0xaa, 32256}, {PCMA, 0x2a, -32256}, {PCMA, 0xc5, 264},
	} {
		var got [1]int16
		if x.law.DecodeInt16([]byte{x.code}, got[:]); got[0] != x.want {
			t.Errorf("law %d: %#x is %d, want %d", x.law, x.code, got[0], x.want)
		}
	}
}

// TestNearest encodes all samples.
func TestNearest(t *testing.T) {
	for _, law := range []Law{PCMU, PCMA} {
		for v := -32768; v <= 32767; v++ {
			code := law.EncodeInt16(nil, []int16{int16(v)})
			if asFloat := law.Encode(nil, []float32{float32(v) / 32768}); asFloat[0] != code[0] {
				t.Fatalf("law %d: %d is %#x, %#x as float", law, v, code[0], asFloat[0])
			}
			var back [1]int16
			law.DecodeInt16(code, back[:])
			off := math.Abs(float64(back[0]) - float64(v))
			if off > max(8, (math.Abs(float64(v))+132)/32) { // half a step
				t.Fatalf("law %d: %d is %d", law, v, back[0])
			}
			if v > 3 && back[0] < 0 || v < 0 && back[0] > 0 {
				t.Fatalf("law %d: %d is %d", law, v, back[0])
			}
		}
		for code := range 256 {
			var pcm [1]float32
			law.Decode([]byte{byte(code)}, pcm[:])
			if got := law.Encode(nil, pcm[:]); got[0] != byte(code) && pcm[0] != 0 {
				t.Errorf("law %d: %#x comes back as %#x", law, code, got[0])
			}
		}
		nan := float32(math.NaN())
		inf := float32(math.Inf(1))
		got := law.Encode(nil, []float32{nan, inf, -inf, 2, -2})
		for i, want := range law.Encode(nil, []float32{0, 1, -1, 1, -1}) {
			if got[i] != want {
				t.Errorf("law %d: beyond full scale %#x, want %#x", law, got[i], want)
			}
		}
	}
}

// TestFFmpeg encodes and decodes as ffmpeg does. At the few samples that lie in the
// middle between two codes, it may take the other one.
func TestFFmpeg(t *testing.T) {
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("no ffmpeg: nothing is compared with it")
	}
	ffmpeg := func(in []byte, from, to string) []byte {
		cmd := exec.Command(path, "-v", "error", "-f", from, "-ar", "8000", "-ac", "1", "-i", "-", "-f", to, "-")
		cmd.Stdin = bytes.NewReader(in)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	var codes, samples []byte
	var pcm []int16
	for code := range 256 {
		codes = append(codes, byte(code))
	}
	for v := -32768; v <= 32767; v++ {
		samples = binary.LittleEndian.AppendUint16(samples, uint16(v))
		pcm = append(pcm, int16(v))
	}
	for law, format := range map[Law]string{PCMU: "mulaw", PCMA: "alaw"} {
		theirs := ffmpeg(codes, format, "s16le")
		var ours [256]int16
		law.DecodeInt16(codes, ours[:])
		for code, v := range ours {
			if want := int16(binary.LittleEndian.Uint16(theirs[2*code:])); v != want {
				t.Errorf("%s: %#x is %d, ffmpeg has %d", format, code, v, want)
			}
		}
		others := 0
		got := law.EncodeInt16(nil, pcm)
		for i, want := range ffmpeg(samples, "s16le", format) {
			if got[i] == want {
				continue
			}
			others++
			a, b := int(ours[got[i]]), int(ours[want])
			if off, theirs := pcm[i]-int16(a), pcm[i]-int16(b); a != b && max(off, -off) > max(theirs, -theirs)+4 {
				t.Errorf("%s: %d is %d, ffmpeg has %d", format, pcm[i], a, b)
			}
		}
		if others > 1200 {
			t.Errorf("%s: %d of 65536 are other codes than those of ffmpeg", format, others)
		}
		t.Logf("%s: %d of 65536 are other codes", format, others)
	}
}

func TestAllocations(t *testing.T) {
	pcm, payload := make([]float32, 160), make([]byte, 0, 160)
	if n := testing.AllocsPerRun(100, func() {
		PCMA.Decode(PCMA.Encode(payload, pcm), pcm)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
