package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bifrons/rtp"
	"bifrons/rtp/frame/frametest"
	"bifrons/rtp/mjr"
)

// video is a recording of two seconds of a test pattern.
func video(t *testing.T, name string) (list []packet) {
	t.Helper()
	s := frametest.Named(name)
	for i, p := range s.Packets(s.Pictures(t)) {
		list = append(list, packet{uint32(i), rtp.FixedHeader{Marker: p.Marker, PayloadType: 96,
			SequenceNumber: uint16(65500 + i), Timestamp: 4294900000 + p.Timestamp, SSRC: 5}, string(p.Payload)})
	}
	return list
}

// pictures are the hashes of decoded frames, with their times in milliseconds. Options of ffmpeg
// may have it do something else with them.
func pictures(t *testing.T, path string, options ...string) (list []string) {
	t.Helper()
	args := append([]string{"-v", "error", "-max_error_rate", "1", "-i", path, "-vsync", "passthrough"}, options...)
	out, err := exec.Command("ffmpeg", append(args, "-f", "framemd5", "-")...).Output()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	tick := 0.0
	for l := range strings.Lines(string(out)) {
		if rest, ok := strings.CutPrefix(l, "#tb 0: "); ok {
			a, b, _ := strings.Cut(strings.TrimSpace(rest), "/")
			n, _ := strconv.ParseFloat(a, 64)
			d, _ := strconv.ParseFloat(b, 64)
			tick = 1000 * n / d
		}
		if l[0] == '#' {
			continue
		}
		f := strings.Split(l, ",")
		at, _ := strconv.ParseFloat(strings.TrimSpace(f[2]), 64)
		list = append(list, strconv.Itoa(int(at*tick+0.5))+" "+strings.TrimSpace(f[5]))
	}
	return list
}

// sameMedia compares what players make of two files.
func sameMedia(t *testing.T, ours, theirs string, options ...string) {
	t.Helper()
	got, want := pictures(t, ours, options...), pictures(t, theirs, options...)
	if len(got) != len(want) {
		t.Fatalf("%d frames, theirs has %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("frame %d is %s, theirs %s", i, got[i], want[i])
		}
	}
}

// hashes are pictures without their times.
func hashes(t *testing.T, path string) (list []string) {
	t.Helper()
	for _, p := range pictures(t, path) {
		_, hash, _ := strings.Cut(p, " ")
		list = append(list, hash)
	}
	return list
}

// Files have the pictures of the encoder, and the same ones at the same times as those of
// janus-pp-rec (which loses the key frames of H.265).
func TestVideo(t *testing.T) {
	need(t, "ffmpeg")
	for _, x := range []struct {
		codec, format string
		lossless      bool // janus-pp-rec has all of it
	}{
		{"vp8", "webm", true}, {"vp8", "mkv", true}, {"vp9", "webm", true}, {"vp9", "mkv", true},
		{"h264", "mp4", true}, {"h264", "mkv", true}, {"h265", "mp4", false}, {"h265", "mkv", false}, {"av1", "mp4", true},
	} {
		t.Run(x.codec+" "+x.format, func(t *testing.T) {
			dir := t.TempDir()
			source := write(t, filepath.Join(dir, "a.mjr"), recording(mjr.Header{Codec: x.codec}, video(t, x.codec)))
			ours, theirs := filepath.Join(dir, "ours."+x.format), filepath.Join(dir, "theirs."+x.format)
			run(nil, "janus-pp-rec", source, ours).want(t, 0, "320x180, 30 frames", "Bye!")
			encoder := write(t, filepath.Join(dir, "encoder"), frametest.Named(x.codec).File(t))
			if got, want := hashes(t, ours), hashes(t, encoder); !slices.Equal(got, want) {
				t.Errorf("%d pictures, not the %d of the encoder", len(got), len(want))
			}
			if _, err := exec.LookPath("janus-pp-rec"); err != nil {
				t.Skip("skipped: comparing with janus-pp-rec, which is not installed")
			}
			command(t, "janus-pp-rec", source, theirs)
			if info, err := os.Stat(theirs); err != nil || info.Size() < 1000 {
				t.Skip("skipped: comparing with janus-pp-rec, which cannot write this here")
			}
			if x.lossless {
				sameMedia(t, ours, theirs)
			}
		})
	}
}

// Packets out of order, twice, and behind a beginning that is missing.
func TestDisorderAsJanus(t *testing.T) {
	need(t, "janus-pp-rec", "ffmpeg")
	list := video(t, "vp8")[3:]
	for i := 10; i+7 < len(list); i += 11 {
		list[i], list[i+5] = list[i+5], list[i]
		list[i+6] = list[i+7]
	}
	stray := list[20]
	stray.head.SSRC = 9
	list = slices.Insert(list, 30, stray)
	dir := t.TempDir()
	source := write(t, filepath.Join(dir, "a.mjr"), recording(mjr.Header{Codec: "vp8"}, list))
	ours, theirs := filepath.Join(dir, "ours.webm"), filepath.Join(dir, "theirs.webm")
	run(nil, "janus-pp-rec", source, ours).want(t, 0, "before the first key frame", "1 packets of another SSRC")
	command(t, "janus-pp-rec", source, theirs)
	sameMedia(t, ours, theirs, "-c", "copy") // decoders make this or that of what is torn
}

// sound is a recording of two seconds of Opus.
func sound(t *testing.T) (list []packet) {
	t.Helper()
	for i, p := range frametest.Opus(t) {
		list = append(list, packet{uint32(20 * i), rtp.FixedHeader{PayloadType: 111, SequenceNumber: uint16(65500 + i),
			Timestamp: uint32(4294960000 + 960*i), SSRC: 5}, string(p)})
	}
	return list
}

func TestOpusAsJanus(t *testing.T) {
	need(t, "janus-pp-rec", "ffmpeg")
	all := sound(t)
	for name, list := range map[string][]packet{
		"whole": all, "with losses": append(slices.Clone(all[:30]), append(slices.Clone(all[31:50]), all[57:]...)...),
	} {
		for _, format := range []string{"opus", "ogg", "mka"} {
			t.Run(name+" "+format, func(t *testing.T) {
				dir := t.TempDir()
				source := write(t, filepath.Join(dir, "a.mjr"), recording(mjr.Header{Codec: "opus"}, list))
				ours, theirs := filepath.Join(dir, "ours."+format), filepath.Join(dir, "theirs."+format)
				run(nil, "janus-pp-rec", source, ours).want(t, 0)
				command(t, "janus-pp-rec", source, theirs)
				sameMedia(t, ours, theirs)
			})
		}
	}
}

func TestPCMAsJanus(t *testing.T) {
	need(t, "janus-pp-rec", "ffmpeg")
	for _, x := range []struct {
		codec     string
		pt        uint8
		size      int
		step      uint32
		gap       int // packets that are missing
		different bool
	}{
		{"pcmu", 0, 160, 160, 0, false}, {"pcma", 8, 160, 160, 0, false}, {"g711", 0, 160, 160, 3, false}, {"g722", 9, 160, 160, 0, false},
		{"g722", 9, 160, 160, 3, false},
	} {
		t.Run(fmt.Sprint(x.codec, " ", x.gap), func(t *testing.T) {
			var list []packet
			for i := range 100 {
				b := make([]byte, x.size)
				for n := range b {
					b[n] = byte(i*n + n>>3)
				}
				list = append(list, packet{uint32(i * 20), rtp.FixedHeader{PayloadType: x.pt, SequenceNumber: uint16(i),
					Timestamp: uint32(i) * x.step, SSRC: 5}, string(b)})
			}
			list = append(list[:40], list[40+x.gap:]...)
			dir := t.TempDir()
			source := write(t, filepath.Join(dir, "a.mjr"), recording(mjr.Header{Codec: x.codec}, list))
			ours, theirs := filepath.Join(dir, "ours.wav"), filepath.Join(dir, "theirs.wav")
			run(nil, "janus-pp-rec", source, ours).want(t, 0)
			command(t, "janus-pp-rec", source, theirs)
			t.Log(len(read(t, ours)), len(read(t, theirs)))
			if got, want := read(t, ours)[44:], read(t, theirs)[44:]; !bytes.Equal(got, want) {
				n := 0
				for n < min(len(got), len(want)) && got[n] == want[n] {
					n++
				}
				t.Errorf("%d octets, theirs has %d; they differ from octet %d on", len(got), len(want), n)
			}
		})
	}
}

// With -t the index stands in front, and the pictures are the same.
func TestFaststart(t *testing.T) {
	need(t, "ffmpeg")
	dir := t.TempDir()
	source := write(t, filepath.Join(dir, "a.mjr"), recording(mjr.Header{Codec: "h264"}, video(t, "h264")))
	plain, fast := filepath.Join(dir, "plain.mp4"), filepath.Join(dir, "fast.mp4")
	run(nil, "janus-pp-rec", source, plain).want(t, 0)
	run(nil, "janus-pp-rec", "--faststart", source, fast).want(t, 0)
	before := func(path string) bool {
		b := read(t, path)
		return bytes.Index(b, []byte("moov")) < bytes.Index(b, []byte("mdat"))
	}
	if before(plain) || !before(fast) {
		t.Error("the index is at the wrong end")
	}
	sameMedia(t, fast, plain)
}

// The comment is the header, or what is asked for.
func TestMetadata(t *testing.T) {
	dir := t.TempDir()
	h := mjr.Header{Codec: "vp8", Description: "a lecture"}
	source := write(t, filepath.Join(dir, "a.mjr"), recording(h, []packet{{payload: "\x10\x00\x9d\x01\x2a"}}))
	for _, format := range []string{"webm", "mkv"} {
		target := filepath.Join(dir, "a."+format)
		for _, x := range []struct {
			env, options []string
			want         string
		}{
			{nil, nil, `{"t": "v", "c": "vp8", "d": "a lecture", "s": `},
			{nil, []string{"-m", "of mine"}, "of mine"},
			{[]string{"JANUS_PPREC_METADATA=of all"}, nil, "of all"},
		} {
			run(x.env, append([]string{"janus-pp-rec", source, target}, x.options...)...).want(t, 0)
			if !bytes.Contains(read(t, target), []byte(x.want)) {
				t.Errorf("%s %v: no %s", format, x.options, x.want)
			}
		}
	}
}

// A disk that is full is an error that names the file.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("skipped: there is no /dev/full")
	}
	dir := t.TempDir()
	source := write(t, filepath.Join(dir, "a.mjr"), recording(mjr.Header{Codec: "opus"}, tone(20)))
	target := filepath.Join(dir, "a.mka")
	if err := os.Symlink("/dev/full", target); err != nil {
		t.Fatal(err)
	}
	run(nil, "janus-pp-rec", source, target).want(t, 1, "a.mka", "no space left")
	run(nil, "mjr2pcap", source, target).want(t, 1, "a.mka", "no space left")
}
