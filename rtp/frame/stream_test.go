package frame

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"slices"
	"testing"

	"github.com/pion/rtp/codecs"
)

// payloader is one of pion's.
type payloader interface {
	Payload(mtu uint16, payload []byte) [][]byte
}

// stream is what an encoder makes.
type stream struct {
	name  string
	codec Codec
	args  []string // of ffmpeg
	split func(b []byte) [][]byte
	pion  func() payloader
	// whole turns a picture of the encoder into what is to come out.
	whole func(picture []byte) []byte
}

var streams = []stream{
	{"vp8", VP8, []string{"-c:v", "libvpx", "-g", "10", "-f", "ivf"}, splitIVF,
		func() payloader { return &codecs.VP8Payloader{EnablePictureID: true} }, bytes.Clone},
	{"vp9", VP9, []string{"-c:v", "libvpx-vp9", "-deadline", "realtime", "-g", "10", "-f", "ivf"}, splitIVF,
		func() payloader { return &codecs.VP9Payloader{FlexibleMode: true} }, bytes.Clone},
	{"av1", AV1, []string{"-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-g", "10", "-f", "ivf"}, splitIVF,
		func() payloader { return &codecs.AV1Payloader{} }, withoutDelimiter},
	{"h264", H264, []string{"-c:v", "libx264", "-g", "10", "-bf", "0", "-slices", "2", "-x264-params", "aud=1", "-f", "h264"}, splitH264,
		func() payloader { return &codecs.H264Payloader{} }, lengthPrefixed},
	{"h265", H265, []string{"-c:v", "libx265", "-g", "10", "-bf", "0", "-x265-params", "log-level=none:aud=1:repeat-headers=1", "-f", "hevc"}, splitH265,
		func() payloader { return &codecs.H265Payloader{} }, lengthPrefixed},
}

var encoded = map[string][][]byte{} // what there is already

// encode returns the pictures of two seconds of a test pattern.
func (s *stream) encode(t testing.TB) [][]byte {
	t.Helper()
	if list := encoded[s.name]; list != nil {
		return list
	}
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is not installed: no pictures to put together")
	}
	args := []string{"-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=15:duration=2", "-pix_fmt", "yuv420p"}
	cmd := exec.CommandContext(t.Context(), ffmpeg, append(append(args, s.args...), "-")...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Skipf("ffmpeg has no such encoder: %v\n%s", err, errs.String())
	}
	encoded[s.name] = s.split(out.Bytes())
	return encoded[s.name]
}

// packets are those of all pictures.
func (s *stream) packets(pictures [][]byte) (list []Packet) {
	p := s.pion()
	for i, pic := range pictures {
		payloads := p.Payload(700, pic)
		for n, b := range payloads {
			list = append(list, Packet{
				Seq: uint64(len(list)) + 1, Timestamp: uint32(i * 6000), Marker: n == len(payloads)-1,
				Arrival: int64(len(list)), Payload: b,
			})
		}
	}
	return list
}

// assemble returns all frames, copied.
func assemble(a *Assembler, list []Packet) (frames []Frame) {
	keep := func(more []Frame) {
		for _, f := range more {
			f.Data = bytes.Clone(f.Data)
			frames = append(frames, f)
		}
	}
	for i := range list {
		keep(a.Push(&list[i]))
	}
	keep(a.Flush())
	return frames
}

func splitIVF(b []byte) (list [][]byte) {
	for b = b[32:]; len(b) > 12; {
		n := int(binary.LittleEndian.Uint32(b))
		list = append(list, b[12:12+n])
		b = b[12+n:]
	}
	return list
}

// withoutDelimiter leaves the temporal delimiter out, which takes two octets.
func withoutDelimiter(b []byte) []byte { return b[2:] }

// units splits Annex B.
func units(b []byte) (list [][]byte) {
	for _, u := range bytes.Split(b, []byte{0, 0, 1}) {
		if u = bytes.TrimRight(u, "\x00"); len(u) > 0 {
			list = append(list, u)
		}
	}
	return list
}

func splitH264(b []byte) [][]byte { return splitUnits(b, func(u []byte) bool { return u[0]&31 == 9 }) }
func splitH265(b []byte) [][]byte { return splitUnits(b, func(u []byte) bool { return u[0]>>1 == 35 }) }

// splitUnits returns access units, without the delimiters that pion leaves out too.
func splitUnits(b []byte, delimiter func([]byte) bool) (list [][]byte) {
	for _, u := range units(b) {
		if delimiter(u) {
			list = append(list, nil)
			continue
		}
		at := len(list) - 1
		list[at] = append(append(list[at], 0, 0, 1), u...)
	}
	return list
}

func lengthPrefixed(b []byte) (out []byte) {
	for _, u := range units(b) {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(u))), u...)
	}
	return out
}

// TestStreams: what comes out of the packets is what the encoder made.
func TestStreams(t *testing.T) {
	for _, s := range streams {
		t.Run(s.name, func(t *testing.T) {
			pictures := s.encode(t)
			a := New(s.codec)
			frames := assemble(a, s.packets(pictures))
			if len(frames) != len(pictures) {
				t.Fatalf("%d frames of %d", len(frames), len(pictures))
			}
			for i, f := range frames {
				if want := s.whole(pictures[i]); !bytes.Equal(f.Data, want) {
					t.Errorf("frame %d: %d octets instead of %d\n%x\n%x", i, len(f.Data), len(want), f.Data[:min(64, len(f.Data))], want[:min(64, len(want))])
				}
				if !f.Whole || f.Lost != 0 || f.Timestamp != 1<<32+uint64(i*6000) {
					t.Errorf("frame %d: %+v", i, f)
				}
				if key := i%10 == 0; f.Key != key || key && (f.Width != 320 || f.Height != 180) || f.NewConfig != (i == 0 && s.codec != VP8) {
					t.Errorf("frame %d: key %v, %dx%d, new configuration %v", i, f.Key, f.Width, f.Height, f.NewConfig)
				}
			}
			if c := a.Config(); s.codec != VP8 && (c == nil || c.Width != 320) {
				t.Errorf("configuration: %+v", c)
			}
		})
	}
}

// TestLoss loses each packet in turn: the frame that it was of is not whole, and no
// other one changes.
func TestLoss(t *testing.T) {
	for _, s := range streams {
		t.Run(s.name, func(t *testing.T) {
			pictures := s.encode(t)[9:12]
			list := s.packets(pictures)
			for lost := 1; lost < len(list); lost++ {
				of := int(list[lost].Timestamp / 6000)
				missing := slices.Delete(slices.Clone(list), lost, lost+1)
				whole, count := 0, uint64(0)
				for _, f := range assemble(New(s.codec), missing) {
					i := int((f.Timestamp - 1<<32) / 6000)
					count += f.Lost
					switch {
					case f.Whole && i == of:
						t.Errorf("packet %d lost: frame %d is whole", lost, i)
					case f.Whole:
						whole++
						if !bytes.Equal(f.Data, s.whole(pictures[i])) {
							t.Errorf("packet %d lost: frame %d changed", lost, i)
						}
					}
				}
				// The end of a picture may have been the start of the next one where there
				// is nothing that tells.
				if least := len(pictures) - 2; whole < least || count > 1 || lost < len(list)-1 && count != 1 {
					t.Errorf("packet %d lost: %d whole frames of %d, %d lost", lost, whole, len(pictures), count)
				}
			}
		})
	}
}
