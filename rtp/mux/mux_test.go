package mux_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bifrons/rtp/frame"
	"bifrons/rtp/frame/frametest"
	"bifrons/rtp/mux"
)

// need finds a program or skips the test.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not installed: nothing to check the file with")
	}
	return path
}

// run returns the output of a program, which has to succeed without a word on its
// standard error.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), need(t, name), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		t.Fatalf("%s %s: %v\n%s%s", name, args, err, errs.String(), out.String())
	}
	return out.String()
}

// probe is what ffprobe tells of a file.
type probe struct {
	Format struct {
		Duration string
		Tags     map[string]string
	}
	Streams []struct {
		Codec    string `json:"codec_name"`
		Tag      string `json:"codec_tag_string"`
		Width    int
		Height   int
		Rate     string `json:"sample_rate"`
		Channels int
		Tags     map[string]string
	}
	Packets []struct {
		Stream   int    `json:"stream_index"`
		PTS      string `json:"pts_time"`
		Duration string `json:"duration_time"`
		Flags    string
		Size     string
	}
}

func ffprobe(t *testing.T, path string) (p probe) {
	t.Helper()
	out := run(t, "ffprobe", "-loglevel", "warning", "-of", "json", "-show_streams", "-show_format", "-show_packets", path)
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// md5s are the sums of the pictures that ffmpeg decodes.
func md5s(t *testing.T, path string) (list []string) {
	t.Helper()
	out := run(t, "ffmpeg", "-loglevel", "error", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-")
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "#") {
			list = append(list, strings.TrimSpace(line[strings.LastIndex(line, ",")+1:]))
		}
	}
	return list
}

// source is what the files are made of.
type source struct {
	info    mux.Info
	samples []mux.Sample
}

// videoAndOpus is two seconds of a codec with sound; the picture begins 200 ms later.
func videoAndOpus(t *testing.T, name string) *source {
	t.Helper()
	st := frametest.Named(name)
	s := &source{info: mux.Info{
		App: "bifrons", Comment: "a comment", Date: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC),
		Tracks: []mux.Track{{Codec: st.Codec, Name: "camera"}, {Codec: frame.Opus, Name: "microphone"}},
	}}
	a := frame.New(st.Codec)
	for i, f := range frametest.Assemble(a, st.Packets(st.Pictures(t))) {
		if i == 0 {
			s.info.Tracks[0].Config = a.Config()
			if st.Codec == frame.VP8 {
				s.info.Tracks[0].Config = &frame.Config{Width: f.Width, Height: f.Height}
			}
		}
		at := time.Duration(i)*time.Second/frametest.FPS + 200*time.Millisecond
		s.samples = append(s.samples, mux.Sample{Track: 0, Time: at, Key: f.Key, Data: f.Data})
	}
	for i, p := range frametest.Opus(t) {
		s.samples = append(s.samples, mux.Sample{Track: 1, Time: time.Duration(i) * 20 * time.Millisecond, Duration: 20 * time.Millisecond, Data: p})
	}
	slices.SortStableFunc(s.samples, func(a, b mux.Sample) int { return int(a.Time - b.Time) })
	return s
}

// write makes the file; flush is how often it is flushed, 0 for never.
func (s *source) write(w mux.Writer, flush time.Duration) ([]byte, []mux.Patch) {
	b := w.Header(nil)
	next := flush
	for i := range s.samples {
		if at := s.samples[i].Time; flush > 0 && at >= next {
			b = w.Flush(b)
			next = at + flush
		}
		b = w.Append(b, &s.samples[i])
	}
	return w.End(b)
}

func patched(b []byte, patches []mux.Patch) []byte {
	b = bytes.Clone(b)
	for _, p := range patches {
		copy(b[p.Offset:], p.Bytes)
	}
	return b
}

func save(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// containers are those that take video and sound.
var containers = []struct {
	name, file string
	codecs     []string
	flush      time.Duration
	make       func(mux.Info) (mux.Writer, error)
}{
	{"webm", "a.webm", []string{"vp8", "vp9", "av1"}, 500 * time.Millisecond,
		func(i mux.Info) (mux.Writer, error) { return mux.NewMatroska(i, true) }},
	{"matroska", "a.mkv", []string{"vp8", "vp9", "av1", "h264", "h265"}, 0,
		func(i mux.Info) (mux.Writer, error) { return mux.NewMatroska(i, false) }},
	{"fragments", "a.mp4", []string{"av1", "h264", "h265"}, 500 * time.Millisecond,
		func(i mux.Info) (mux.Writer, error) { return mux.NewFragmentedMP4(i) }},
	{"mp4", "a.mp4", []string{"av1", "h264", "h265"}, 0,
		func(i mux.Info) (mux.Writer, error) { return mux.NewMP4(i) }},
}

// TestContainers: ffprobe finds every sample at its time, and ffmpeg decodes the same
// pictures as from what the encoder made.
func TestContainers(t *testing.T) {
	for _, c := range containers {
		for _, name := range c.codecs {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				s := videoAndOpus(t, name)
				w, err := c.make(s.info)
				if err != nil {
					t.Fatal(err)
				}
				b, patches := s.write(w, c.flush)
				path := save(t, c.file, patched(b, patches))
				p := ffprobe(t, path)
				s.check(t, &p, c.name == "webm" || c.name == "matroska")
				whole := md5s(t, path)
				if len(whole) != 30 {
					t.Errorf("%d pictures", len(whole))
				}
				if want := reference(t, name); !slices.Equal(whole, want) {
					t.Errorf("the pictures are others than those of the encoder")
				}
				if c.name != "mp4" {
					// Without the end, too.
					if sums := md5s(t, save(t, c.file, b)); !slices.Equal(sums, whole) {
						t.Errorf("unpatched: %d pictures", len(sums))
					}
				}
			})
		}
	}
}

// reference are the sums of the pictures as ffmpeg's own muxer gives them.
func reference(t *testing.T, name string) []string {
	t.Helper()
	st := frametest.Named(name)
	return md5s(t, save(t, "reference", st.File(t)))
}

// check compares with what ffprobe found.
func (s *source) check(t *testing.T, p *probe, matroska bool) {
	t.Helper()
	codec := map[frame.Codec]string{frame.VP8: "vp8", frame.VP9: "vp9", frame.AV1: "av1", frame.H264: "h264", frame.H265: "hevc"}
	v, a := p.Streams[0], p.Streams[1]
	if v.Codec != codec[s.info.Tracks[0].Codec] || v.Width != 320 || v.Height != 180 || a.Codec != "opus" || a.Rate != "48000" || a.Channels != 2 {
		t.Errorf("%+v", p.Streams)
	}
	tags := p.Format.Tags
	if comment := tags["comment"] + tags["COMMENT"]; comment != "a comment" || !strings.HasPrefix(tags["creation_time"], "2026-05-06T07:08:09") {
		t.Errorf("%v", tags)
	}
	// ffmpeg adds the start of a fragmented track to its end.
	if d, _ := strconv.ParseFloat(p.Format.Duration, 64); d < 2.18 || d > 2.42 {
		t.Errorf("duration %s", p.Format.Duration)
	}
	precision := 0.0001
	if matroska {
		precision = 0.0006
		if v.Tags["title"] != "camera" {
			t.Errorf("%v", v.Tags)
		}
	}
	var at [2]int
	for _, track := range []int{0, 1} {
		for _, want := range s.samples {
			if want.Track != track {
				continue
			}
			for at[track] < len(p.Packets) && p.Packets[at[track]].Stream != track {
				at[track]++
			}
			if at[track] == len(p.Packets) {
				t.Fatalf("track %d: sample of %v is missing", track, want.Time)
			}
			got := p.Packets[at[track]]
			at[track]++
			pts, _ := strconv.ParseFloat(got.PTS, 64)
			if key := strings.HasPrefix(got.Flags, "K"); math.Abs(pts-want.Time.Seconds()) > precision || got.Size != strconv.Itoa(len(want.Data)) || key != (want.Key || track == 1) {
				t.Fatalf("track %d: %+v instead of %v, %d octets, key %v", track, got, want.Time, len(want.Data), want.Key)
			}
		}
	}
	if len(p.Packets) != len(s.samples) {
		t.Errorf("%d packets of %d", len(p.Packets), len(s.samples))
	}
}

// TestCut: a file that ends anywhere opens, and has what was written before.
func TestCut(t *testing.T) {
	for _, c := range containers[:3] {
		name := c.codecs[len(c.codecs)-1]
		t.Run(c.name+"/"+name, func(t *testing.T) {
			s := videoAndOpus(t, name)
			w, err := c.make(s.info)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := s.write(w, c.flush)
			head := 0 // behind it the first packet is whole
			for _, n := range []int{len(b) / 3, len(b)/3 + 1, len(b) / 2, len(b)/2 + 7, len(b) - 1, len(b) - 100} {
				path := save(t, c.file, b[:n])
				cmd := exec.CommandContext(t.Context(), need(t, "ffprobe"), "-loglevel", "quiet", "-of", "json", "-show_packets", path)
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("cut at %d of %d: %v", n, len(b), err)
				}
				var p probe
				if err := json.Unmarshal(out, &p); err != nil {
					t.Fatal(err)
				}
				if len(p.Packets) == 0 || len(p.Packets) < head {
					t.Errorf("cut at %d of %d: %d packets", n, len(b), len(p.Packets))
				}
			}
		})
	}
}

// TestMkvtoolnix: mkvmerge and mkvinfo find nothing wrong.
func TestMkvtoolnix(t *testing.T) {
	need(t, "mkvmerge")
	for _, c := range containers[:2] {
		for _, name := range c.codecs {
			s := videoAndOpus(t, name)
			w, err := c.make(s.info)
			if err != nil {
				t.Fatal(err)
			}
			b, patches := s.write(w, c.flush)
			path := save(t, c.file, patched(b, patches))
			out := run(t, "mkvmerge", "-o", filepath.Join(t.TempDir(), "b.mkv"), path)
			if strings.Contains(out, "Warning") || strings.Contains(out, "Error") {
				t.Errorf("%s: %s", name, out)
			}
			out = run(t, "mkvinfo", "--all", path)
			for _, want := range []string{"|+ Cues", "|+ Tags", "|+ Tracks", "+ Duration: 00:00:02.", "luster position:"} {
				if !strings.Contains(out, want) {
					t.Errorf("%s: %q is missing", name, want)
				}
			}
			if strings.Contains(out, "unknown") || strings.Contains(out, "Unknown") {
				t.Errorf("%s: %s", name, out)
			}
		}
	}
}

// TestSeek: with the index ffmpeg starts at a key frame in the middle.
func TestSeek(t *testing.T) {
	for _, c := range containers {
		s := videoAndOpus(t, c.codecs[len(c.codecs)-1])
		w, err := c.make(s.info)
		if err != nil {
			t.Fatal(err)
		}
		b, patches := s.write(w, c.flush)
		path := save(t, c.file, patched(b, patches))
		out := run(t, "ffprobe", "-loglevel", "warning", "-of", "csv=p=0", "-select_streams", "v", "-read_intervals", "1.7%+#1", "-show_entries", "packet=pts_time,flags", path)
		if !strings.HasPrefix(out, "1.53") || !strings.Contains(out, "K") {
			t.Errorf("%s: %q", c.name, out)
		}
	}
}

// TestFastStart: the index stands in front, and everything is as before.
func TestFastStart(t *testing.T) {
	s := videoAndOpus(t, "h264")
	w, err := mux.NewMP4(s.info)
	if err != nil {
		t.Fatal(err)
	}
	b, patches := s.write(w, 0)
	path := save(t, "a.mp4", patched(b, patches))
	before := md5s(t, path)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := w.FastStart(f); err != nil {
		t.Fatal(err)
	}
	moved, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if moov, mdat := bytes.Index(moved, []byte("moov")), bytes.Index(moved, []byte("mdat")); moov > mdat || len(moved) != len(b) {
		t.Errorf("moov at %d, mdat at %d; %d octets instead of %d", moov, mdat, len(moved), len(b))
	}
	p := ffprobe(t, path)
	s.check(t, &p, false)
	if !slices.Equal(before, md5s(t, path)) {
		t.Error("the pictures changed")
	}
}

// TestUnfit: what a container cannot have is refused.
func TestUnfit(t *testing.T) {
	for _, tt := range []struct {
		codec frame.Codec
		err   []error // of WebM, Matroska, MP4, fragments, Ogg, WAV
	}{
		{frame.VP8, []error{nil, nil, mux.ErrFit, mux.ErrFit, mux.ErrFit, mux.ErrFit}},
		{frame.H264, []error{mux.ErrFit, nil, nil, nil, mux.ErrFit, mux.ErrFit}},
		{frame.Opus, []error{nil, nil, nil, nil, nil, mux.ErrFit}},
		{frame.PCMU, []error{mux.ErrFit, nil, mux.ErrFit, mux.ErrFit, mux.ErrFit, nil}},
	} {
		info := mux.Info{Tracks: []mux.Track{{Codec: tt.codec}}}
		var got [6]error
		_, got[0] = mux.NewMatroska(info, true)
		_, got[1] = mux.NewMatroska(info, false)
		_, got[2] = mux.NewMP4(info)
		_, got[3] = mux.NewFragmentedMP4(info)
		_, got[4] = mux.NewOgg(info)
		_, got[5] = mux.NewWAV(info)
		for i := range got {
			if !errors.Is(got[i], tt.err[i]) {
				t.Errorf("%s, %d: %v", tt.codec, i, got[i])
			}
		}
	}
}

// TestOgg: ffmpeg reads as many packets as were written, with their times.
func TestOgg(t *testing.T) {
	w, err := mux.NewOgg(mux.Info{App: "bifrons", Comment: "a comment", Tracks: []mux.Track{{Codec: frame.Opus}}})
	if err != nil {
		t.Fatal(err)
	}
	var s source
	for i, p := range frametest.Opus(t) {
		s.samples = append(s.samples, mux.Sample{Time: time.Duration(i) * 20 * time.Millisecond, Duration: 20 * time.Millisecond, Data: p})
	}
	b, _ := s.write(w, 0)
	p := ffprobe(t, save(t, "a.opus", b))
	if len(p.Packets) != len(s.samples) || p.Streams[0].Codec != "opus" || p.Streams[0].Tags["COMMENT"] != "a comment" {
		t.Errorf("%d packets of %d, %+v", len(p.Packets), len(s.samples), p.Streams)
	}
	if last := p.Packets[len(p.Packets)-1]; last.PTS != "2.000000" {
		t.Errorf("%+v", last)
	}
	if p.Format.Duration != "2.020000" {
		t.Errorf("duration %s", p.Format.Duration)
	}
}

func TestWAV(t *testing.T) {
	w, err := mux.NewWAV(mux.Info{Tracks: []mux.Track{{Codec: frame.G722, Rate: 16000}}})
	if err != nil {
		t.Fatal(err)
	}
	s := source{samples: []mux.Sample{{Data: make([]byte, 32000)}, {Data: make([]byte, 3200)}}}
	b, patches := s.write(w, 0)
	if p := ffprobe(t, save(t, "a.wav", patched(b, patches))); p.Format.Duration != "1.100000" || p.Streams[0].Codec != "pcm_s16le" || p.Streams[0].Rate != "16000" {
		t.Errorf("%+v", p)
	}
	run(t, "ffprobe", "-loglevel", "error", save(t, "a.wav", b))
}

func TestSubRip(t *testing.T) {
	w, err := mux.NewSubRip(mux.Info{Tracks: []mux.Track{{}}})
	if err != nil {
		t.Fatal(err)
	}
	s := source{samples: []mux.Sample{
		{Time: 1500 * time.Millisecond, Data: []byte("one")},
		{Time: 3 * time.Second, Data: []byte("two\n\nlines\r\n")},
		{Time: 3 * time.Second, Duration: time.Second, Data: []byte("three")},
		{Time: time.Hour + 61*time.Second, Data: []byte("four")},
	}}
	b, _ := s.write(w, 0)
	const want = `1
00:00:01.500 --> 00:00:02.999
one

2
00:00:03.000 --> 00:00:03.000
two
lines

3
00:00:03.000 --> 00:00:04.000
three

4
01:01:01.000 --> 01:01:06.000
four

`
	if string(b) != want {
		t.Errorf("%s", b)
	}
}

// TestText: a track of text has times and durations.
func TestText(t *testing.T) {
	w, err := mux.NewMatroska(mux.Info{Tracks: []mux.Track{{Name: "chat"}}}, false)
	if err != nil {
		t.Fatal(err)
	}
	s := source{samples: []mux.Sample{{Time: time.Second, Duration: 2 * time.Second, Data: []byte("hello")}}}
	b, patches := s.write(w, 0)
	p := ffprobe(t, save(t, "a.mkv", patched(b, patches)))
	if len(p.Packets) != 1 || p.Packets[0].PTS != "1.000000" || p.Packets[0].Duration != "2.000000" || p.Streams[0].Codec != "subrip" {
		t.Errorf("%+v", p)
	}
}

// FuzzWriters writes what the input says with every writer: none panics, none holds more
// than it may.
func FuzzWriters(f *testing.F) {
	f.Add([]byte{0, 0, 4, 1, 1, 20, 3, 0, 9, 2, 0, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		info := func(codecs ...frame.Codec) (i mux.Info) {
			for _, c := range codecs {
				i.Tracks = append(i.Tracks, mux.Track{Codec: c})
			}
			return i
		}
		var list []mux.Writer
		add := func(w mux.Writer, err error) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, w)
		}
		m, err := mux.NewMatroska(info(frame.VP9, frame.Opus), true)
		add(m, err)
		k, err := mux.NewMatroska(info(frame.H265, frame.Unknown, frame.L16), false)
		add(k, err)
		x, err := mux.NewFragmentedMP4(info(frame.H264, frame.Opus))
		add(x, err)
		p, err := mux.NewMP4(info(frame.AV1, frame.Opus))
		add(p, err)
		o, err := mux.NewOgg(info(frame.Opus))
		add(o, err)
		config := &frame.Config{SPS: [][]byte{b}, PPS: [][]byte{b}, VPS: [][]byte{b}, Sequence: b}
		for i, w := range list {
			tracks := []int{2, 2, 2, 2, 1}[i]
			out := w.Header(nil)
			for c := b; len(c) >= 3; c = c[3:] {
				s := mux.Sample{Track: int(c[0]) % tracks, Time: time.Duration(int8(c[1])) * time.Second, Key: c[0]&2 != 0, Data: b[:min(len(b), int(c[2]))]}
				if c[0]&4 != 0 {
					s.Duration = time.Duration(c[2]) * time.Millisecond
				}
				if c[0]&8 != 0 {
					out = w.Flush(out)
				}
				if c[0]&16 != 0 && tracks > 1 {
					w.SetTrack(0, mux.Track{Codec: []frame.Codec{frame.VP9, frame.H265, frame.H264, frame.AV1}[i], Config: config})
				}
				out = w.Append(out, &s)
			}
			out, patches := w.End(out)
			for _, p := range patches {
				if p.Offset < 0 || p.Offset+int64(len(p.Bytes)) > int64(len(out)) {
					t.Fatalf("patch at %d of %d octets, file of %d", p.Offset, len(p.Bytes), len(out))
				}
			}
		}
	})
}
