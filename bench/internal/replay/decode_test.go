package replay

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pion/rtp/codecs"
	av1frame "github.com/pion/rtp/codecs/av1/frame"

	"bifrons/sfu/media"
)

// TestDecoders gives what receivers got to real decoders, which have to decode
// every picture without complaint.
func TestDecoders(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is not installed")
	}
	for _, path := range descriptions(t) {
		_, r := play(t, path)
		done := map[[sha256.Size]byte]bool{} // many receivers get the same
		for _, o := range r.Outputs {
			for i := range r.Input.sections {
				if r.Input.sections[i].Kind != media.Video || slices.ContainsFunc(r.Input.Streams, func(s *Stream) bool { return incomplete(s) }) {
					continue
				}
				name := strings.TrimSuffix(path, ".json") + "/" + o.Receiver.Name
				pictures, c := assemble(t, o, i)
				if sum := sha256.Sum256(bytes.Join(pictures, []byte("next"))); !done[sum] {
					done[sum] = true
				} else {
					continue
				}
				got, complaints := decodePictures(t, ffmpeg, c, pictures)
				if complaints != "" || got != len(pictures) {
					t.Errorf("%s: %d of %d pictures were decoded\n%s", name, got, len(pictures), complaints)
				}
			}
		}
	}
}

// incomplete tells whether the engine did not get all of a stream.
func incomplete(s *Stream) bool {
	return s.Missing > 0 || slices.ContainsFunc(s.Packets, func(p *Packet) bool { return !p.arrived })
}

// assemble makes pictures of what a receiver got of a section.
func assemble(t *testing.T, o *Output, section int) (pictures [][]byte, c media.CodecName) {
	t.Helper()
	var list []*Record
	seen := map[int64]bool{}
	for i := range o.Records {
		rec := &o.Records[i]
		if rec.Section == section && rec.Kind != LayerChange && len(rec.View.Payload) > 0 && !seen[rec.Number] {
			seen[rec.Number] = true
			list = append(list, rec)
		}
	}
	slices.SortFunc(list, func(a, b *Record) int { return int(a.Number - b.Number) })
	var h264 codecs.H264Packet
	var av1 av1frame.AV1
	for i, rec := range list {
		if i == 0 || rec.View.Timestamp != list[i-1].View.Timestamp {
			pictures = append(pictures, nil)
		}
		c = rec.View.Codec
		var b []byte
		var err error
		switch c {
		case media.VP8:
			b = rec.View.Payload[rec.View.VP8.HeaderLen:]
		case media.VP9:
			b = rec.View.Payload[rec.View.VP9.HeaderLen:]
		case media.H264:
			b, err = h264.Unmarshal(rec.View.Payload)
		case media.AV1:
			b, err = obus(&av1, rec.View.Payload)
		}
		if err != nil {
			t.Fatalf("number %d: %v", rec.Number, err)
		}
		last := len(pictures) - 1
		pictures[last] = append(pictures[last], b...)
	}
	if c == media.AV1 { // temporal delimiters, which RTP leaves out
		for i := range pictures {
			pictures[i] = append([]byte{0x12, 0}, pictures[i]...)
		}
	}
	return pictures, c
}

// obus returns the whole OBUs that end in a packet, with their sizes.
func obus(f *av1frame.AV1, payload []byte) ([]byte, error) {
	var p codecs.AV1Packet
	if _, err := p.Unmarshal(payload); err != nil {
		return nil, err
	}
	list, err := f.ReadFrames(&p)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, b := range list {
		head := 1 + int(b[0]>>2&1) // with the extension
		out = append(append(out, b[0]|2), b[1:head]...)
		out = binary.AppendUvarint(out, uint64(len(b)-head)) // LEB128
		out = append(out, b[head:]...)
	}
	return out, nil
}

// decodePictures returns how many pictures a decoder made, and what it said.
func decodePictures(t *testing.T, ffmpeg string, c media.CodecName, pictures [][]byte) (n int, complaints string) {
	t.Helper()
	var file bytes.Buffer
	args := []string{"-hide_banner", "-loglevel", "error"}
	if c == media.H264 {
		for _, b := range pictures {
			file.Write(b)
		}
		args = append(args, "-f", "h264")
	} else {
		four := map[media.CodecName]string{media.VP8: "VP80", media.VP9: "VP90", media.AV1: "AV01"}[c]
		head := append([]byte("DKIF\x00\x00\x20\x00"+four), make([]byte, 20)...)
		binary.LittleEndian.PutUint16(head[12:], 640)
		binary.LittleEndian.PutUint16(head[14:], 360)
		binary.LittleEndian.PutUint32(head[16:], 15)
		binary.LittleEndian.PutUint32(head[20:], 1)
		file.Write(head)
		for i, b := range pictures {
			file.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), uint64(i)))
			file.Write(b)
		}
		if c == media.VP9 {
			args = append(args, "-c:v", "libvpx-vp9") // takes the layers of a picture in one piece
		}
		args = append(args, "-f", "ivf")
	}
	args = append(args, "-i", "-", "-fps_mode", "passthrough", "-progress", "pipe:1", "-f", "null", "-")
	cmd := exec.CommandContext(t.Context(), ffmpeg, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &file, &out, &errs
	if err := cmd.Run(); err != nil {
		t.Errorf("ffmpeg: %v", err)
	}
	for line := range strings.Lines(out.String()) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "frame="); ok {
			n, _ = strconv.Atoi(v)
		}
	}
	return n, errs.String()
}
