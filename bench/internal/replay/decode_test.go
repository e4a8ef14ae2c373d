package replay

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/pion/rtp/codecs"

	"bifrons/sfu/media"
)

// TestDecoders gives what receivers got to real decoders. Every picture has to come
// out as it does when nothing is left out.
func TestDecoders(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is not installed")
	}
	for _, path := range descriptions(t) {
		t.Run(strings.TrimSuffix(path[len(folder)+1:], ".json"), func(t *testing.T) {
			t.Parallel()
			_, r := play(t, path)
			if slices.ContainsFunc(r.Input.Streams, incomplete) {
				t.Skip("the engine did not get everything")
			}
			want := map[pictureID]string{}
			for _, s := range r.Input.Streams {
				if r.Input.sections[s.Section].Kind == media.Video {
					for top := range highest(s) + 1 {
						d := decoder{t, ffmpeg, s.Packets[0].View.Codec}
						for id, sum := range d.decode(sourcePictures(s, top)) {
							want[id] = sum
						}
					}
				}
			}
			index, done := r.Input.index(), map[string]bool{}
			for _, o := range r.Outputs {
				for i := range r.Input.sections {
					if r.Input.sections[i].Kind != media.Video {
						continue
					}
					var none problems
					list, _ := match(o, i, index, &none)
					if text := ids(list); done[text] { // many receivers get the same
						continue
					} else {
						done[text] = true
					}
					compareDecoded(t, ffmpeg, o.Receiver.Name, list, want)
				}
			}
		})
	}
}

// compareDecoded decodes what one receiver got.
func compareDecoded(t *testing.T, ffmpeg, name string, list []sent, want map[pictureID]string) {
	t.Helper()
	var pictures []picture
	for _, s := range list {
		if s.packet != nil {
			pictures = addTo(pictures, s.stream, s.packet.View.Timestamp, &s.View)
		}
	}
	d := decoder{t, ffmpeg, pictures[0].views[0].Codec}
	wrong := 0
	for id, sum := range d.decode(pictures) {
		if want[id] == "" || want[id] != sum {
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("receiver %s: %d of %d pictures look different", name, wrong, len(pictures))
	}
	t.Logf("receiver %s: %d pictures", name, len(pictures))
}

// incomplete reports whether the engine did not get all of a stream.
func incomplete(s *Stream) bool {
	return s.Missing > 0 || slices.ContainsFunc(s.Packets, func(p *Packet) bool { return !p.arrived })
}

func highest(s *Stream) (top int8) {
	for _, p := range s.Packets {
		top = max(top, p.View.Info.Spatial)
	}
	return top
}

// ids names what a receiver got.
func ids(list []sent) string {
	var b strings.Builder
	for _, s := range list {
		if s.packet != nil {
			_ = binary.Write(&b, binary.BigEndian, []int64{int64(s.stream.SSRC), s.packet.Number})
		}
	}
	return b.String()
}

// pictureID is a picture of the source as it looks with the layers up to spatial.
type pictureID struct {
	stream    *Stream
	timestamp uint32 // of the source
	spatial   int8
}

type picture struct {
	pictureID
	views []*View
}

func addTo(list []picture, s *Stream, ts uint32, v *View) []picture {
	if n := len(list); n == 0 || list[n-1].stream != s || list[n-1].timestamp != ts {
		list = append(list, picture{pictureID: pictureID{s, ts, 0}})
	}
	p := &list[len(list)-1]
	p.spatial = max(p.spatial, v.Info.Spatial)
	p.views = append(p.views, v)
	return list
}

// sourcePictures are all pictures of a stream, with the layers up to one.
func sourcePictures(s *Stream, top int8) (list []picture) {
	for _, p := range s.Packets {
		if len(p.View.Payload) > 0 && p.View.Info.Spatial <= top {
			list = addTo(list, s, p.View.Timestamp, &p.View)
		}
	}
	return list
}

type decoder struct {
	t      *testing.T
	ffmpeg string
	codec  media.CodecName
}

// decode returns a hash of each picture.
func (d *decoder) decode(pictures []picture) map[pictureID]string {
	d.t.Helper()
	var file bytes.Buffer
	args := []string{"-hide_banner", "-loglevel", "error", "-f", "h264"}
	if d.codec != media.H264 {
		args[len(args)-1] = "ivf"
		four := map[media.CodecName]string{media.VP8: "VP80", media.VP9: "VP90", media.AV1: "AV01"}[d.codec]
		head := append([]byte("DKIF\x00\x00\x20\x00"+four), make([]byte, 20)...)
		binary.LittleEndian.PutUint16(head[12:], 640)
		binary.LittleEndian.PutUint16(head[14:], 360)
		binary.LittleEndian.PutUint32(head[16:], 15)
		binary.LittleEndian.PutUint32(head[20:], 1)
		file.Write(head)
	}
	if d.codec == media.VP9 {
		args = append(args, "-c:v", "libvpx-vp9") // takes the layers of a picture in one piece
	}
	for i, b := range d.assemble(pictures) {
		if d.codec != media.H264 {
			file.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), uint64(i)))
		}
		file.Write(b)
	}
	args = append(args, "-i", "-", "-fps_mode", "passthrough", "-autoscale", "0", "-f", "framemd5", "-")
	cmd := exec.CommandContext(d.t.Context(), d.ffmpeg, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &file, &out, &errs
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		d.t.Errorf("ffmpeg: %v\n%s", err, errs.String())
	}
	var sums []string
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "#") {
			sums = append(sums, strings.TrimSpace(line[strings.LastIndex(line, ",")+1:]))
		}
	}
	got := map[pictureID]string{}
	if len(sums) != len(pictures) {
		d.t.Errorf("%d of %d pictures were decoded", len(sums), len(pictures))
		return got
	}
	for i := range pictures {
		got[pictures[i].pictureID] = sums[i]
	}
	return got
}

// assemble makes what decoders take of the payloads.
func (d *decoder) assemble(pictures []picture) (list [][]byte) {
	d.t.Helper()
	var h264 codecs.H264Packet
	var av1 codecs.AV1Depacketizer
	for i := range pictures {
		var all []byte
		if d.codec == media.AV1 {
			all = []byte{0x12, 0} // a temporal delimiter, which RTP leaves out
		}
		for _, v := range pictures[i].views {
			b, err := v.Payload, error(nil)
			switch d.codec {
			case media.VP8:
				b = b[v.VP8.HeaderLen:]
			case media.VP9:
				b = b[v.VP9.HeaderLen:]
			case media.H264:
				b, err = h264.Unmarshal(b)
			case media.AV1:
				b, err = av1.Unmarshal(b)
			}
			if err != nil {
				d.t.Fatal(err)
			}
			all = append(all, b...)
		}
		list = append(list, all)
	}
	return list
}
