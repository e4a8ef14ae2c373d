package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bifrons/cmd/bifrons-rec/pcap"
	"bifrons/rtp/mjr"
)

// A recording becomes a capture, and that the same recording.
func TestCaptureAndBack(t *testing.T) {
	dir := t.TempDir()
	list := tone(20)
	list = append(list, packet{ms: 500, payload: string(make([]byte, 1500))}) // too long
	source := write(t, filepath.Join(dir, "a.mjr"), append(recording(mjr.Header{Codec: "opus"}, list),
		mjr.AppendFrame(nil, 9, []byte("short"))...))
	capture, back := filepath.Join(dir, "a.pcap"), filepath.Join(dir, "b.mjr")
	run(nil, "mjr2pcap", source, capture).want(t, 0, "Saved 20 packets")
	run(nil, "pcap2mjr", "--codec", "OPUS", capture, back).want(t, 0, "Autodetected SSRC 19088743", "Saved 20 out of 20 packets")
	want, wantTimes := packets(t, source)
	got, times := packets(t, back)
	if !slices.Equal(got, want[:20]) || !slices.Equal(times, wantTimes[:20]) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	h, err := mjr.NewReader(bytes.NewReader(read(t, back))).Header()
	if err != nil || h.Codec != "opus" || h.Created != 1714550000120000 || h.First != h.Created {
		t.Error(h, err)
	}
}

// Debian's tools write and read the same.
func TestCaptureAsJanus(t *testing.T) {
	need(t, "mjr2pcap", "pcap2mjr")
	dir := t.TempDir()
	source := write(t, filepath.Join(dir, "a.mjr"), recording(mjr.Header{Codec: "vp8"}, tone(50)))
	theirs, ours := filepath.Join(dir, "theirs.pcap"), filepath.Join(dir, "ours.pcap")
	command(t, "mjr2pcap", source, theirs)
	run(nil, "mjr2pcap", source, ours).want(t, 0)
	if !bytes.Equal(read(t, theirs), read(t, ours)) {
		t.Error("mjr2pcap writes something else")
	}
	theirs, back := filepath.Join(dir, "theirs.mjr"), filepath.Join(dir, "ours.mjr")
	command(t, "pcap2mjr", "-c", "vp8", ours, theirs)
	run(nil, "pcap2mjr", "-c", "vp8", ours, back).want(t, 0)
	if !bytes.Equal(read(t, theirs), read(t, back)) {
		t.Error("pcap2mjr writes something else")
	}
	sample := "/usr/share/janus/recordings/rec-sample-video.mjr"
	if _, err := os.Stat(sample); err != nil {
		t.Skip("skipped: the recordings of package janus-demos:", err)
	}
	run(nil, "mjr2pcap", sample, ours).want(t, 0, "Saved 176 packets")
	run(nil, "pcap2mjr", "-c", "vp8", ours, back).want(t, 0)
	want, _ := packets(t, sample)
	if got, _ := packets(t, back); !slices.Equal(got, want) {
		t.Error("the sample has changed")
	}
}

// capture makes one with the datagrams, a millisecond apart.
func capture(payloads ...[]byte) []byte {
	b := pcap.AppendHeader(nil)
	for i, p := range payloads {
		b = pcap.AppendUDP(b, 5000000+int64(i)*1000, p)
	}
	return b
}

func TestTakesStream(t *testing.T) {
	list := tone(4)
	list[1].head.SSRC, list[2].head.PayloadType = 77, 72 // RTCP
	b := capture([]byte("no RTP, as it is too short?"), list[0].raw(), list[1].raw(), list[2].raw(), list[3].raw())
	cut := append(bytes.Clone(b), capture(list[0].raw())[24:]...)
	binary.NativeEndian.PutUint32(cut[len(b)+12:], 2000) // was longer than what is there
	for _, x := range []struct {
		name    string
		capture []byte
		args    []string
		code    int
		texts   string
		times   []uint32 // of the frames that are saved
	}{
		{"first SSRC", b, nil, 0, "Saved 2 out of 5 packets", []uint32{1, 4}},
		{"another SSRC", b, []string{"-s", "77"}, 0, "Saved 1 out of 5 packets", []uint32{2}},
		{"an SSRC that is not there", b, []string{"--ssrc=78"}, 0, "Saved 0 out of 5 packets", nil},
		{"warnings", b, []string{"-w"}, 0, "packet 4 at byte", []uint32{1, 4}},
		{"captured in part", cut, []string{"-w"}, 0, "captured in part only", []uint32{1, 4}},
		{"nothing in it", b[:24], nil, 0, "Saved 0 out of 0 packets", nil},
		{"cut off", b[:len(b)-3], nil, 0, "the file is cut off; everything before is saved", []uint32{1}},
		{"no capture", []byte("hello, world"), nil, 1, "no capture", nil},
		{"wrong SSRC", b, []string{"-s", "x"}, 1, `"x" is no SSRC`, nil},
		{"link type", append(append(bytes.Clone(b[:20]), 105, 0, 0, 0), b[24:]...), nil, 1, "unsupported link type 105", nil},
		{"data", b, []string{"-c", "text"}, 1, "data channels are not supported", nil},
		{"unknown codec", b, []string{"-c", "mp3"}, 1, "unsupported codec", nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := t.TempDir()
			source, target := write(t, filepath.Join(dir, "a.pcap"), x.capture), filepath.Join(dir, "a.mjr")
			argv := append([]string{"pcap2mjr", "-c", "opus", source, target}, x.args...)
			run(nil, argv...).want(t, x.code, x.texts)
			if x.code != 0 {
				if _, err := os.Stat(target); err == nil {
					t.Error("a file was made")
				}
				return
			}
			if _, times := packets(t, target); !slices.Equal(times, x.times) {
				t.Errorf("frames at %v, not %v", times, x.times)
			}
			if x.times == nil && string(read(t, target)) != mjr.Magic {
				t.Errorf("a recording of nothing: %q", read(t, target))
			}
		})
	}
}

func TestPCAPRefuses(t *testing.T) {
	dir := t.TempDir()
	data := write(t, filepath.Join(dir, "data.mjr"), recording(mjr.Header{Codec: "text"}, nil))
	audio := write(t, filepath.Join(dir, "audio.mjr"), recording(mjr.Header{Codec: "opus"}, tone(2)))
	other := write(t, filepath.Join(dir, "other.mjr"), []byte("something else"))
	cut := write(t, filepath.Join(dir, "cut.mjr"), read(t, audio)[:len(read(t, audio))-1])
	out := filepath.Join(dir, "out.pcap")
	run(nil, "mjr2pcap", data, out).want(t, 1, "data.mjr: a recording of a data channel")
	run(nil, "mjr2pcap", other, out).want(t, 1, "other.mjr: byte 0: this is no recording")
	run(nil, "mjr2pcap", filepath.Join(dir, "none.mjr"), out).want(t, 1, "none.mjr")
	if _, err := os.Stat(out); err == nil {
		t.Error("a file was made")
	}
	run(nil, "mjr2pcap", audio, filepath.Join(dir, "none", "out.pcap")).want(t, 1, "cannot create")
	run(nil, "mjr2pcap", audio, audio).want(t, 1, "is the source itself")
	run(nil, "mjr2pcap", cut, out).want(t, 0, "the file is cut off", "Saved 1 packets")
	empty := write(t, filepath.Join(dir, "empty.mjr"), []byte(mjr.Magic))
	run(nil, "mjr2pcap", empty, out).want(t, 0, "nothing was recorded", "Saved 0 packets")
}

// FuzzPCAP: what is taken out of a capture can be read.
func FuzzPCAP(f *testing.F) {
	list := tone(3)
	f.Add(capture(list[0].raw(), []byte("x"), list[1].raw(), list[2].raw()))
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := pcap.NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		var out bytes.Buffer
		x := extractor{log: &logger{w: io.Discard}, in: in, out: &out, header: mjr.Header{Type: mjr.Video, Codec: "vp8"}}
		if !x.begin("") {
			return
		}
		if err := x.run(""); err != nil {
			t.Fatal(err)
		}
		r := mjr.NewReader(&out)
		for {
			fr, err := r.Next()
			if err != nil {
				if err != io.EOF && err != mjr.ErrEmpty {
					t.Fatal(err)
				}
				return
			}
			if len(fr.Data) < minRTP {
				t.Fatalf("%d bytes", len(fr.Data))
			}
		}
	})
}
