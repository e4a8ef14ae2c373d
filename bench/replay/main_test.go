package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const folder = "../../testdata/replay/"

// alone copies a capture to where no description lies beside it.
func alone(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(folder + name)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const offer = `v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
m=video 5004 RTP/AVP 96
c=IN IP4 192.0.2.1
a=rtpmap:96 H264/90000
a=sendonly
`

func TestCommand(t *testing.T) {
	sdp := filepath.Join(t.TempDir(), "offer.sdp")
	if err := os.WriteFile(sdp, []byte(offer), 0o600); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no capture at all, only text"), 0o600); err != nil {
		t.Fatal(err)
	}
	written := filepath.Join(t.TempDir(), "written.json")
	for _, c := range []struct {
		args      []string
		out, fail string
	}{
		{[]string{folder + "h264-ffmpeg.pcapng"}, "H264", ""},
		{[]string{folder + "h264-ffmpeg.json"}, "H264", ""},
		{[]string{"-v", folder + "opus-ffmpeg.pcap"}, "== highest", ""},
		{[]string{"-codec", "96=H264", "-write", written, alone(t, "h264-ffmpeg.pcapng")}, "key frames", ""},
		{[]string{"-sdp", sdp, alone(t, "h264-ffmpeg.pcapng")}, "key frames", ""},
		{[]string{alone(t, "h264-ffmpeg.pcapng")}, "", "payload type 96: 153 packets"},
		{[]string{"-codec", "97=H264", alone(t, "h264-ffmpeg.pcapng")}, "", "nothing in the capture"},
		{[]string{"-codec", "H264", alone(t, "h264-ffmpeg.pcapng")}, "", "96=VP8"},
		{[]string{"-srtp", "AES128_CM_SHA1_80:AAAA", "-codec", "96=H264", alone(t, "h264-ffmpeg-srtp.pcap")}, "", "30 bytes"},
		{[]string{"-codec", "96=H264", "-from", "nobody", alone(t, "h264-ffmpeg.pcapng")}, "", "from"},
		{[]string{text}, "", "neither a pcap nor a pcapng"},
		{[]string{filepath.Join(folder, "missing.pcap")}, "", "no such file"},
	} {
		var out strings.Builder
		err := run(c.args, &out)
		switch {
		case c.fail == "" && err != nil, c.fail != "" && (err == nil || !strings.Contains(err.Error(), c.fail)):
			t.Errorf("%v: %v, want %q", c.args, err, c.fail)
		case !strings.Contains(out.String(), c.out):
			t.Errorf("%v: %s", c.args, out.String())
		}
	}
	if b, err := os.ReadFile(written); err != nil || !strings.Contains(string(b), `"H264"`) {
		t.Errorf("written: %s %v", b, err)
	}
}
