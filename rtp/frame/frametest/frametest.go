// Package frametest makes media for tests: ffmpeg encodes it, pion cuts it into packets.
package frametest

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"sync"
	"testing"

	"github.com/pion/rtp/codecs"

	"bifrons/rtp/frame"
	"bifrons/rtp/ogg"
)

// payloader is one of pion's.
type payloader interface {
	Payload(mtu uint16, payload []byte) [][]byte
}

// Stream is the output of an encoder.
type Stream struct {
	Name  string
	Codec frame.Codec
	args  []string // of ffmpeg
	split func(b []byte) [][]byte
	pion  func() payloader
	// Whole turns a picture of the encoder into the data of a frame.
	Whole func(picture []byte) []byte
}

// FPS is how many pictures a second has, Rate the clock of their timestamps.
const (
	FPS  = 15
	Rate = 90000
)

// Streams are those of all codecs of video: 30 pictures of 320x180, each tenth of them a
// key frame.
var Streams = []Stream{
	{"vp8", frame.VP8, []string{"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "10", "-f", "ivf"}, splitIVF,
		func() payloader { return &codecs.VP8Payloader{EnablePictureID: true} }, bytes.Clone},
	{"vp9", frame.VP9, []string{"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "10", "-f", "ivf"}, splitIVF,
		func() payloader { return &codecs.VP9Payloader{FlexibleMode: true} }, bytes.Clone},
	{"av1", frame.AV1, []string{"-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-g", "10", "-f", "ivf"}, splitIVF,
		func() payloader { return &codecs.AV1Payloader{} }, withoutDelimiter},
	{"h264", frame.H264, []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "10", "-bf", "0", "-slices", "2", "-x264-params", "aud=1", "-f", "h264"}, splitH264,
		func() payloader { return &codecs.H264Payloader{} }, lengthPrefixed},
	{"h265", frame.H265, []string{"-c:v", "libx265", "-preset", "ultrafast", "-g", "10", "-bf", "0", "-x265-params", "log-level=none:aud=1:repeat-headers=1", "-f", "hevc"}, splitH265,
		func() payloader { return &codecs.H265Payloader{} }, lengthPrefixed},
}

// Named is one of the Streams.
func Named(name string) *Stream {
	for i := range Streams {
		if Streams[i].Name == name {
			return &Streams[i]
		}
	}
	return nil
}

// encoded has the streams made so far.
var encoded struct {
	sync.Mutex
	made map[string][]byte
}

// Encode returns the output of ffmpeg with args, and skips the test where it
// is missing or cannot.
func Encode(t testing.TB, args ...string) []byte {
	t.Helper()
	encoded.Lock()
	defer encoded.Unlock()
	key := string(bytes.Join(bytesOf(args), []byte{0}))
	if b := encoded.made[key]; b != nil {
		return b
	}
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is not installed: there is no media to test with")
	}
	cmd := exec.CommandContext(t.Context(), ffmpeg, append(append([]string{"-loglevel", "error"}, args...), "-")...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Skipf("ffmpeg has no such encoder: %v\n%s", err, errs.String())
	}
	if encoded.made == nil {
		encoded.made = map[string][]byte{}
	}
	encoded.made[key] = out.Bytes()
	return out.Bytes()
}

func bytesOf(list []string) (out [][]byte) {
	for _, s := range list {
		out = append(out, []byte(s))
	}
	return out
}

// Pictures returns two seconds of a test pattern.
func (s *Stream) Pictures(t testing.TB) [][]byte {
	t.Helper()
	return s.Sized(t, "320x180")
}

// Sized returns two seconds of pictures of some size.
func (s *Stream) Sized(t testing.TB, size string) [][]byte {
	t.Helper()
	return s.split(Encode(t, s.command(size)...))
}

// Packets are those of all pictures: numbers and arrivals from 1 and 0 on, timestamps from
// 0 on.
func (s *Stream) Packets(pictures [][]byte) (list []frame.Packet) {
	p := s.pion()
	for i, pic := range pictures {
		payloads := p.Payload(700, pic)
		for n, b := range payloads {
			list = append(list, frame.Packet{
				Seq: uint64(len(list)) + 1, Timestamp: uint32(i * Rate / FPS), Marker: n == len(payloads)-1,
				Arrival: int64(len(list)), Payload: b,
			})
		}
	}
	return list
}

// Opus returns two seconds of Opus, in packets of 20 ms of two channels.
func Opus(t testing.TB) (list [][]byte) {
	t.Helper()
	b := Encode(t, "-f", "lavfi", "-i", "sine=frequency=440:duration=2", "-ac", "2", "-c:a", "libopus", "-f", "opus")
	r := ogg.NewReader(bytes.NewReader(b), func([]byte) bool { return true })
	for {
		p, err := r.Next()
		if err != nil {
			return list[2:] // without head and tags
		}
		list = append(list, bytes.Clone(p))
	}
}

// Assemble returns the frames of packets, copied.
func Assemble(a *frame.Assembler, list []frame.Packet) (frames []frame.Frame) {
	keep := func(more []frame.Frame) {
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

// File returns the file of ffmpeg, with the pictures of Pictures.
func (s *Stream) File(t testing.TB) []byte {
	t.Helper()
	return Encode(t, s.command("320x180")...)
}

func (s *Stream) command(size string) []string {
	args := []string{"-f", "lavfi", "-i", "testsrc2=size=" + size + ":rate=15:duration=2", "-pix_fmt", "yuv420p"}
	return append(args, s.args...)
}
